"""The thread that reads one meter at its rate. A meter that hangs holds up its own thread and nothing else."""

import threading
import time
from collections import deque
from typing import Any, Deque, Dict, List, Tuple

from ...meters.base import Meter, Reading

# Samples wait here while a disk hangs; beyond this many the oldest go, which makes a gap and not an endless process.
SAMPLES_HELD = 500_000
# The time of a reading is the middle of its read. One that took far longer than the meter ever needs (the process was
# stopped, the driver hung) has no time to speak of, and counts as failed.
SLOW_READ_NS = 250_000_000
SLOW_READ_FACTOR = 5
LONGEST_SLEEP = 0.25


class Sampler(threading.Thread):
    """Reads `meter` every `interval_ns` (may be changed while it runs).

    What it read gathers in `samples`: the time of the read, and one reading a channel.
    """

    def __init__(self, meter: Meter, first_channel: int, interval_ns: int) -> None:
        super().__init__(name=f"sampler of {meter.name}", daemon=True)
        self.meter = meter
        self.first_channel = first_channel
        self.interval_ns = interval_ns
        self.ended = False
        self.samples: Deque[Tuple[int, List[Reading]]] = deque(maxlen=SAMPLES_HELD)
        self._reads = 0
        self._cpu_seconds = 0.0

    def cost(self) -> Dict[str, Any]:
        """What reading this meter has cost so far: how many reads, and processor seconds of this thread."""
        return {"meter": self.meter.name, "reads": self._reads, "cpu_seconds": round(self._cpu_seconds, 4)}

    def run(self) -> None:
        clock, sleep, read, append = time.monotonic_ns, time.sleep, self.meter.read, self.samples.append
        fastest = 1 << 62
        due = clock()
        while not self.ended:
            before = clock()
            try:
                readings = read()
            except Exception as error:  # a driver should not raise; if it does, this is a failed read as well
                readings = [Reading(None, f"{type(error).__name__}: {error}")] * len(self.meter.channels)
            took = clock() - before
            if took < fastest:
                fastest = took
            if took > SLOW_READ_NS and took > SLOW_READ_FACTOR * fastest:
                readings = [Reading(None, r.error or "the read took too long to have a time") for r in readings]
            append((before + took // 2, readings))
            self._reads += 1
            self._cpu_seconds = time.thread_time()
            # A grid of absolute times; reads that were missed are left out, not made up for.
            interval = self.interval_ns
            due += interval
            left = due - clock()
            if left <= 0:
                due += interval * (-left // interval + 1)
                left = due - clock()
            while left > 0 and not self.ended:
                sleep(min(left * 1e-9, LONGEST_SLEEP))
                left = due - clock()
