"""A recorded trace as a meter: the channels, readings and failed reads that it holds, at the same spacing in time.

It stands for the hardware on which the trace was recorded, to show it to somebody or to try out what comes after the
meters. A position in the trace shows the reading that is the nearest to it; inside a stretch without readings, and
behind the end, reads fail. A trace that is still being written is played as far as it had come when it was opened.

Played N times as fast the power is what it was, so that the energy is the Nth part.
"""

import math
from dataclasses import replace
from typing import Callable, Dict, List, Mapping, Optional, Sequence

import numpy as np

from ..errors import UsageError, unknown
from ..meters.base import Channel, Reading
from .integrator.updates import REACH, usual_interval
from .traces.clocks import monotonic_ns
from .traces.series import Series, Trace
from .traces.trace import read_trace

OPTIONS: Dict[str, str] = {
    "trace": "the trace to play, such as runs/NAME/traces/1-HOST.arrows",
    "channel": "channels to play, joined by '+', by their names in the trace; all without it",
    "speed": "how many times as fast it is played, 1 without it; the power stays what it was",
}

NAME = "replay"
ENDED = "the trace has ended"
NOT_READ = "nothing was read at this moment of the trace"

Clock = Callable[[], int]


class ReplayMeter:
    """Plays a trace from the moment at which it is made, by `clock` (ns)."""

    name = NAME

    def __init__(self, trace: Trace, names: Sequence[str], speed: float = 1.0, clock: Clock = monotonic_ns) -> None:
        power = [trace.metered[name] for name in names]
        # Its conditions go with a channel: "nvml:0 temperature" with "nvml:0". Those of a meter at large go with any.
        left = tuple(f"{name} " for name in trace.metered if name not in names)
        beside = [series for name, series in trace.conditions.items() if not name.startswith(left)]
        begin = min(int(series.t[0]) for series in power)
        last = max(int(series.t[-1]) for series in power)
        opened = clock()

        def position() -> Optional[int]:
            at = begin + int((clock() - opened) * speed)
            return at if at <= last else None

        self._played = _Played(power, speed, position)
        self.channels = self._played.channels
        self.conditions = _Played(beside, speed, position) if beside else None

    def read(self) -> List[Reading]:
        return self._played.read()

    def close(self) -> None:
        pass


class _Played:
    """Some series of a trace at one position in time, which is None behind the end."""

    name = f"{NAME} conditions"

    def __init__(self, series: Sequence[Series], speed: float, position: Callable[[], Optional[int]]) -> None:
        self.channels = tuple(_renamed(one.channel, speed) for one in series)
        self._shown = [_Shown(one, speed) for one in series]
        self._position = position

    def read(self) -> List[Reading]:
        position = self._position()
        if position is None:
            return [Reading(None, ENDED)] * len(self._shown)
        return [shown.at(position) for shown in self._shown]

    def close(self) -> None:
        pass


class _Shown:
    """What one series shows at a position, in ns of the trace's clock.

    A reading stands for the time to which it is the nearest; beside what the integrator takes for a gap, for half a
    usual interval.
    """

    def __init__(self, series: Series, speed: float) -> None:
        self._t = series.t
        # A counter played N times as fast grows by the Nth part of what it did, at the power that it showed.
        self._values = series.values / speed if series.channel.quantity == "joules" else series.values
        self._failed = f"this read failed when it was recorded ({'; '.join(series.errors[:2]) or 'no reason was kept'})"
        interval = usual_interval(series.t * 1e-9)
        self._half = interval / 2 * 1e9
        self._gap = REACH * max(series.channel.update_seconds or 0.0, interval) * 1e9

    def at(self, position: int) -> Reading:
        t = self._t
        after = int(np.searchsorted(t, position))
        inside = 0 < after < len(t)
        near = min(after, len(t) - 1)
        if inside and position - t[after - 1] < t[after] - position:
            near = after - 1
        follow_on = inside and t[after] - t[after - 1] <= self._gap
        if not follow_on and abs(position - t[near]) > self._half:
            return Reading(None, NOT_READ)
        value = float(self._values[near])
        return Reading(value) if math.isfinite(value) else Reading(None, self._failed)


def open_meter(options: Mapping[str, str]) -> ReplayMeter:
    """Opens the trace that `options` name. UsageError where it is none, or holds no readings of power."""
    if "trace" not in options:
        raise UsageError("the meter replay needs a trace.", "Write replay:trace=FILE, as in a run's traces.")
    path, speed = options["trace"], _speed(options.get("speed", "1"))
    try:
        trace = read_trace(path)
    except OSError as error:
        raise UsageError(f"the trace '{path}' cannot be read ({error.strerror}).", "Name a trace's file.") from None
    readable = [name for name, series in trace.metered.items() if np.isfinite(series.values).any()]
    if not readable:
        raise UsageError(f"the trace '{path}' holds no reading of power or energy.", "Name another one.")
    asked = options["channel"].split("+") if "channel" in options else readable
    for name in asked:
        if name not in readable:
            raise unknown("channel of the trace", name, readable)
    return ReplayMeter(trace, asked, speed)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise UsageError(f"the replay option speed is '{text}'.", "Write a number above 0, such as speed=10.")
    return speed


def _renamed(channel: Channel, speed: float) -> Channel:
    """The channel under its new name. Of a condition the old meter stays: the bits of flags mean what they meant."""
    channel = replace(channel, name=f"{NAME}:{channel.name}")
    if not channel.is_power:
        return channel
    span, update, counts = channel.averaging_seconds, channel.update_seconds, channel.quantity == "joules"
    return replace(
        channel,
        meter=NAME,
        part_of=None if channel.part_of is None else f"{NAME}:{channel.part_of}",
        update_seconds=None if update is None else update / speed,
        averaging_seconds=None if span is None else span / speed,
        resolution=channel.resolution / speed if counts else channel.resolution,
        wraps_at=None if channel.wraps_at is None else channel.wraps_at / speed,
    )
