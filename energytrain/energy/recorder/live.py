"""What a channel shows now: watts, joules since the start, and how often its value changes.

For the eye and for the sampling rate only. The joules of a window are always computed from the trace.
"""

import math
from collections import deque
from typing import Any, Deque, Dict, Optional, Tuple

from ...meters.base import Channel, Reading

INTERVALS_KEPT = 64
INTERVALS_NEEDED = 8
# A longer gap in power readings is not guessed over: so long, or so many times the shortest one seen.
BRIDGED_NS = 1_000_000_000
BRIDGED_READS = 3
SLOWEST_STEP_SECONDS = 1.0


def counted(channel: Channel, last: float, value: float, seconds: float) -> Optional[float]:
    """The joules between two reads of a counter, None where it was reset: what it had counted since the last is lost.

    A fall is a wrap only if the counter wraps and the power that this implies is plausible: no more than the load can
    draw in `seconds` and one step of a slow counter; where that is unknown, half of the counter's range.
    """
    grown = value - last
    if grown < 0 and channel.wraps_at is not None:
        grown += channel.wraps_at
        most = channel.max_watts
        if grown > (channel.wraps_at / 2 if most is None else most * (seconds + SLOWEST_STEP_SECONDS)):
            return None
    return grown if grown >= 0 else None


class LiveChannel:
    """Takes the channel's readings one by one."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.sampled = False
        self._joules = 0.0
        self._watts: Optional[float] = None
        self._error: Optional[str] = None
        self._partial = False
        self._time = 0
        self._shortest = 0
        self._value: Optional[float] = None
        self._shown_time = 0
        self._shown_joules = 0.0
        self._changed = 0
        self._intervals: Deque[int] = deque(maxlen=INTERVALS_KEPT)

    def feed(self, t: int, value: Optional[float], error: Optional[str]) -> None:
        if value is None:
            self._error = error
            self._changed = 0
            return
        self._error = None
        if self._value is None:
            self.sampled = True
            self._shown_time = t
        else:
            self._add(t, value, self._value)
            if value != self._value:
                if self._changed:
                    self._intervals.append(t - self._changed)
                self._changed = t
        self._time, self._value = t, value

    def _add(self, t: int, value: float, last: float) -> None:
        if not self.channel.is_power:
            return
        seconds = (t - self._time) * 1e-9
        if self.channel.quantity == "watts":
            self._watts = value
            apart = t - self._time
            self._shortest = min(self._shortest or apart, apart)
            if apart > max(BRIDGED_NS, BRIDGED_READS * self._shortest):
                self._partial = True
            else:
                self._joules += (value + last) / 2 * seconds
            return
        grown = counted(self.channel, last, value, seconds)
        if grown is None:
            self._partial = True
        else:
            self._joules += grown

    @property
    def update_seconds(self) -> Optional[float]:
        """How often the value changes, on the short side; None until it has changed often enough."""
        if len(self._intervals) < INTERVALS_NEEDED:
            return None
        return sorted(self._intervals)[len(self._intervals) // 10] * 1e-9

    def figures(self) -> Dict[str, Any]:
        """watts (a counter's: mean since the last call), joules since the start, and the error of a failing channel.

        `partial` marks joules that leave a gap out. A condition has its latest value instead.
        """
        if not self.channel.is_power:
            return {"value": None if self._error else self._value, "error": self._error}
        if self.channel.quantity == "joules" and self._time > self._shown_time:
            self._watts = (self._joules - self._shown_joules) / ((self._time - self._shown_time) * 1e-9)
            self._shown_time, self._shown_joules = self._time, self._joules
        return {
            "watts": None if self._error or self._watts is None else round(self._watts, 3),
            "joules": round(self._joules, 3) if self.sampled else None,
            "partial": self._partial,
            "error": self._error,
            "update_seconds": self.update_seconds,
        }


def finite(reading: Reading) -> Tuple[Optional[float], Optional[str]]:
    """A reading as a trace may hold it: a value that is no number is a failed read, and a failed read has words."""
    value = reading.value
    if value is None:
        return None, reading.error or "the read failed"
    if not math.isfinite(value):
        return None, reading.error or f"the meter answered {value}"
    return value, None
