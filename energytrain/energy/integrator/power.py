"""Momentary power readings as a power curve, with what may have happened unseen between two of them.

A reading says what the power was at its sensor's update. Readings that repeat are readings too: a constant load has
nothing else. Between two updates the power is taken to run straight from one to the other; a jump in between may have
come at any moment, so that the energy of that piece is off by at most (jump) x (update period) / 2.
"""

from dataclasses import dataclass
from typing import Tuple

import numpy as np

from ..traces.series import Array
from .curve import UNIFORM_99, Limits, Sides, Stretch, gap_sides, unbacked
from .moments import LAG_SECONDS
from .updates import Period, Updates, median

BIG_JUMP = 0.2  # of the range of the readings: a change of the load
NOISE_SPAN, NOISE_JUMP = 2.5, 5.0  # the range of noise, and what it never jumps by, in its usual differences
IRREGULAR = 0.6  # of an update period: a load whose jumps stray further from an even beat keeps no step
RHYTHM = 3.0  # jumps in a row, from which on they are a rhythm and not a chance
IN_STEP = 1.03  # a little over all jumps missed the same way
NOISE_99 = 2.576 * 2.0**0.5  # 99 % half width of a sum of noise, in halves of the differences between its values


@dataclass(frozen=True)
class PowerCurve:
    """Straight pieces of power. t, watts: shape (k,), t strictly increasing; known: shape (k - 1,), False in a gap.

    blur: by how many seconds a moment in `t` may be wrong; reach: how many seconds beyond the first and last moment are
    still backed by readings.
    """

    t: Array
    watts: Array
    known: Array
    period: Period
    blur: float
    reach: float


def power_curve(updates: Updates, age: float) -> PowerCurve:
    """The power over time from runs of equal readings.

    age: how many seconds before its update lies the moment that a reading stands for.
    """
    period = updates.period.seconds
    begin = updates.middle - age
    # The last update that still showed a value came before the last read of it, and one period before the next value.
    next_late = np.append(np.where(updates.after_gap[1:], np.inf, updates.late[1:]), np.inf)
    latest = np.minimum(updates.last, next_late - period)
    end = (updates.last - period + latest) / 2 - age
    stays = end > begin + period / 4
    t = np.column_stack([begin, end]).ravel()
    watts = np.repeat(updates.values, 2)
    gap = np.column_stack([updates.after_gap, np.zeros(len(stays), dtype=bool)]).ravel()
    keep = np.column_stack([np.ones(len(stays), dtype=bool), stays]).ravel()
    t, watts, gap = t[keep], watts[keep], gap[keep]
    later = np.append(True, t[1:] > np.maximum.accumulate(t)[:-1])
    return PowerCurve(t[later], watts[later], ~gap[later][1:], updates.period, updates.blur, updates.reach)


def power_stretch(curve: PowerCurve, start: float, end: float, limits: Limits) -> Stretch:
    """The energy from `start` to `end` (start < end); outside all readings the nearest one holds."""
    t, watts = curve.t, curve.watts
    left, right = np.maximum(t[:-1], start), np.minimum(t[1:], end)
    inside = np.maximum(right - left, 0.0)
    touched = inside > 0
    slope = np.diff(watts) / np.diff(t)
    mean = watts[:-1] + slope * ((left + right) / 2 - t[:-1])
    before = max(0.0, min(end, float(t[0])) - start)
    after = max(0.0, end - max(start, float(t[-1])))
    gaps = touched & ~curve.known
    seconds = np.append(inside[gaps], [before, after])
    level = np.append(mean[gaps], [watts[0], watts[-1]])
    noise, beat = _sampling(curve, touched & curve.known)
    joules = float(inside[touched] @ mean[touched]) + before * float(watts[0]) + after * float(watts[-1])
    return Stretch(
        joules=joules,
        edge=_between_updates(joules, end - start, curve.period.longest, limits),
        gap=gap_sides(level, seconds, limits),
        gap_seconds=unbacked(seconds, curve.reach),
        noise=noise,
        beat=beat,
        start_watts=around(curve, start),
        end_watts=around(curve, end),
    )


def _between_updates(joules: float, seconds: float, period: float, limits: Limits) -> Sides:
    """What a window shorter than an update period may have seen between two updates."""
    share = max(0.0, 1.0 - seconds / period) if period > 0 else 0.0
    down, up = limits.room(np.float64(joules / seconds))
    return float(down) * seconds * share, float(up) * seconds * share


def around(curve: PowerCurve, moment: float) -> Tuple[float, float]:
    """The range of the power near a moment."""
    reach = 1.5 * max(curve.period.longest, LAG_SECONDS)
    first, last = np.searchsorted(curve.t, [moment - reach, moment + reach])
    near = curve.watts[max(int(first) - 1, 0) : int(last) + 1]
    return float(near.min()), float(near.max())


def _sampling(curve: PowerCurve, seen: Array) -> Tuple[float, float]:
    """99 % half widths of the energy that jumps between readings may have moved: (at random, all the same way).

    Small differences from reading to reading are the readings' own noise. Jumps of the load average out where their
    moments are random. Those of a load that keeps in step with the sensor do not: all are missed by the same part of
    a period, and the errors add up until the load has drifted by a whole period.
    """
    jump = np.where(seen, np.diff(curve.watts), 0.0)
    if not jump.any():
        return 0.0, 0.0
    between = np.maximum(np.diff(curve.t), curve.period.longest)
    each = np.abs(jump) * np.hypot(between, 2 * curve.blur) / 2
    big = np.abs(jump) > _load_jump(curve)
    middle = (curve.t[1:] + curve.t[:-1]) / 2
    row = max(_in_a_row(middle[big & (way * jump > 0)], curve.period) for way in (1, -1))
    missed = UNIFORM_99 * float(np.sqrt(row * np.sum(each[big] ** 2)))
    missed = min(missed, IN_STEP * float(each[big].sum()) + float(each.max()) / 4)
    noise = NOISE_99 * float(np.sqrt(np.sum(each[~big] ** 2)))
    return (noise, missed) if row >= RHYTHM else (float(np.hypot(missed, noise)), 0.0)


def _load_jump(curve: PowerCurve) -> float:
    """Watts above which a difference between readings is a jump of the load and not noise.

    Where the readings span several times their usual difference, that difference is noise (or a slow change).
    """
    span = float(curve.watts.max() - curve.watts.min())
    changes = np.abs(np.diff(curve.watts))
    usual = median(changes[changes > 0])
    return max(BIG_JUMP * span, NOISE_JUMP * usual) if span > NOISE_SPAN * usual else BIG_JUMP * span


def _in_a_row(moments: Array, period: Period) -> float:
    """How many of a load's jumps in one direction fall on nearly the same part of an update period; at least 1.

    Where the period is guessed that may be all of them.
    """
    count = len(moments)
    if count < 3:
        return max(1.0, float(count))
    spacing = float(moments[-1] - moments[0]) / (count - 1)
    even = moments[0] + spacing * np.arange(count)
    if float(np.std(moments - even)) > IRREGULAR * period.longest:
        return 1.0
    if period.longest > period.seconds:
        return float(count)
    beats = spacing / period.seconds
    return count / max(1.0, count * abs(beats - round(beats)))
