"""Power over time of each attempt of a run, with its phases and the stretches without readings as shades."""

from typing import Any, List, Sequence, Tuple

import numpy as np

from ...energy.integrator.counter import without_glitches
from ...energy.integrator.integrate import IMPLAUSIBLE
from ...energy.integrator.updates import find_updates
from ...energy.traces.series import Series as Readings
from ...energy.traces.series import Trace
from ...meters.base import Channel
from ...runs.timeline import Attempt, Timeline
from ..source import Source
from .chart import Axis, Chart, Series, Shade
from .downsample import MOST, downsample
from .words import dropped_note, plain

Array = Any
BESIDE_MOST = 1000  # points of a channel that is not primary
CLOSE = 1 / 1000  # of the time axis: gaps nearer to one another are one shade


def power_charts(source: Source) -> List[Chart]:
    """A chart for each attempt that has a trace of power."""
    timeline = source.timeline
    charts: List[Chart] = []
    for attempt in timeline.attempts if timeline is not None else ():
        trace = source.trace(attempt.number)
        if timeline is not None and trace is not None and any(len(s.t) for s in trace.metered.values()):
            charts.append(_chart(source, timeline, attempt, trace))
    return charts


def power_of(readings: Readings, begin_ns: int) -> Tuple[Array, Array]:
    """(seconds since `begin_ns`, watts) of a channel; nan where nothing is known.

    A power is as it was read; a counter's is the mean between two changes, at the middle of the time between them.
    """
    channel = readings.channel
    t, values = (readings.t - begin_ns) * 1e-9, readings.values.copy()
    if channel.quantity == "joules":
        return _from_counter(t, values, channel)
    if channel.max_watts is not None:
        values[np.abs(np.nan_to_num(values)) > IMPLAUSIBLE * channel.max_watts] = np.nan
    good = np.isfinite(values)
    if not good.any():
        return t, values
    updates = find_updates(t[good], values[good], channel.update_seconds, channel.resolution)
    return _broken(t, values, updates.late[updates.after_gap])


def _from_counter(t: Array, joules: Array, channel: Channel) -> Tuple[Array, Array]:
    good = np.isfinite(joules)
    t, joules = t[good], joules[good]
    keep = without_glitches(joules, channel.wraps_at)
    t, joules = t[keep], joules[keep]
    changed = np.flatnonzero(np.diff(joules) != 0) + 1
    if len(changed) < 2:
        return np.empty(0), np.empty(0)
    updates = find_updates(t, joules, channel.update_seconds, channel.resolution)
    # The first value stood for an unknown time before it was read.
    at, value = t[changed], joules[changed]
    rise = np.diff(value)
    if channel.wraps_at is not None:
        rise = np.where(rise < 0, rise + channel.wraps_at, rise)
    apart = np.diff(at)
    watts = np.where(rise < 0, np.nan, rise / apart)
    if channel.max_watts is not None:
        watts = np.where(watts > IMPLAUSIBLE * channel.max_watts, np.nan, watts)
    # Over a stretch without reads the counter knows the joules, but not when they were used.
    watts[np.unique(np.searchsorted(at[1:], updates.late[updates.after_gap]).clip(max=len(watts) - 1))] = np.nan
    return at[:-1] + apart / 2, watts


def _broken(t: Array, watts: Array, after_gap: Array) -> Tuple[Array, Array]:
    """With a nan before each point that follows a moment in `after_gap`, the first read behind missing ones."""
    at = np.unique(np.searchsorted(t, after_gap))
    at = at[(at > 0) & (at < len(t))]
    return np.insert(t, at, (t[at - 1] + t[at]) / 2), np.insert(watts, at, np.nan)


def gaps_of(readings: Readings, begin_ns: int) -> List[Tuple[float, float]]:
    """From when to when, in seconds since `begin_ns`, a channel has no good reading."""
    t = (readings.t - begin_ns) * 1e-9
    good = np.isfinite(readings.values)
    if not good.any():
        return [(float(t[0]), float(t[-1]))] if len(t) else []
    channel = readings.channel
    updates = find_updates(t[good], readings.values[good], channel.update_seconds, channel.resolution)
    known = t[good]
    apart = np.diff(known)
    failed = np.diff(np.flatnonzero(good)) > 1
    wide = np.flatnonzero(failed | (apart > updates.reach))
    found = [(float(known[i]), float(known[i + 1])) for i in wide]
    found = [(float(t[0]), float(known[0]))] * (not good[0]) + found
    return found + [(float(known[-1]), float(t[-1]))] * (not good[-1])


def phase_shades(timeline: Timeline, attempt: Attempt) -> List[Shade]:
    """The phases of an attempt in seconds since its begin: one shade from a phase's first span to its last."""
    shades: List[Shade] = []
    for span in (s for s in timeline.spans if s.attempt == attempt.number):
        start, end = (span.start - attempt.start) * 1e-9, (span.end - attempt.start) * 1e-9
        name = "idle baseline" if span.what == "baseline" else span.phase
        if shades and shades[-1].name == name:
            shades[-1] = Shade(shades[-1].start, max(shades[-1].end, end), name)
        else:
            shades.append(Shade(start, end, name))
    return shades


def _chart(source: Source, timeline: Timeline, attempt: Attempt, trace: Trace) -> Chart:
    primary = [name for name in attempt.mark.get("primary", ()) if name in trace.metered]
    order = [*primary, *(name for name in trace.metered if name not in primary)]
    series, dropped, gaps = [], 0, []
    for name in order:
        readings = trace.metered[name]
        t, watts = power_of(readings, attempt.start)
        if not np.isfinite(watts).any():
            continue
        t, watts, left = downsample(t, watts, MOST if name in primary else BESIDE_MOST)
        dropped += left
        x: Array = np.round(t, 4)
        series.append(
            Series(
                _name(readings.channel),
                "line",
                x.tolist(),
                plain(np.round(watts, 4)),
                family=name,
                dashed=name not in primary,
            )
        )
        if name in primary or not primary:
            gaps += gaps_of(readings, attempt.start)
    seconds = max((attempt.end - attempt.start) * 1e-9, CLOSE)
    shades = [*phase_shades(timeline, attempt), *_merged(gaps, CLOSE * seconds)]
    number = f", attempt {attempt.number}" if len(timeline.attempts) > 1 else ""
    return Chart(
        key="power",
        title=f"Power over time: {source.label}{number}",
        x=Axis("time since the attempt began (s)"),
        y=Axis("power (W)"),
        series=tuple(series),
        shades=tuple(shades),
        notes=tuple(_notes(source, timeline, attempt, trace, primary, order, gaps, dropped)),
        zoom=True,
    )


def _name(channel: Channel) -> str:
    return f"{channel.name} ({channel.scope.value})"


def _merged(gaps: Sequence[Tuple[float, float]], close: float) -> List[Shade]:
    """The gaps of all channels as shades; those that overlap or all but touch are one."""
    merged: List[List[float]] = []
    for start, end in sorted(gaps):
        if merged and start <= merged[-1][1] + close:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return [Shade(start, end, "no readings", gap=True) for start, end in merged]


def _notes(
    source: Source,
    timeline: Timeline,
    attempt: Attempt,
    trace: Trace,
    primary: Sequence[str],
    order: Sequence[str],
    gaps: Sequence[Tuple[float, float]],
    dropped: int,
) -> List[str]:
    notes = []
    if primary:
        scopes = ", ".join(dict.fromkeys(trace.metered[name].channel.scope.value for name in primary))
        notes.append(f"Measured, {scopes}; totals use {' + '.join(primary)}.")
    else:
        notes.append("Measured, but no total uses these channels: none was declared as covering the device.")
    if source.result["headline"] != "measured":
        notes.append(f"The run's energy is not measured here: it is {source.result['useful']['energy']['provenance']}.")
    if len(order) > len(primary) > 0:
        notes.append("Dashed channels are in no total.")
    counters = [name for name in order if trace.metered[name].channel.quantity == "joules"]
    if counters:
        notes.append(f"Counters as mean power between two of their updates: {', '.join(counters)}.")
    empty = [name for name in order if not np.isfinite(power_of(trace.metered[name], attempt.start)[1]).any()]
    if empty:
        notes.append(f"Left out, since they gave no power: {', '.join(empty)}.")
    if gaps:
        stretches = f"{len(gaps)} stretches" if len(gaps) > 1 else "One stretch"
        notes.append(f"{stretches} without readings, {sum(end - start for start, end in gaps):.3g} s in all.")
    return notes + dropped_note(dropped)
