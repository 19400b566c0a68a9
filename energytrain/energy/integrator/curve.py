"""The energy since some origin as a curve over time: known at knots, bounded by the load's limits in between.

What reads a sensor's whole energy (a counter, a power reading that averages without a break) knows the curve at its
updates. Between two of them the power may have swung in any way, as long as the sum is right: that is the error at a
window's edge. It is largest half-way between two updates, at most (swing of the power) x (update period) / 4, and
nothing at an update. A load that nearly keeps in step with the sensor shows only a little of its swing, and one that
keeps in step exactly shows none. So the swing is taken to be half of the power either way at least and ten times what
the mean powers show, within the load's limits.

Times are float64 seconds, energies joules, from an origin that the caller chooses.
"""

from dataclasses import dataclass, replace
from typing import Tuple

import numpy as np

from ..traces.series import Array

Sides = Tuple[float, float]  # half widths (below, above), in joules


UNIFORM_99 = 2.576 / 3.0**0.5  # 99 % half width of a sum of errors that are each uniform within +-1
UNSEEN_SWING = 0.5  # of the mean power of an update interval, either way
UNSEEN_SHARE = 10.0  # times the range of the mean powers


@dataclass(frozen=True)
class Limits:
    """Watts that the load cannot go below or above, and the range in which it was seen."""

    least: float
    most: float
    seen: Tuple[float, float] = (np.inf, -np.inf)

    def room(self, watts: Array) -> Tuple[Array, Array]:
        """How far the power can lie below and above `watts`, whatever happens."""
        return np.maximum(watts - self.least, 0.0), np.maximum(self.most - watts, 0.0)

    def swing(self, watts: float, share: float = UNSEEN_SWING) -> Tuple[float, float]:
        """How far the power is taken to swing below and above its mean `watts` between two updates."""
        reach = share * abs(watts) + UNSEEN_SHARE * max(self.seen[1] - self.seen[0], 0.0)
        return max(min(watts - self.least, reach), 0.0), max(min(self.most - watts, reach), 0.0)


@dataclass(frozen=True)
class Curve:
    """Energy at knots. t, joules: shape (k,), k >= 2, t increasing; known: shape (k - 1,), False where a gap is.

    reach: how many seconds beyond the first and last knot are still backed by readings.
    """

    t: Array
    joules: Array
    known: Array
    reach: float

    @property
    def watts(self) -> Array:
        """Mean power of each segment, shape (k - 1,)."""
        return np.diff(self.joules) / np.diff(self.t)


@dataclass(frozen=True)
class Timing:
    """How wrong the moments of readings may be, in seconds.

    early, late: all of them together, what was read being truly so much newer or older; own: each by itself.
    """

    early: float
    late: float
    own: float


@dataclass(frozen=True)
class Stretch:
    """The energy between two moments, and what bounds it.

    edge: what is not known around the two moments; gap: what lies in gaps or outside all readings;
    gap_seconds: how much of the time no reading backs; noise: what reading now and then may have missed (99 %);
    beat: what it missed of jumps in step with the sensor, which it meets at the same part of an update each time.
    start_watts, end_watts: the range of the power around either moment.
    """

    joules: float
    edge: Sides
    gap: Sides
    gap_seconds: float
    noise: float
    start_watts: Tuple[float, float]
    end_watts: Tuple[float, float]
    beat: float = 0.0


def stretch(curve: Curve, start: float, end: float, limits: Limits, timing: Timing, noise: float = 0.0) -> Stretch:
    """The energy of a curve from `start` to `end` (start < end); outside all knots the nearest mean power holds.

    timing: by how many seconds the knots may be off.
    """
    watts = curve.watts
    limits = replace(limits, seen=_seen(curve, watts))
    inside = np.maximum(np.minimum(curve.t[1:], end) - np.maximum(curve.t[:-1], start), 0.0)
    before = max(0.0, min(end, float(curve.t[0])) - start)
    after = max(0.0, end - max(start, float(curve.t[-1])))
    unknown = np.append(inside[~curve.known], [before, after])
    level = np.append(watts[~curve.known], [watts[0], watts[-1]])
    bends = _bend(curve, watts, start), _bend(curve, watts, end)
    return Stretch(
        joules=float(inside @ watts) + before * float(watts[0]) + after * float(watts[-1]) + bends[1] - bends[0],
        edge=_edges(curve, watts, (start, end), bends, limits, timing),
        gap=gap_sides(level, unknown, limits),
        gap_seconds=unbacked(unknown, curve.reach),
        noise=noise,
        start_watts=_around(curve, watts, start, timing.late),
        end_watts=_around(curve, watts, end, timing.late),
    )


def _seen(curve: Curve, watts: Array) -> Tuple[float, float]:
    """The range of the mean powers of the curve; segments much shorter than usual are left out, they are unsure."""
    length = np.diff(curve.t)
    sure = curve.known & (length > np.median(length) / 2)
    return (float(watts[sure].min()), float(watts[sure].max())) if sure.any() else (np.inf, -np.inf)


def gap_sides(watts: Array, seconds: Array, limits: Limits) -> Sides:
    """Bounds of gaps that were filled with `watts`: each lies anywhere between the limits.

    A few may all lie at the same end; the errors of many average out.
    """
    down, up = limits.room(watts)
    return _many(down * seconds), _many(up * seconds)


def _many(widths: Array) -> float:
    return min(float(np.sum(widths)), UNIFORM_99 * float(np.sqrt(np.sum(widths**2))))


def unbacked(seconds: Array, reach: float) -> float:
    """The length of gaps, of which the last two lie outside all readings: a reading backs what is within its reach."""
    return float(seconds[:-2].sum() + np.maximum(seconds[-2:] - reach, 0.0).sum())


def _segment(curve: Curve, moment: float) -> int:
    found = int(np.searchsorted(curve.t, moment, side="right")) - 1
    return min(max(found, 0), len(curve.t) - 2)


def _around(curve: Curve, watts: Array, moment: float, reach: float) -> Tuple[float, float]:
    """The range of the mean powers within `reach` of a moment, those of its segment and its neighbours at least."""
    segment = _segment(curve, moment)
    first, last = np.searchsorted(curve.t, [moment - reach, moment + reach])
    near = slice(max(min(segment, int(first)) - 1, 0), max(segment + 2, int(last)))
    known = watts[near][curve.known[near]]
    known = known if len(known) else watts[near]
    return float(known.min()), float(known.max())


def _bend(curve: Curve, watts: Array, moment: float) -> float:
    """How far the curve at `moment` lies above the straight line between its two knots, if one jump made the segment.

    A mean power between those of the segments before and after it means that the power jumped from the one to the
    other within the segment, and says when. Windows tend to begin and end where the load does.
    """
    k = _segment(curve, moment)
    if not 0 < k < len(watts) - 1 or not curve.known[k - 1 : k + 2].all():
        return 0.0
    length, since = float(curve.t[k + 1] - curve.t[k]), moment - float(curve.t[k])
    old, mean, new = (float(p) for p in watts[k - 1 : k + 2])
    if not min(old, new) < mean < max(old, new) or not 0 < since < length:
        return 0.0
    jump = length * (mean - new) / (old - new)
    return old * min(since, jump) + new * max(since - jump, 0.0) - mean * since


def _edges(
    curve: Curve, watts: Array, edges: Tuple[float, float], bends: Tuple[float, float], limits: Limits, timing: Timing
) -> Sides:
    """How much less or more the energy may be for what happened around the two edges.

    The worst cases of both edges are added: a load in step with the sensor meets both at once.
    """
    segment = _segment(curve, edges[0])
    if segment == _segment(curve, edges[1]):
        less, more = _within(curve, float(watts[segment]), segment, edges, limits)
        moved = bends[1] - bends[0]
        return max(less + moved, 0.0), max(more - moved, 0.0)
    sides = []
    for edge, bend in zip(edges, bends):
        cases = [_at(curve, watts, at, limits) for at in _moments(curve, edge, timing)]
        less, more = max(less for less, _ in cases), max(more for _, more in cases)
        sides.append((max(less + bend, 0.0), max(more - bend, 0.0)))
    (less_before, more_before), (less_after, more_after) = sides
    return less_after + more_before, more_after + less_before


def _moments(curve: Curve, edge: float, timing: Timing) -> Array:
    """Where on the curve an edge may lie: the ends of that range, the edge, and the middles of segments in between.

    A sensor that shows what is older than thought has its knots late, so that the edge lies later on its curve.
    """
    first, last = edge - max(timing.early, timing.own), edge + max(timing.late, timing.own)
    a, b = _segment(curve, first), _segment(curve, last)
    middles = (curve.t[a : b + 1] + curve.t[a + 1 : b + 2]) / 2
    return np.concatenate([[first, edge, last], middles[(middles > first) & (middles < last)]])


def _at(curve: Curve, watts: Array, moment: float, limits: Limits) -> Sides:
    """By how much the curve at `moment` may lie below or above the straight line between its two knots."""
    segment = _segment(curve, moment)
    since, until = moment - float(curve.t[segment]), float(curve.t[segment + 1]) - moment
    if not curve.known[segment] or since <= 0 or until <= 0:
        return 0.0, 0.0
    down, up = limits.swing(float(watts[segment]))
    return min(down * since, up * until), min(up * since, down * until)


def _within(curve: Curve, watts: float, segment: int, edges: Tuple[float, float], limits: Limits) -> Sides:
    """How much less or more the energy may be of a window that lies between two knots."""
    if not curve.known[segment]:
        return 0.0, 0.0
    left, right = float(curve.t[segment]), float(curve.t[segment + 1])
    seconds = max(0.0, min(edges[1], right) - max(edges[0], left))
    rest = right - left - seconds
    down, up = limits.swing(watts)
    return min(down * seconds, up * rest), min(up * seconds, down * rest)
