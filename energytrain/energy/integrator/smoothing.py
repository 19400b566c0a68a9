"""Power readings that move a share of the way towards each new value, turned back into energy.

Such a sensor (the INA3221 with averaging) remembers everything, the older the less. Its reading follows the power so
that power = reading + lag x (slope of the reading). Between two moments that is a sum, energy = integral of the
readings + lag x (how much the reading rose), whatever the power did: its readings say the energy as a counter does.
What is left open is how far the reading had come at a window's edges, between the reads on either side.
"""

from typing import Tuple

import numpy as np

from ..traces.series import Array, Series
from .curve import Limits, Sides, Stretch
from .power import PowerCurve, power_stretch

LAG_ERROR = 0.1  # of the lag: how far a chip's clock may be off (INA3221: 1.1 ms a conversion, 1.21 ms at most)
NEAR = 1.5  # looks on either side of an edge that show the power there


def steepest_power(series: Series, lag: float) -> float:
    """The most that the readings of a series say the power was, in watts: a short burst shows in their slope, not their
    height. Zero where nothing lags."""
    good = np.isfinite(series.values)
    t, values = series.t[good] * 1e-9, series.values[good]
    apart = np.diff(t)
    if lag <= 0 or not (apart > 0).any():
        return 0.0
    rises = np.diff(values)[apart > 0] / apart[apart > 0]
    return float(np.max(values[1:][apart > 0] + lag * rises))


def smoothed_stretch(
    curve: PowerCurve, lag: float, apart: float, step: float, start: float, end: float, limits: Limits
) -> Stretch:
    """The energy of a window, from readings that lag behind the power by `lag` seconds.

    curve: the readings at the moments of their updates; apart: seconds from one look at the reading to the next;
    step: the smallest difference of two readings, in watts.
    """
    part = power_stretch(curve, start, end, limits)
    shown = np.interp([start, end], curve.t, curve.watts)
    length = end - start
    joules = part.joules + lag * float(shown[1] - shown[0])
    joules = min(max(joules, limits.least * length), max(limits.most * length, 0.0))
    power = _power(curve, lag, limits)
    edges = [_between_looks(level, apart, limits) for level in shown]
    down, up = (float(room) * length for room in limits.room(np.float64(joules / length)))
    return Stretch(
        joules=joules,
        edge=(
            min(float(np.hypot(edges[0][0], edges[1][0])), down),
            min(float(np.hypot(edges[0][1], edges[1][1])), up),
        ),
        gap=part.gap,
        gap_seconds=part.gap_seconds,
        noise=float(np.hypot(part.noise, lag * step)),
        start_watts=_range(curve, power, start, apart),
        end_watts=_range(curve, power, end, apart),
        beat=part.beat,
    )


def _power(curve: PowerCurve, lag: float, limits: Limits) -> Array:
    """The mean power behind each piece of the curve, in watts."""
    mean = (curve.watts[1:] + curve.watts[:-1]) / 2
    return np.clip(mean + lag * np.diff(curve.watts) / np.diff(curve.t), limits.least, limits.most)


def _between_looks(level: float, apart: float, limits: Limits) -> Sides:
    """Joules by which the energy up to a moment between two looks may lie off the straight line between theirs."""
    down, up = (float(room) for room in limits.room(np.float64(level)))
    off = down * up / (down + up) * apart if down + up > 0 else 0.0
    return off, off


def _range(curve: PowerCurve, power: Array, moment: float, apart: float) -> Tuple[float, float]:
    """The range of the power near a moment."""
    first, last = np.searchsorted(curve.t, [moment - NEAR * apart, moment + NEAR * apart])
    near = power[max(int(first) - 1, 0) : int(last) + 1]
    if len(near) == 0:
        near = curve.watts[-1:]
    return float(near.min()), float(near.max())
