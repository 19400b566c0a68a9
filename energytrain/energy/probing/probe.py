"""What meters really do, from a few seconds of their readings: how they update, what they show, what reading costs.

A driver states what its hardware documents; this finds out the rest, and keeps nothing.
"""

import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ...errors import MeterUnavailable
from ...meters.base import Channel, Meter, Reading
from ...meters.catalog import MeterSpec, open_meter
from ..integrator.integrate import energy_of
from ..primary import choose_primary
from ..recorder.client import Recorder
from ..traces.series import Array, Series, Trace
from ..traces.trace import read_trace
from .averaging import Span, averaging_span
from .updates import Probed, probe_updates

PAIRS = 5  # quiet and busy stretches in turn, with one more quiet one at the end
PAIRS_NEEDED = 3
# 97.5 % quantiles of Student's t by degrees of freedom.
STUDENT = {2: 4.303, 3: 3.182, 4: 2.776}
EDGE_SECONDS = 0.25  # a counter's next step is waited for at the edges of a stretch, but not longer
SPARSE_READS = 4  # of a power reading in a quiet stretch


@dataclass(frozen=True)
class ProbedChannel:
    """What a channel showed in a short recording.

    updates: how often it changed; watts: mean power, None where there is none to tell; samples: reads in all; failed:
    those of them that failed. counter: of a power reading, the energy counter of the same sensor that was recorded
    beside it; averaging: what the reading averages over, None where no counter or no change of the load tells.
    """

    channel: Channel
    updates: Probed
    watts: Optional[float]
    samples: int
    failed: int
    counter: Optional[str] = None
    averaging: Optional[Span] = None


@dataclass(frozen=True)
class Cost:
    """What observing costs at a rate.

    cpu_share: share of one core that reading used; read_seconds: how long one read usually takes.
    added_watts: (low, high), 95 %, of what fast reading adds to the meter's own power; None where it cannot be told.
    Where both are below zero the sensor shows less when it is read fast: a counter that loses by being read.
    """

    cpu_share: float
    read_seconds: float
    added_watts: Optional[Tuple[float, float]]


def probe_meters(specs: Sequence[MeterSpec], seconds: float = 2.0, hz: float = 200.0) -> List[ProbedChannel]:
    """Reads the meters for `seconds`, at `hz` or four times an update, in a process of their own.

    One entry for each power channel; meters that cannot be opened have none. MeterUnavailable where nothing can be
    recorded at all.
    """
    with tempfile.TemporaryDirectory(prefix="energytrain-probe-") as folder:
        recorder = Recorder.start(Path(folder) / "probe.arrows", specs, hz)
        recorder.wait_sampled()
        if recorder.channels:
            time.sleep(seconds)
        recorder.stop()
        if recorder.failure is not None and not recorder.trace.exists():
            raise MeterUnavailable(f"the meters cannot be probed: {recorder.failure}", "See that there is disk space.")
        trace = read_trace(recorder.trace)
        return [_probed(series, trace) for series in trace.metered.values()]


def _probed(series: Series, trace: Trace) -> ProbedChannel:
    counter = _counter_of(series, trace)
    good = series.t[np.isfinite(series.values)]
    energy = energy_of(series, int(good[0]), int(good[-1])) if len(good) > 1 else None
    return ProbedChannel(
        channel=series.channel,
        updates=probe_updates(series),
        watts=None if energy is None else energy.watts,
        samples=len(series.t),
        failed=len(series.t) - len(good),
        counter=None if counter is None else counter.channel.name,
        averaging=None if counter is None else averaging_span(series, counter),
    )


def _counter_of(power: Series, trace: Trace) -> Optional[Series]:
    """The energy counter of the sensor whose power this is."""
    if power.channel.quantity == "joules":
        return None
    same = [one for one in trace.metered.values() if one.channel.sensor == power.channel.sensor]
    return next((one for one in same if one.channel.quantity == "joules"), None)


def observing_cost(spec: MeterSpec, seconds: float = 10.0, hz: float = 100.0) -> Cost:
    """What reading one meter `hz` times a second costs, from about `seconds` of quiet and busy stretches in turn.

    In a quiet stretch a counter is read at the edges only, a power a few times. The added watts are of what the meter
    shows as its total. MeterUnavailable, with the reason, where it cannot be opened.
    """
    meter = open_meter(spec)
    try:
        length = max(seconds / (2 * PAIRS + 1), 2 / hz)
        parts: List[_Stretch] = []
        edge = _edge(meter)
        for number in range(2 * PAIRS + 1):
            parts.append(_stretch(meter, length, hz if number % 2 else 0.0, edge))
            edge = parts[-1].edge
    finally:
        meter.close()
    busy = parts[1::2]
    wall = sum(part.seconds for part in busy)
    return Cost(
        cpu_share=sum(part.cpu_seconds for part in busy) / wall,
        read_seconds=float(np.median(np.concatenate([part.took for part in busy]))),
        added_watts=_added(meter, length, [part.watts for part in parts], [part.slack for part in parts]),
    )


class _Stretch(NamedTuple):
    """watts: mean total power, nan where it cannot be told, known to within slack; took: seconds of each read."""

    seconds: float
    cpu_seconds: float
    took: Array
    watts: float
    slack: float
    edge: "_Edge"


class _Edge(NamedTuple):
    """What every channel showed, and when, in seconds; slack: how far from that a counter's step may have been."""

    moments: List[float]
    values: List[float]
    slack: List[float]


def _stretch(meter: Meter, length: float, hz: float, before: _Edge) -> _Stretch:
    """Reads for `length` seconds at `hz`; 0 Hz reads as seldom as it can."""
    primary = choose_primary(meter.channels)
    indices = [i for i, channel in enumerate(meter.channels) if channel in primary]
    settled = max((channel.averaging_seconds or 0.0 for channel in primary), default=0.0)
    interval = 1.0 / hz if hz else length / SPARSE_READS
    sparse = not hz and all(meter.channels[i].quantity == "joules" for i in indices)
    begin, cpu = time.monotonic(), time.thread_time()
    values, took = [], []
    due = begin + interval
    while due <= begin + length:
        time.sleep(max(0.0, due - time.monotonic()))
        if not sparse:
            start = time.monotonic()
            row = _numbers(meter.read())
            took.append(time.monotonic() - start)
            if start >= begin + settled:  # before that a reading averages over the stretch before as well
                values.append(row)
        due = max(due + interval, time.monotonic())  # reads that were missed are not made up for
    cpu = time.thread_time() - cpu
    ended = time.monotonic() - begin
    after = _edge(meter)
    watts, slack = 0.0, 0.0
    for i in indices:
        if meter.channels[i].quantity == "joules":
            grown, apart = after.values[i] - before.values[i], after.moments[i] - before.moments[i]
            watts += grown / apart if grown > 0 else math.nan
            slack += abs(grown) / apart * (before.slack[i] + after.slack[i]) / apart
        else:
            watts += float(np.mean([row[i] for row in values])) if values else math.nan
    return _Stretch(ended, cpu, np.asarray(took), watts if indices else math.nan, slack, after)


def _edge(meter: Meter) -> _Edge:
    """The next step of each counter, where one comes soon; the other channels as they are."""
    begin = time.monotonic()
    first = _numbers(meter.read())
    read_at = time.monotonic()
    edge = _Edge([read_at] * len(first), list(first), [0.0] * len(first))
    waiting = {i for i, channel in enumerate(meter.channels) if channel.quantity == "joules"}
    while waiting and time.monotonic() < read_at + EDGE_SECONDS:
        time.sleep(0.001)
        start = time.monotonic()
        now = _numbers(meter.read())
        end = time.monotonic()
        for i in [i for i in waiting if now[i] != first[i]]:  # it stepped after the read before began
            edge.moments[i], edge.values[i], edge.slack[i] = (begin + end) / 2, now[i], (end - begin) / 2
            waiting.discard(i)
        begin = start
    for i in waiting:
        edge.values[i] = math.nan
    return edge


def _numbers(readings: Sequence[Reading]) -> List[float]:
    return [math.nan if reading.value is None else reading.value for reading in readings]


def _added(
    meter: Meter, length: float, watts: Sequence[float], slack: Sequence[float]
) -> Optional[Tuple[float, float]]:
    """95 % interval of what the busy stretches, every second one, show more than the quiet ones around them.

    It is never narrower than what the counters' steps leave open, each known to within `slack` watts.
    """
    primary = choose_primary(meter.channels)
    more, apart = _against_neighbours(watts, -1), _against_neighbours(slack, 1)
    apart, more = apart[np.isfinite(more)], more[np.isfinite(more)]
    if len(more) < PAIRS_NEEDED:
        return None
    steps = sum(one.resolution / length if one.quantity == "joules" else one.resolution for one in primary)
    spread = STUDENT[len(more) - 1] * float(np.std(more, ddof=1)) / math.sqrt(len(more))
    half = max(spread, float(np.mean(apart))) + steps
    return float(np.mean(more)) - half, float(np.mean(more)) + half


def _against_neighbours(values: Sequence[float], sign: int) -> Array:
    """Each second value plus `sign` times the mean of the two around it."""
    return np.asarray(values[1::2]) + sign * (np.asarray(values[:-1:2]) + np.asarray(values[2::2])) / 2
