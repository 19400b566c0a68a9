"""An energy counter's reads as a curve: wraps undone, resets made gaps, the steps placed where they happened."""

from dataclasses import replace
from typing import Optional, Tuple

import numpy as np

from ...meters.base import Channel
from ..traces.series import Array
from .curve import Curve, Limits, Stretch, Timing, stretch
from .moments import moments_of
from .updates import Updates, find_updates, update_period

PLAUSIBLE = 1.25  # times the most the load can draw: what a counter may show from one read to the next
GUESSED_MOST = 1.5  # times the most that was seen, where the load's limit is unknown
OUTLIER = 20.0  # times the usual power: no load but a jump of the counter


def counter_stretch(
    t: Array, values: Array, channel: Channel, start: float, end: float
) -> Optional[Tuple[Stretch, Timing]]:
    """The energy of a window from a counter's good reads, or None where the counter never moved.

    t: seconds, increasing; values: joules as read.
    """
    keep = without_glitches(values, channel.wraps_at)
    t, values = t[keep], values[keep]
    if not (np.diff(values) != 0).any():
        return None
    limits = _limits(t, values, channel)
    continuous, broken = _continuous(t, values, channel, PLAUSIBLE * limits.most)
    updates = find_updates(t, continuous, channel.update_seconds, channel.resolution, broken)
    moments, timing = moments_of(updates, (start, end))
    curve = _curve(updates, moments, np.isin(updates.late, t[broken]), channel.resolution)
    if len(curve.t) < 2:
        return None
    part = stretch(curve, start, end, limits, timing)
    return replace(part, gap_seconds=part.gap_seconds + _edges_in_gaps(t, start, end, 2 * updates.reach)), timing


def without_glitches(values: Array, wraps_at: Optional[float]) -> Array:
    """Which reads to keep: a single read that jumps away from its neighbours, who agree, is a failed read."""
    keep = np.ones(len(values), dtype=bool)
    near_wrap = np.inf if wraps_at is None else wraps_at / 2
    for i in np.flatnonzero(np.diff(values) < 0):
        if values[i] - values[i + 1] > near_wrap:
            continue
        before = values[i - 1] if i > 0 else -np.inf
        after = values[i + 2] if i + 2 < len(values) else np.inf
        if values[i] <= after < np.inf:
            keep[i + 1] = False
        elif before <= values[i + 1] <= after < values[i]:
            keep[i] = False
    return keep


def _limits(t: Array, values: Array, channel: Channel) -> Limits:
    if channel.max_watts is not None:
        return Limits(channel.idle_watts, max(channel.max_watts, channel.idle_watts))
    at = np.append(0, np.flatnonzero(np.diff(values) != 0) + 1)
    slopes = np.diff(values[at]) / np.diff(t[at])
    slopes = slopes[slopes > 0]
    usual = float(np.median(slopes)) if len(slopes) else 0.0
    seen = float(np.max(slopes[slopes <= OUTLIER * usual], initial=usual))
    return Limits(channel.idle_watts, max(GUESSED_MOST * seen, channel.idle_watts))


def _continuous(t: Array, values: Array, channel: Channel, most: float) -> Tuple[Array, Array]:
    """(values, broken): the counter without its wraps, and the reads before which it was reset or jumped.

    A fall is a wrap only if the counter is known to wrap and the power that this implies is plausible. Where a whole
    turn fits between two reads, nobody knows how many there were.
    """
    rises, apart = np.diff(values), np.diff(t)
    period = update_period(t, values, channel.update_seconds, channel.resolution).longest
    allowed = most * (apart + period) + channel.resolution
    steps = rises.copy()
    if channel.wraps_at is not None:
        steps[rises < 0] += channel.wraps_at
    broken = (steps < 0) | (steps > allowed)
    if channel.wraps_at is not None:
        broken |= most * apart >= channel.wraps_at
    shift = np.where(broken, 0.0, steps) - rises
    return values + np.append(0.0, np.cumsum(shift)), np.append(False, broken)


def _curve(updates: Updates, moments: Array, broken: Array, resolution: float) -> Curve:
    """Knots at the updates, and one more where a value stood for several periods before it changed again."""
    value, period = updates.values, updates.period.longest
    upto = np.minimum(updates.last, np.append(moments[1:], np.inf))
    quiet = upto - period  # an update no older than this still showed the value
    long = quiet - moments > period / 2
    length = np.append(np.diff(moments), np.inf)
    share = np.where(np.isinf(length), 1.0, (quiet - moments) / np.where(length > 0, length, 1.0))
    flat = value + np.minimum(resolution, np.append(np.diff(value), 0.0) * share)
    t = np.concatenate([moments, quiet[long]])
    order = np.argsort(t, kind="stable")
    joules = np.concatenate([value, flat[long]])[order]
    gap = np.concatenate([broken, np.zeros(int(long.sum()), dtype=bool)])[order]
    t = t[order]
    later = np.append(True, np.diff(t) > 0)
    known = ~gap[later][1:]
    return Curve(t[later], _bridged(t[later], joules[later], known), known, updates.reach + period)


def _bridged(t: Array, joules: Array, known: Array) -> Array:
    """The joules at knots with the gaps filled by the mean power on either side."""
    if known.all():
        return joules
    watts = np.diff(joules) / np.diff(t)
    added = np.zeros(len(t))
    for i in np.flatnonzero(~known):
        near = [watts[j] for j in (i - 1, i + 1) if 0 <= j < len(known) and known[j]]
        added[i + 1] = (float(np.mean(near)) if near else 0.0) * (t[i + 1] - t[i])
    return joules + np.cumsum(added)


def _edges_in_gaps(t: Array, start: float, end: float, long: float) -> float:
    """The part of the window between an edge and the next read, where they lie in a gap of more than `long` seconds.

    A gap inside the window costs a counter nothing.
    """
    seconds = 0.0
    for i in {int(np.searchsorted(t, edge, side="right")) for edge in (start, end)}:
        if 0 < i < len(t) and t[i] - t[i - 1] > long:
            seconds += max(0.0, min(end, float(t[i])) - max(start, float(t[i - 1])))
    return seconds
