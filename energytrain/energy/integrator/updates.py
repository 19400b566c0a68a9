"""When a sensor's value changed, which is finer than when it was read.

A sensor publishes a value and keeps it until its next update; the recorder reads it several times in between. So a
read says what was true at an unknown moment within one update period before it, but the first read of a *new* value
says that its update fell between that read and the one before. Sensors update by a clock of their own: where the
updates fit an even grid, the grid narrows each moment far below the interval between reads.

Times here are float64 seconds from an origin that the caller chooses.
"""

from dataclasses import dataclass
from typing import Optional, Tuple

import numpy as np

from ..traces.series import Array

REACH = 1.5  # periods (or usual read intervals) that a reading stands for; reads further apart leave a gap
# Where neither the driver nor the readings tell the period: what GPUs' sensors have, 20 to 100 ms.
GUESSED_PERIOD = 0.025
GUESSED_SLOWEST = 0.1
TOGGLE_STEPS = 5  # changes by at most this many steps of resolution are noise, and noise shows every update
GRID_NEEDED = 6
GRID_ROUNDS = 30
GRID_TOLERANCE = 0.1  # of a period, in nine of ten updates
PHASES = 32
GOOD_COST = 0.02**2  # mean square of the misses, in periods


@dataclass(frozen=True)
class Period:
    """Seconds between updates as they are taken to be, and the longest that they may be."""

    seconds: float
    longest: float


@dataclass(frozen=True)
class Updates:
    """Runs of equal readings, one entry a run, in order.

    early, late: the update that brought the value fell in (early, late]; last: the last read that still showed it.
    after_gap: whether reads are missing between this run and the one before.
    poll: the usual seconds between reads.
    """

    values: Array
    early: Array
    late: Array
    last: Array
    after_gap: Array
    period: Period
    poll: float

    @property
    def middle(self) -> Array:
        return (self.early + self.late) / 2

    @property
    def reach(self) -> float:
        """How many seconds a reading stands for."""
        return REACH * max(self.period.longest, self.poll)

    @property
    def blur(self) -> float:
        """Half the usual span in which an update is known to have come, in seconds."""
        return median(self.late - self.early) / 2


def find_updates(
    t: Array, values: Array, declared: Optional[float], resolution: float, broken: Optional[Array] = None
) -> Updates:
    """The updates in the reads `values` (finite, at least one) at times `t` (increasing).

    declared: the period, None where unknown; resolution: the smallest step of a value.
    broken: bool, shape of `t`; reads at which a run starts even where the value did not change. Without it, a run
    starts behind every gap in the reads.
    """
    poll = usual_interval(t)
    period = update_period(t, values, declared, resolution)
    after_gap = np.diff(t, prepend=t[0]) > REACH * max(period.longest, poll)
    new = np.concatenate([[True], values[1:] != values[:-1]]) | (after_gap if broken is None else broken)
    first = np.flatnonzero(new)
    before = t[np.maximum(first - 1, 0)].copy()
    before[0] = -np.inf
    return Updates(
        values=values[first],
        early=np.maximum(before, t[first] - period.longest),
        late=t[first],
        last=t[np.append(first[1:], len(t)) - 1],
        after_gap=after_gap[first],
        period=period,
        poll=poll,
    )


def usual_interval(t: Array) -> float:
    """The usual seconds between reads; 0 for a single one."""
    return median(np.diff(t)) if len(t) > 1 else 0.0


def median(values: Array) -> float:
    """As numpy's, which takes several times as long for as few values as these."""
    half = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, half)[half])
    around = np.partition(values, (half - 1, half))
    return float(around[half - 1] + around[half]) / 2


def update_period(t: Array, values: Array, declared: Optional[float], resolution: float) -> Period:
    """Seconds between updates: as declared or as seen, whichever is less.

    A value that repeats hides updates, so changes can only be rarer than updates; where every read shows a new value
    the period is at most the interval between reads. A load that jumps between a few exact levels shows its own
    rhythm and not the sensor's, and then the period is guessed.
    """
    poll = usual_interval(t)
    seen = _seen_period(t, values, resolution, poll)
    if declared is not None and declared > 0:
        period = declared if seen is None else min(declared, seen)
        return Period(period, period)
    if seen is not None:
        return Period(seen, seen)
    return Period(max(poll, GUESSED_PERIOD), max(poll, GUESSED_SLOWEST))


def _seen_period(t: Array, values: Array, resolution: float, poll: float) -> Optional[float]:
    changed = np.flatnonzero(values[1:] != values[:-1]) + 1
    if len(changed) < 3:
        return None
    shown = values[changed]
    levels = len(np.unique(shown)) <= len(shown) / 2
    if levels and median(np.abs(np.diff(shown))) > TOGGLE_STEPS * resolution:
        return None
    spans = np.diff(t[changed])
    base = float(np.percentile(spans, 20))
    base = median(spans[spans <= 1.5 * base])
    if base > 2.5 * poll:
        periods = np.round(spans / base)
        near = (periods >= 1) & (periods <= 4)
        return float(spans[near].sum() / periods[near].sum())
    # Spans of one update spread over several read intervals: their mean is the period.
    return max(poll, float(np.mean(spans[spans <= 2.5 * median(spans)])))


def on_grid(early: Array, late: Array, period: float) -> Optional[Tuple[Array, float, float]]:
    """Update moments on an even grid, or None where the updates follow none.

    early, late: shape (k,), bounds of each moment. Returns (moments, freedom, scatter): by how far the whole grid may
    be shifted either way, and the most by which a moment had to leave the grid to stay inside its bounds.
    """
    if len(early) < GRID_NEEDED:
        return None
    period = _refined(early, late, period)
    middle = (early + late) / 2
    for _ in range(2):
        number = np.round(middle / period - _phase(early / period, late / period)[0])
        if not (np.diff(number) > 0).all():
            return None
        period, _ = _line(number, middle)
    # Alternating projections between "on a line" and "inside the bounds" end where both hold, if that is possible.
    inside = middle
    for _ in range(GRID_ROUNDS):
        slope, offset = _line(number, inside)
        line = offset + slope * number
        moved = np.minimum(np.maximum(line, early), late)
        if np.array_equal(moved, line):
            break
        inside = moved
    room_up, room_down = float((late - line).min()), float((line - early).min())
    if room_up > 0 and room_down > 0:
        line = line + (room_up - room_down) / 2
    outside = np.maximum(np.maximum(early - line, line - late), 0.0)
    if np.percentile(outside, 90) > GRID_TOLERANCE * period:
        return None
    moments = np.minimum(np.maximum(line, early), late)
    return moments, max(0.0, (room_up + room_down) / 2), float(outside.max())


def _refined(early: Array, late: Array, period: float) -> float:
    """The period, corrected until its grid meets the bounds: first over few updates, then over ever more."""
    if _phase(early / period, late / period)[1] < GOOD_COST:
        return period
    for count, spread in ((32, 0.02), (128, 0.004), (len(early), 0.001)):
        begin = max((len(early) - count) // 2, 0)
        part = slice(begin, begin + count)
        trials = period * (1 + spread * np.linspace(-1, 1, 9))
        period = min(trials, key=lambda trial: _phase(early[part] / trial, late[part] / trial)[1])
    return float(period)


def _phase(early: Array, late: Array) -> Tuple[float, float]:
    """(phase, cost) of the unit grid that comes closest to a line of its own inside every interval (early, late]."""
    trial = np.arange(PHASES)[:, None] / PHASES
    middle = (early + late) / 2 - trial
    number = np.round(middle)
    missed = np.maximum(np.abs(middle - number) - (late - early) / 2, 0.0)
    shared = np.diff(number, axis=1) < 1  # two updates on one line: no such grid
    cost = np.mean(missed * missed, axis=1) + np.mean(shared, axis=1)
    best = np.flatnonzero(cost <= cost.min() + 1e-9) / PHASES
    return float(np.angle(np.exp(2j * np.pi * best).mean()) / (2 * np.pi)), float(cost.min())


def _line(x: Array, y: Array) -> Tuple[float, float]:
    """(slope, offset) of the least-squares line."""
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    return slope, float(y.mean() - slope * x.mean())
