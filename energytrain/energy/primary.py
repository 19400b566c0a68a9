"""The primary channel: the one whose energy totals and rankings use, chosen once when a run starts.

The widest scope wins, because it leaves nothing out: wall, else board, else module. Of those there is one channel,
never a sum, since two meters of one scope read the same watts twice. Below that the chips are added up (they are
disjoint), and where a board has nothing but rails, the rails.
"""

from dataclasses import replace
from typing import Dict, Iterable, List, Sequence, Tuple

from ..meters.base import Channel
from ..quantities.energy import Energy, Scope, total
from .integrator.integrate import energy_of
from .traces.series import Trace

ONE_OF = (Scope.WALL, Scope.BOARD, Scope.MODULE)
SUM_OF = (Scope.CHIP, Scope.RAIL)


def choose_primary(channels: Iterable[Channel]) -> Tuple[Channel, ...]:
    """The primary channels among `channels` (in the order in which the user named their meters); empty if none.

    A channel that another one already contains (`part_of`) is left out; from a sum, one of which that is not known
    (`summed`). Of two channels of one sensor the energy counter is taken: it misses nothing between readings.
    """
    given = [channel for channel in channels if channel.is_power]
    names = {(channel.meter, channel.name) for channel in given}
    whole = [c for c in given if c.part_of is None or (c.meter, c.part_of) not in names]
    for scope in ONE_OF:
        candidates = [c for c in whole if c.scope is scope]
        if candidates:
            same = [c for c in candidates if c.sensor == candidates[0].sensor]
            return (_counter_first(same)[0],)
    for scope in SUM_OF:
        by_sensor: Dict[str, List[Channel]] = {}
        for channel in whole:
            if channel.scope is scope and channel.summed:
                by_sensor.setdefault(channel.sensor, []).append(channel)
        if by_sensor:
            return tuple(_counter_first(same)[0] for same in by_sensor.values())
    return ()


def primary_energy(trace: Trace, channels: Sequence[Channel], start_ns: int, end_ns: int) -> Energy:
    """The energy of a window on the primary channels together: missing, with the known part, where one is missing."""
    seconds = (end_ns - start_ns) * 1e-9
    if not channels:
        return Energy.missing("no meter here has a channel for totals", seconds)
    parts = []
    for channel in channels:
        series = trace.series.get(channel.name)
        if series is None:
            reason = f"the trace of attempt {trace.attempt} has no channel '{channel.name}'"
            parts.append(Energy.missing(reason, seconds, channel.scope, channel.name))
        else:
            parts.append(energy_of(series, start_ns, end_ns))
    # The channels ran side by side: their seconds are the window's, not a sum.
    return replace(parts[0] if len(parts) == 1 else total(parts), seconds=seconds)


def _counter_first(channels: Sequence[Channel]) -> List[Channel]:
    return sorted(channels, key=lambda channel: channel.quantity != "joules")
