"""The recorder's main loop: opens the meters, hears its parent, stores what the samplers read, tells how it goes.

The samplers read in threads of their own and fsync waits in another, so a slow meter or disk delays nothing but itself.
The loop ends when the parent says so, when its standard input ends, or when its parent's id changes: a forked worker
of the parent keeps the pipe open, so the end of the input alone does not tell.
"""

import json
import os
import select
import time
from dataclasses import replace
from typing import Any, Dict, List, Optional, Tuple

from ...errors import EnergytrainError
from ...meters.base import Channel, Meter, conditions_of, left_out
from ...meters.catalog import open_meter
from ..traces import clocks
from ..traces.series import free_name
from ..traces.trace import TraceWriter
from .config import RecorderConfig
from .live import LiveChannel, finite
from .outbox import Outbox
from .sampling import Sampler
from .watching import Syncer

FLUSH_SECONDS = 0.25
STATUS_SECONDS = 1.0
# Somebody waits for the first samples: look for them often at first.
FIRST_LOOK_SECONDS = 0.02
FIRST_LOOKS_FOR_SECONDS = 3.0
SAMPLES_PER_UPDATE = 4
# Reads at a whole fraction of the update period would meet every update at the same age; a little off the beat they
# sweep over it, which tells the integrator when the updates came to a small part of the interval between reads.
OFF_BEAT = 1.03
SLOWEST_HZ = 1.0
CONDITIONS_NS = 1_000_000_000
# After a stop, read on for so many update periods: then the last window's edge lies between two readings.
LINGER_PERIODS = 2
LINGER_UNKNOWN_SECONDS = 0.1
LINGER_MOST_SECONDS = 1.0
JOIN_SECONDS = 0.5

Unavailable = List[Dict[str, Optional[str]]]


def record(config: RecorderConfig, stdin: int, stdout: int) -> None:
    """Records until the parent ends or says stop. Failures are told on `stdout`, never raised into the parent."""
    meters, unavailable = _open_meters(config)
    _Recording(config, meters, unavailable, Outbox(stdout)).run(stdin)


def _open_meters(config: RecorderConfig) -> Tuple[List[Meter], Unavailable]:
    meters: List[Meter] = []
    unavailable: Unavailable = []
    for spec in config.meters:
        refused: Unavailable = []
        for one in (spec, *spec.instead):
            try:
                meter = open_meter(one)
            except EnergytrainError as error:
                refused.append({"meter": str(one), "why": error.message, "fix": error.hint})
                continue
            except Exception as error:  # a driver's library fails in ways of its own; the other meters go on
                refused.append({"meter": str(one), "why": f"{type(error).__name__}: {error}", "fix": None})
                continue
            meters.append(meter)
            unavailable.extend({"meter": part, "why": why, "fix": fix} for part, why, fix in left_out(meter))
            break
        else:
            unavailable.extend(refused)
    return meters, unavailable


class _Recording:
    """The open meters, the trace and where they stand."""

    def __init__(self, config: RecorderConfig, meters: List[Meter], unavailable: Unavailable, outbox: Outbox) -> None:
        self._parent = config.parent
        self._asked_ns = int(OFF_BEAT * 1e9 / config.hz)
        self._outbox = outbox
        self._samplers: List[Sampler] = []
        channels: List[Channel] = []
        slow = [one for one in map(conditions_of, meters) if one is not None]
        for meter in (*meters, *slow):
            self._samplers.append(Sampler(meter, len(channels), CONDITIONS_NS if meter in slow else self._asked_ns))
            for channel in meter.channels:  # two meters may read the same hardware
                channels.append(replace(channel, name=free_name(channel.name, [one.name for one in channels])))
        self._live = [LiveChannel(channel) for channel in channels]
        self._error: Optional[str] = None
        self._trace: Optional[TraceWriter] = None
        self._stop_at: Optional[float] = None
        self._told_sampled = False
        try:
            self._trace = TraceWriter(config.trace, channels, config.attempt, clocks.host(), clocks.boot_id())
        except OSError as error:
            self._storing_failed(error)
        self._syncer = Syncer(self._trace, self._storing_failed)
        ready = {"channels": [channel.to_json() for channel in channels], "unavailable": unavailable}
        outbox.answer({"ready": dict(ready, pid=os.getpid(), error=self._error)})

    def _storing_failed(self, error: OSError) -> None:
        """From here on nothing is stored; the readings still show."""
        if self._error is None:
            self._error = f"the trace cannot be written: {error.strerror or error}"

    def run(self, stdin: int) -> None:
        for thread in (*self._samplers, self._syncer):
            thread.start()
        began = time.monotonic()
        next_store, next_status = began, began + FLUSH_SECONDS
        listened = [stdin]
        heard = b""
        while self._stop_at is None or time.monotonic() < self._stop_at:
            now = time.monotonic()
            if now >= next_store:
                self._store()
                hurry = not self._told_sampled and now < began + FIRST_LOOKS_FOR_SECONDS
                next_store = now + (FIRST_LOOK_SECONDS if hurry else FLUSH_SECONDS)
            if now >= next_status:
                next_status = now + STATUS_SECONDS
                if os.getppid() != self._parent:
                    break
                self._adapt_rates()
                self._syncer.due.set()
                self._outbox.tell(self._status())
            self._outbox.pump()
            until = min(next_store, next_status, self._stop_at or next_status)
            if not select.select(listened, [], [], max(0.0, until - time.monotonic()))[0]:
                continue
            chunk = os.read(stdin, 65536)
            *lines, heard = (heard + chunk).split(b"\n")
            for line in lines:
                self._obey(line)
            if not chunk:
                if self._stop_at is None:
                    break
                listened = []
        self._end()

    def _obey(self, line: bytes) -> None:
        command = json.loads(line)
        if "flush" in command:
            self._store()
            self._outbox.answer({"flushed": command["flush"]})
        elif "stop" in command and self._stop_at is None:
            self._stop_at = time.monotonic() + self._linger_seconds()

    def _linger_seconds(self) -> float:
        metered = [live for live in self._live if live.channel.is_power]
        spans = [live.channel.update_seconds or live.update_seconds or LINGER_UNKNOWN_SECONDS for live in metered]
        spans += [sampler.interval_ns * 1e-9 for sampler in self._samplers if sampler.interval_ns < CONDITIONS_NS]
        return min(LINGER_MOST_SECONDS, LINGER_PERIODS * max(spans, default=0.0))

    def _store(self) -> None:
        """Moves what the samplers have read into the trace and the live figures."""
        trace = self._trace if self._error is None else None
        for sampler in self._samplers:
            samples = sampler.samples
            for _ in range(len(samples)):
                t, readings = samples.popleft()
                for channel, reading in enumerate(readings, sampler.first_channel):
                    value, error = finite(reading)
                    self._live[channel].feed(t, value, error)
                    if trace is not None:
                        trace.append(channel, t, value, error)
        if trace is not None:
            try:
                trace.flush()
            except OSError as failure:
                self._storing_failed(failure)
        if not self._told_sampled and all(live.sampled for live in self._live if live.channel.is_power):
            self._told_sampled = True
            self._outbox.answer({"sampled": True})

    def _adapt_rates(self) -> None:
        """Reads no faster than the meter has something new to say."""
        for sampler in self._samplers:
            live = self._live[sampler.first_channel : sampler.first_channel + len(sampler.meter.channels)]
            # A power that stands still repeats its reading and hides the updates; a counter shows them all.
            periods = [
                one.channel.update_seconds or (one.update_seconds if one.channel.quantity == "joules" else None)
                for one in live
            ]
            known = [period for period in periods if period]
            if known and len(known) == len(live):
                useful_ns = int(min(OFF_BEAT * min(known) / SAMPLES_PER_UPDATE, 1 / SLOWEST_HZ) * 1e9)
                sampler.interval_ns = max(self._asked_ns, useful_ns)

    def _status(self) -> Dict[str, Any]:
        status = {
            "t": clocks.monotonic_ns(),
            "channels": {live.channel.name: live.figures() for live in self._live},
            "error": self._error,
            "cpu_seconds": round(time.process_time(), 4),
            "meters": [sampler.cost() for sampler in self._samplers],
        }
        return {"status": status}

    def _end(self) -> None:
        for sampler in self._samplers:
            sampler.ended = True
        for sampler in self._samplers:
            sampler.join(JOIN_SECONDS)
        self._store()
        self._syncer.end()
        if self._trace is not None:
            try:
                self._trace.close()
            except OSError as error:
                self._storing_failed(error)
        for sampler in self._samplers:
            if not sampler.is_alive():  # one that hangs in its driver goes down with the process
                sampler.meter.close()
        self._outbox.answer(self._status())
