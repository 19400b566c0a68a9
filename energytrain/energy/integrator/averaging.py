"""Power readings that average over a span, turned back into a counter: E(u) = E(u - span) + span x reading(u).

Where the span is the update period itself, the readings follow on one another without a break and their sum is the
counter. Where it is longer, the formula carries the energy on from span to span, but it needs the energy within a
first span to begin with, and it adds up the readings' noise. So it is used only for the few spans around a window's
edge, on top of the plain integral of the readings: that is the energy smoothed over one span, exact and free of drift.
What the unknown first span adds is the same after every span, so that the median over the spans removes it; and what a
load repeats exactly from span to span is invisible to such a sensor, which the edge's bound has to say.
"""

from typing import Tuple

import numpy as np

from ..traces.series import Array
from .curve import UNIFORM_99, Curve, Limits, Stretch, Timing, gap_sides, stretch, unbacked
from .power import PowerCurve
from .updates import Updates

UNSEEN_SWING = 0.6  # of the mean power of a span, either way
SPANS = 16  # on either side of an edge that its shape is worked out from
SPANS_NEEDED = 4
MEDIAN_99 = 2.576 * 1.253  # 99 % half width of a median, in standard deviations over the root of the count
NOISE_99 = 3.0  # 99 % half width of what the readings' noise adds to an edge, in its deviations times the span
SPAN_ERROR = 0.02  # of the span: how far it may be from what the channel says


def held_stretch(updates: Updates, moments: Array, timing: Timing, start: float, end: float, limits: Limits) -> Stretch:
    """The energy of a window, from a sensor that averages over exactly its update period.

    moments: when the updates came; timing: by how many seconds they may be wrong.
    """
    curve = held_curve(updates, moments)
    jumps = np.diff(updates.values)[(moments[1:] > start) & (moments[1:] < end)]
    noise = UNIFORM_99 * timing.own * float(np.sqrt(np.sum(jumps**2)))
    return stretch(curve, start, end, limits, timing, noise)


def held_curve(updates: Updates, moments: Array) -> Curve:
    """The counter behind readings that average over their update period.

    A reading that stood from one update to another held from one period before the first to one before the second.
    """
    period = updates.period.seconds
    begin = moments - period
    ends = updates.last - period / 2
    stop = np.append(np.where(updates.after_gap[1:], ends[:-1], begin[1:]), ends[-1])
    stop = np.maximum(stop, begin)
    stop[:-1] = np.minimum(stop[:-1], begin[1:])
    pieces = np.maximum(np.round((stop - begin) / period).astype(int), 1)
    which = np.repeat(np.arange(len(pieces)), pieces + 1)  # one knot more than pieces: where the run begins
    first = np.cumsum(pieces + 1) - (pieces + 1)
    part = (np.arange(len(which)) - first[which]) / pieces[which]
    t = begin[which] + (stop - begin)[which] * part
    watts = updates.values[which]
    gap = (part == 0) & (which > 0)
    step = np.diff(t)
    power = np.where(gap[1:], (watts[1:] + watts[:-1]) / 2, watts[1:])
    joules = np.append(0.0, np.cumsum(power * step))
    later = np.append(True, step > 0)
    return Curve(t[later], joules[later], ~gap[later][1:], updates.reach)


def averaged_stretch(curve: PowerCurve, span: float, start: float, end: float, limits: Limits) -> Stretch:
    """The energy of a window, from readings that average over `span` seconds, longer than the update period.

    curve: the readings at the moments of their updates.
    """
    smooth = _Smoothed(curve, span)
    before, shape_before = smooth.energy(start)
    after, shape_after = smooth.energy(end)
    low, high = smooth.range_around(start), smooth.range_around(end)
    swing = np.hypot(low[1] - low[0], high[1] - high[0])
    fine = float(swing) * max(curve.period.longest / 4, SPAN_ERROR * span)
    hidden = max(_hidden(float(np.interp(edge, curve.t, curve.watts)), limits) * span for edge in (start, end))
    level, seconds = smooth.uncovered(start, end)
    length = end - start
    joules = min(max(after - before, limits.least * length), max(limits.most * length, 0.0))
    down, up = (float(room) * length for room in limits.room(np.float64(joules / length)))
    return Stretch(
        joules=joules,
        edge=(min(hidden, down), min(hidden, up)),
        gap=gap_sides(level, seconds, limits),
        gap_seconds=unbacked(seconds, curve.reach),
        noise=float(np.sqrt(shape_before**2 + shape_after**2 + fine**2)),
        start_watts=low,
        end_watts=high,
    )


def _hidden(watts: float, limits: Limits) -> float:
    """Joules by second of span that a load which repeats with the span can hide around `watts`, at most."""
    down, up = limits.swing(watts, UNSEEN_SWING)
    return down * up / (down + up) if down + up > 0 else 0.0


class _Smoothed:
    """The integral of averaged readings, and what it takes to undo its smoothing at one moment."""

    def __init__(self, curve: PowerCurve, span: float) -> None:
        self.curve, self.span = curve, span
        pieces = (curve.watts[1:] + curve.watts[:-1]) / 2 * np.diff(curve.t)
        self.joules = np.append(0.0, np.cumsum(pieces))
        # Means over a span run straight but for kinks: what is left of second differences is noise.
        shown = curve.watts[np.append(True, np.diff(curve.watts) != 0)]
        bent = np.abs(np.diff(shown, 2))
        deviation = 1.483 * float(np.median(bent)) / 6**0.5 if len(bent) else 0.0
        self.noise = NOISE_99 * span * deviation

    def integral(self, moments: Array) -> Array:
        """The integral of the readings up to `moments`; outside all readings the nearest one holds."""
        t, watts = self.curve.t, self.curve.watts
        at = np.clip(moments, t[0], t[-1])
        i = np.clip(np.searchsorted(t, at, side="right") - 1, 0, max(len(t) - 2, 0))
        value = np.interp(at, t, watts)
        inner = self.joules[i] + (watts[i] + value) / 2 * (at - t[i])
        return inner + np.where(moments < t[0], watts[0], watts[-1]) * (moments - at)

    def energy(self, moment: float) -> Tuple[float, float]:
        """(energy up to `moment`, its 99 % half width for what the spans around it leave open)."""
        t, watts, span = self.curve.t, self.curve.watts, self.span
        if moment > t[-1]:
            joules, width = self.energy(float(t[-1]))
            return joules + float(watts[-1]) * (moment - float(t[-1])), width
        if moment + span / 2 > t[-1] and moment - span >= t[0]:  # the smoothed energy is not known yet, the reading is
            joules, width = self.energy(moment - span)
            return joules + span * float(np.interp(moment, t, watts)), width
        smoothed = float(self.integral(np.array([moment + span / 2]))[0])
        first = max(-SPANS, int(np.ceil((t[0] - span / 2 - moment) / span)))
        last = min(SPANS, int(np.floor((t[-1] - span / 2 - moment) / span)))
        if last - first + 1 < SPANS_NEEDED or first > 0 or last < 0:
            low, high = self.range_around(moment)
            return smoothed, (high - low) * span / 8
        at = moment + span * np.arange(first, last + 1)
        grown = span * np.interp(at[1:], t, watts) - np.diff(self.integral(at + span / 2))
        shape = np.append(0.0, np.cumsum(grown))
        pattern = MEDIAN_99 * float(np.std(shape)) / len(shape) ** 0.5
        return smoothed + float(shape[-first] - np.median(shape)), float(np.hypot(pattern, self.noise))

    def range_around(self, moment: float) -> Tuple[float, float]:
        """The range of the readings whose span holds `moment`."""
        t, watts = self.curve.t, self.curve.watts
        inner = watts[(t >= moment) & (t <= moment + self.span)]
        near = np.append(inner, np.interp([moment, moment + self.span], t, watts))
        return float(near.min()), float(near.max())

    def uncovered(self, start: float, end: float) -> Tuple[Array, Array]:
        """(watts, seconds) of what no reading's span reaches; the last two lie before and after all readings."""
        t, watts = self.curve.t, self.curve.watts
        gaps = np.flatnonzero(~self.curve.known)
        begin = np.concatenate([t[gaps], [-np.inf, t[-1]]])
        stop = np.concatenate([t[gaps + 1] - self.span, [t[0] - self.span, np.inf]])
        seconds = np.maximum(np.minimum(stop, end) - np.maximum(begin, start), 0.0)
        level = np.concatenate([(watts[gaps] + watts[gaps + 1]) / 2, [watts[0], watts[-1]]])
        return level, seconds
