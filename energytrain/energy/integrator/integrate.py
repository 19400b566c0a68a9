"""Joules of a window from the readings of one channel, with error terms by source.

One pure function for a running measurement, for a report and for a trace that is years old. A channel states gain and
offset errors at 95 %; the bounds of a window are built to hold the truth in 99 of 100 cases, so that what is made of
several windows still does in 95.
"""

from typing import List, Optional, Tuple

import numpy as np

from ...meters.base import Channel
from ...quantities.energy import Energy, ErrorTerm, Provenance
from ..traces.series import Array, Series
from .aliasing import Hidden, even_beat, hidden_power, looks
from .averaging import averaged_stretch, held_stretch
from .counter import counter_stretch
from .curve import Limits, Stretch, Timing
from .moments import lag_of, moments_of
from .power import power_curve, power_stretch
from .smoothing import LAG_ERROR, smoothed_stretch, steepest_power
from .updates import Updates, find_updates, update_period, usual_interval

INTEGRATOR_VERSION = 2

CONTEXT = 4096  # reads on either side of a window that are looked at
NEAR = 3.0  # update periods (or read intervals) within which the window must have a reading
WIDER = 2.576 / 1.960  # from 95 % to 99 %
IMPLAUSIBLE = 3.0  # times the most that the load can draw: no load but a garbled reading
GUESSED_MOST = 1.25  # times the largest reading, where the load's limit is unknown
UNSURE_AGE = 0.375  # of a period: a quarter, which may add to the worst of what comes between two readings
COVERED = 0.999  # of a window: readings that back less of it leave a gap worth telling
HELD = (0.7, 1.3)  # update periods that a reading averages over where readings follow on without a break


def energy_of(series: Series, start_ns: int, end_ns: int) -> Energy:
    """The energy of one channel from `start_ns` to `end_ns` (CLOCK_MONOTONIC of the trace).

    Missing, with the reason, where no reading lies within a few update periods of the window or a counter never
    moved. A failed read is a gap; a counter across it is exact, a power is bounded by the load's least and most. So is
    a power that no load can draw.
    `coverage` is the share of the window that readings back. ValueError if the window ends before it starts.
    """
    if end_ns < start_ns:
        raise ValueError(f"a window cannot end before it starts: {start_ns} to {end_ns}")
    if not series.channel.is_power:
        raise ValueError(f"'{series.channel.name}' is no power but {series.channel.quantity}")
    channel, seconds = series.channel, (end_ns - start_ns) * 1e-9
    t, values = _good_reads(series, start_ns, end_ns)
    reason = _why_missing(series, t, values, seconds)
    if reason is not None:
        return Energy.missing(reason, seconds, channel.scope, channel.name)
    if seconds == 0:
        return Energy(0.0, Provenance.MEASURED, channel.scope, channel.name)
    if channel.quantity == "joules":
        counted = counter_stretch(t, values, channel, 0.0, seconds)
        if counted is None:
            return Energy.missing(_unmoved(channel), seconds, channel.scope, channel.name)
        part, timing = counted
        hidden = _counted_hidden(t, values, channel, part.joules / seconds)
    else:
        part, timing, hidden = _metered(t, values, series, seconds)
    return Energy(
        joules=part.joules,
        provenance=Provenance.MEASURED,
        scope=channel.scope,
        channel=channel.name,
        errors=_terms(channel, part, timing, hidden, seconds),
        seconds=seconds,
        coverage=min(1.0, max(0.0, 1.0 - part.gap_seconds / seconds)),
    )


def _good_reads(series: Series, start_ns: int, end_ns: int) -> Tuple[Array, Array]:
    """(seconds since the window's start, values) of the reads in and around the window that did not fail."""
    begin, stop = np.searchsorted(series.t, [start_ns, end_ns])
    part = slice(max(int(begin) - CONTEXT, 0), int(stop) + CONTEXT)
    t, values = series.t[part], series.values[part]
    good = _good(series.channel, values) & np.append(True, np.diff(t) > 0)[: len(t)]
    return (t[good] - start_ns) * 1e-9, values[good]


def _good(channel: Channel, values: Array) -> Array:
    """Which readings did not fail. Where the load's limit is known, a power far beyond it is a garbled one."""
    if channel.quantity != "watts" or channel.max_watts is None:
        return np.isfinite(values)
    return np.isfinite(values) & (np.abs(np.nan_to_num(values)) <= IMPLAUSIBLE * channel.max_watts)


def _why_missing(series: Series, t: Array, values: Array, seconds: float) -> Optional[str]:
    name = series.channel.name
    said = f" ({'; '.join(series.errors[:2])})" if series.errors else ""
    if len(t) == 0:
        return f"no reading of '{name}' near the window{said}"
    away = float(np.min(np.maximum(np.maximum(-t, t - seconds), 0.0)))
    if away == 0:
        return None
    period = update_period(t, values, series.channel.update_seconds, series.channel.resolution)
    if away > NEAR * max(period.longest, usual_interval(t)):
        return f"the nearest reading of '{name}' is {away:.3g} s away from the window{said}"
    return None


def _unmoved(channel: Channel) -> str:
    return f"the energy counter '{channel.name}' never moved; it is stuck, or it steps too rarely for this trace"


def _counted_hidden(t: Array, values: Array, channel: Channel, watts: float) -> Optional[Hidden]:
    """What a load may hide from a counter that is known to sum up a part of the time only."""
    if channel.observed_share == 1.0:
        return None
    period = update_period(t, values, channel.update_seconds, channel.resolution)
    share, step = looks(channel, period.longest, usual_interval(t), HELD[0])
    return hidden_power(channel, share, watts, watts, step)


def _metered(t: Array, values: Array, series: Series, seconds: float) -> Tuple[Stretch, Timing, Optional[Hidden]]:
    """The energy of a window from power readings, and what a load may have hidden from them."""
    channel = series.channel
    largest = float(np.max(series.values[_good(channel, series.values)]))
    most = channel.max_watts
    if most is None:
        most = GUESSED_MOST * max(largest, steepest_power(series, channel.smoothing_seconds))
    limits = Limits(channel.idle_watts, max(most, channel.idle_watts))
    updates = find_updates(t, values, channel.update_seconds, channel.resolution)
    part, timing = _integrated(updates, channel, limits, seconds)
    share, step = looks(channel, updates.period.longest, updates.poll, HELD[0])
    if share == 1.0:
        return part, timing, None
    swing = (largest if channel.max_watts is None else channel.max_watts) - channel.idle_watts
    apart = max(updates.period.longest, updates.poll)
    beat = even_beat(power_curve(updates, 0.0), 0.0, seconds, swing, apart)
    return part, timing, hidden_power(channel, share, part.joules / seconds, largest, step, beat)


def _integrated(updates: Updates, channel: Channel, limits: Limits, seconds: float) -> Tuple[Stretch, Timing]:
    """The energy of a window from power readings, by what a reading averages over."""
    period, span = updates.period, channel.averaging_seconds
    plain = Timing(updates.blur, updates.blur + lag_of(updates), 0.0)
    if channel.smoothing_seconds > 0:
        lag, apart = channel.smoothing_seconds, max(period.longest, updates.poll)
        timing = Timing(plain.early + LAG_ERROR * lag, plain.late + LAG_ERROR * lag, 0.0)
        curve = power_curve(updates, 0.0)
        return smoothed_stretch(curve, lag, apart, channel.resolution, 0.0, seconds, limits), timing
    if span is None:  # anything from a moment to the whole period: a reading is between nothing and half of it old
        age, unsure = period.seconds / 4, UNSURE_AGE * period.longest
        timing = Timing(plain.early + unsure, plain.late + unsure, 0.0)
        return power_stretch(power_curve(updates, age), 0.0, seconds, limits), timing
    if span < HELD[0] * period.seconds:
        return power_stretch(power_curve(updates, span / 2), 0.0, seconds, limits), plain
    if span <= HELD[1] * period.seconds:
        moments, timing = moments_of(updates, (0.0, seconds))
        return held_stretch(updates, moments, timing, 0.0, seconds, limits), timing
    return averaged_stretch(power_curve(updates, 0.0), span, 0.0, seconds, limits), plain


def _terms(
    channel: Channel, part: Stretch, timing: Timing, hidden: Optional[Hidden], seconds: float
) -> Tuple[ErrorTerm, ...]:
    gain = abs(part.joules) * channel.gain_error * WIDER
    offset = channel.offset_watts * seconds * WIDER
    early, late = _moved(part, timing)
    own = timing.own * float(np.hypot(max(part.start_watts), max(part.end_watts)))
    terms: List[ErrorTerm] = [
        ErrorTerm("gain", gain, gain, channel.sensor),
        ErrorTerm("offset", offset, offset, channel.sensor),
        _resolution(channel, seconds),
        ErrorTerm("edge", *part.edge),
        ErrorTerm("timing", float(np.hypot(early, own)), float(np.hypot(late, own))),
        ErrorTerm("gap", *part.gap),
        ErrorTerm("noise", part.noise, part.noise),
        ErrorTerm("beat", part.beat, part.beat, channel.sensor),
    ]
    if hidden is not None:
        backed = max(seconds - part.gap_seconds, 0.0)
        terms.append(ErrorTerm("aliasing", hidden.below * backed, hidden.above * backed, channel.sensor, hidden.lasts))
    return tuple(term for term in terms if term.below > 0 or term.above > 0)


def _moved(part: Stretch, timing: Timing) -> Tuple[float, float]:
    """(below, above): what a common shift of all moments does where the power differs between the two edges.

    A reading that is older than thought leaves out of the window's end what it lets in at its start.
    """
    least = part.end_watts[0] - part.start_watts[1]
    most = part.end_watts[1] - part.start_watts[0]
    cases = [shift * watts for shift in (-timing.early, timing.late) for watts in (least, most)]
    return max(0.0, -min(cases)), max(0.0, max(cases))


def _resolution(channel: Channel, seconds: float) -> ErrorTerm:
    """The error of a reading's last step; drivers round or cut off.

    A counter has it at both edges only; a steady power has the same one in every reading.
    """
    if channel.quantity == "joules":
        return ErrorTerm("resolution", channel.resolution, channel.resolution)
    step = channel.resolution * seconds
    return ErrorTerm("resolution", step / 2, step, channel.sensor)
