"""Over how long a power reading averages, from a trace in which the load changed.

Two kinds of evidence. Beside an energy counter of the same sensor, a reading that averages over `span` seconds is
(E(u) - E(u - span)) / span. Without one, but with the moments known at which the load changed from one level to
another, a reading goes from level to level in a straight ramp of `span` seconds, and that of a momentary sensor jumps.
Either way the span is sought that explains the readings best, together with the sensor's delay, its gain and offset
(or the levels).

`energytrain devices` looks for it where a meter's power and its counter are both named; known moments are for programs
that make a load of their own (docs/measuring.md has an example).
"""

from dataclasses import dataclass
from typing import Callable, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from ..integrator.updates import GUESSED_SLOWEST, Updates, find_updates, on_grid
from ..traces.series import Array, Series
from .updates import probe_updates

LONGEST = 5.0  # seconds
SHORTEST = 0.002
SPANS = 28  # tried at first
DELAYS_A_PERIOD, DELAYS_MOST = 12, 60  # tried with each of them
LONGEST_DELAY = 0.25  # seconds, or two updates where that is more
ROUNDS = 3  # of a finer search around the best
TICKS_NEEDED = 30
TICKS = 400  # readings that are looked at, evenly spread
STEPS = 24  # changes of the load that are looked at, the first ones
READINGS_A_LEVEL = 4
UNRESOLVED = 2.0  # updates of the counter: spans shorter than that look alike to it
SWING = 0.05  # of the mean power: how far the readings must range to tell anything
EXPLAINED = 0.3  # of the readings' standard deviation: what the best span may leave unexplained
FLOOR = 0.02  # of the same: differences in fit below that say nothing
LIKELIHOOD_95 = 3.84


@dataclass(frozen=True)
class Span:
    """Seconds that a reading averages over: the best fit, and from the shortest to the longest that fit about as well.

    A `low` of 0 means that it may be the power of a moment.
    """

    seconds: float
    low: float
    high: float


def averaging_span(power: Series, beside: Union[Series, Sequence[int]]) -> Optional[Span]:
    """The span that the readings of `power` average over.

    beside: an energy counter of the same sensor in the same trace, or the moments (CLOCK_MONOTONIC, ns) at which the
    load changed. None where the load did not change enough, where too few readings lie beside the counter or between
    the changes, or where no span explains the readings.
    """
    good = np.isfinite(power.values)
    if np.count_nonzero(good) < TICKS_NEEDED:
        return None
    origin = int(power.t[good][0])
    ticks = _ticks((power.t[good] - origin) * 1e-9, power.values[good], power)
    if isinstance(beside, Series):
        evidence = _from_counter(ticks, beside, origin)
    else:
        evidence = _from_steps(ticks, np.sort(np.asarray(beside, np.int64) - origin) * 1e-9)
    if evidence is None or len(evidence.watts) < TICKS_NEEDED:
        return None
    watts = evidence.watts
    swing = float(np.ptp(np.percentile(watts, [5, 95])))
    if swing < max(SWING * abs(float(np.mean(watts))), 5 * power.channel.resolution):
        return None
    if evidence.design(evidence.longest, 0.0).shape[1] * READINGS_A_LEVEL > len(watts):
        return None
    return _best(evidence, ticks.period)


class _Ticks(NamedTuple):
    """Every update of the power sensor, those that repeated a value included, at `u` seconds, give or take `blur`."""

    u: Array
    watts: Array
    period: float
    blur: float


class _Evidence(NamedTuple):
    """What the readings are fitted to.

    watts: the readings that can be, shape (n,), `apart` seconds from each other; design: (span, delay) to shape (n, k),
    what they are a linear mixture of; longest: span to try; unresolved: below this span all look alike.
    """

    watts: Array
    apart: float
    design: Callable[[float, float], Array]
    longest: float
    unresolved: float


def _ticks(t: Array, values: Array, power: Series) -> _Ticks:
    """Where the readings do not tell when the sensor updates, every read is taken for an update."""
    if probe_updates(power).update_seconds is None:
        period = power.channel.update_seconds or GUESSED_SLOWEST
        return _Ticks(t, values, period, period)
    updates = find_updates(t, values, power.channel.update_seconds, power.channel.resolution)
    period = updates.period.seconds
    moments, blur = _moments(updates)
    stop = np.minimum(updates.last, np.append(moments[1:] - period / 2, np.inf))
    repeats = np.maximum(np.floor((stop - moments) / period + 1e-6), 0).astype(int) + 1
    repeats[0] = 0  # it began before the trace, nobody knows when
    number = np.arange(int(repeats.sum())) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return _Ticks(np.repeat(moments, repeats) + period * number, np.repeat(updates.values, repeats), period, blur)


def _moments(updates: Updates) -> Tuple[Array, float]:
    """(when the updates came, by how many seconds they may be wrong); of the first one it is the first read."""
    moments = updates.middle
    moments[0] = updates.late[0]
    if len(moments) > 1 and not updates.after_gap.any():
        grid = on_grid(updates.early[1:], updates.late[1:], updates.period.seconds)
        if grid is not None:
            moments[1:] = grid[0]
            return np.maximum.accumulate(moments), grid[1] + grid[2]
    return np.maximum.accumulate(moments), 2 * updates.blur


def _from_counter(ticks: _Ticks, counter: Series, origin: int) -> Optional[_Evidence]:
    """The mean power between two moments of an energy counter; None where it is too short.

    Between its steps the counter is taken to grow evenly, which smooths what a reading is compared with over one more
    update of it: a reading's own span is the longer by that, in squares.
    """
    good = np.isfinite(counter.values)
    t, joules = (counter.t[good] - origin) * 1e-9, counter.values[good]
    if np.count_nonzero(np.diff(joules)) < TICKS_NEEDED:
        return None
    rise, channel = slice(*_longest_rise(joules)), counter.channel
    updates = find_updates(t[rise], joules[rise], channel.update_seconds, channel.resolution)
    at, energy, step = _moments(updates)[0][1:], updates.values[1:], updates.period.seconds
    early, late = _delays(ticks.period)[[0, -1]]
    longest = min(LONGEST, (float(at[-1] - at[0]) - late + early) / 3) if len(at) > 1 else 0.0
    if longest <= SHORTEST:
        return None
    u, watts, apart = _thinned(ticks, (ticks.u >= at[0] + longest + late) & (ticks.u <= at[-1] + early))

    def design(span: float, delay: float) -> Array:
        smoothed = max(span * span - step * step, SHORTEST * SHORTEST) ** 0.5
        end = u - delay - (span - smoothed) / 2
        mean = (np.interp(end, at, energy) - np.interp(end - smoothed, at, energy)) / smoothed
        return np.column_stack([mean, np.ones(len(u))])

    return _Evidence(watts, apart, design, longest, UNRESOLVED * max(step, ticks.blur))


def _thinned(ticks: _Ticks, usable: Array) -> Tuple[Array, Array, float]:
    """(u, watts, seconds apart) of the usable ticks, of too many only every few."""
    every = max(1, int(np.count_nonzero(usable)) // TICKS)
    return ticks.u[usable][::every], ticks.watts[usable][::every], ticks.period * every


def _longest_rise(joules: Array) -> Tuple[int, int]:
    """(begin, stop) of the longest stretch in which the counter neither wrapped nor was reset."""
    falls = np.concatenate([[0], np.flatnonzero(np.diff(joules) < 0) + 1, [len(joules)]])
    longest = int(np.argmax(np.diff(falls)))
    return int(falls[longest]), int(falls[longest + 1])


def _from_steps(ticks: _Ticks, steps: Array) -> Optional[_Evidence]:
    """The levels between known moments, each by its share of the span."""
    inside = steps[(steps > ticks.u[0]) & (steps < ticks.u[-1])][: STEPS + 1]
    if len(inside) < 2:
        return None
    stop = float(inside[-1]) if len(inside) > STEPS else float(ticks.u[-1])
    u, watts, apart = _thinned(ticks, ticks.u <= stop)
    edges = np.concatenate([[-np.inf], inside[:STEPS], [np.inf]])

    def design(span: float, delay: float) -> Array:
        end = (u - delay)[:, None]
        if span <= 0:
            return ((end > edges[:-1]) & (end <= edges[1:])).astype(float)
        return np.maximum(np.minimum(end, edges[1:]) - np.maximum(end - span, edges[:-1]), 0.0) / span

    return _Evidence(watts, apart, design, min(LONGEST, stop / 3), UNRESOLVED * ticks.blur)


def _delays(period: float) -> Array:
    """Seconds by which a reading may be older than its update, to try; below zero the counter lags behind it."""
    early, late = -period, max(2 * period, LONGEST_DELAY)
    return np.linspace(early, late, int(min(DELAYS_MOST, DELAYS_A_PERIOD * (late - early) / period)))


def _best(evidence: _Evidence, period: float) -> Optional[Span]:
    delays, watts = _delays(period), evidence.watts

    def profile(span: float, tried: Array) -> Tuple[float, float]:
        """(misfit in watts, delay) of a span at its best delay."""
        return min((_misfit(evidence.design(span, delay), watts), delay) for delay in tried)

    spans = np.append(0.0, np.geomspace(SHORTEST, evidence.longest, SPANS))
    found = [profile(span, delays) for span in spans]
    step = float(delays[1] - delays[0])
    for _ in range(ROUNDS):
        best = min(range(len(spans)), key=lambda i: found[i])
        finer = np.linspace(spans[max(best - 1, 0)], spans[min(best + 1, len(spans) - 1)], 9)
        # Spans that fit alike are alike in their middles, not in their ends.
        age = found[best][1] + spans[best] / 2
        tried = step * np.linspace(-1, 1, 9)
        again = [min(old, profile(span, age - span / 2 + tried)) for span, old in zip(spans, found)]
        more = [profile(span, age - span / 2 + tried) for span in finer]
        order = np.argsort(np.append(spans, finer), kind="stable")
        spans, found = np.append(spans, finer)[order], [(again + more)[i] for i in order]
        step /= 4
    misfits, scale = np.array([misfit for misfit, _ in found]), float(np.std(watts))
    seconds, least = float(spans[int(np.argmin(misfits))]), float(misfits.min())
    independent = len(watts) * min(1.0, evidence.apart / max(seconds, SHORTEST))
    limit = np.hypot(least * np.sqrt(1 + LIKELIHOOD_95 / independent), FLOOR * scale)
    fitting = spans[misfits <= limit]
    if least > EXPLAINED * scale or fitting[-1] >= evidence.longest:
        return None
    low, high = float(fitting[0]), float(fitting[-1])
    if low < evidence.unresolved:
        return Span(seconds, 0.0, max(high, evidence.unresolved))
    return Span(seconds, low, high)


def _misfit(columns: Array, watts: Array) -> float:
    """What a linear mixture of `columns` leaves of `watts`, as a root mean square."""
    square = columns.T @ columns
    square[np.diag_indices_from(square)] += 1e-9 * np.trace(square) / len(square)  # a level that no reading shows
    rest = watts - columns @ np.linalg.solve(square, columns.T @ watts)
    return float(np.sqrt(np.mean(rest * rest)))
