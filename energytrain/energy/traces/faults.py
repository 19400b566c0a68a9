"""What went wrong while a trace was written: suspended, clock stepped, recorder stalled, trace torn, sensor frozen.

Every batch of a trace carries one moment on three clocks. While a machine sleeps its boot-time clock runs on and its
monotonic one does not; when somebody sets the time of day, the real-time clock leaves the boot-time one.
"""

from dataclasses import dataclass
from typing import Any, Dict, List, Tuple

import numpy as np

from .series import Array, Series, Trace

SUSPENDED_SECONDS = 0.5  # of sleep; less is not told from two clocks that were read a moment apart
STEPPED_SECONDS = 0.5
# A clock that is corrected slowly is not stepped: chrony slews by at most 1/12, the kernel by 500 ppm.
SLEWED = 0.1
STALLED_SECONDS = 1.0
STALLED_INTERVALS = 10
FROZEN_SECONDS = 600.0  # the last digit of a real sensor, however steady its load, moves sooner than that


@dataclass(frozen=True)
class Fault:
    """kind: "suspended", "stepped", "stalled", "torn" or "frozen"; at_ns: CLOCK_MONOTONIC, when it began.

    seconds: how long. text: one sentence. meter: whose readings are absent, of a stall, or stand still.
    """

    kind: str
    at_ns: int
    seconds: float
    text: str
    meter: str = ""


def faults_of(trace: Trace, start_ns: int, end_ns: int) -> List[Fault]:
    """The faults between two moments of CLOCK_MONOTONIC in which the trace should have been recorded; in words, their
    times count from the first of them."""
    anchors = np.asarray(trace.anchors, np.int64).reshape(-1, 3)
    anchors = anchors[np.argsort(anchors[:, 0], kind="stable")]
    found = _suspended(anchors, start_ns, end_ns) + _stepped(anchors, start_ns, end_ns)
    for meter, series in _by_meter(trace).items():
        found += _stalled(meter, series, start_ns, end_ns, trace.complete)
    for series in trace.metered.values():
        found += _frozen(series, start_ns, end_ns)
    return sorted(found, key=lambda fault: fault.at_ns) + _torn(trace, end_ns)


def _suspended(anchors: Array, start_ns: int, end_ns: int) -> List[Fault]:
    faults = []
    for at, seconds, _ in _jumps(anchors[:, 0], anchors[:, 1] - anchors[:, 0], start_ns, end_ns):
        if seconds > SUSPENDED_SECONDS:
            text = f"the machine was suspended for {seconds:.1f} s, {_after(at, start_ns)}"
            faults.append(Fault("suspended", at, seconds, text))
    return faults


def _stepped(anchors: Array, start_ns: int, end_ns: int) -> List[Fault]:
    faults = []
    for at, seconds, between in _jumps(anchors[:, 0], anchors[:, 2] - anchors[:, 1], start_ns, end_ns):
        if abs(seconds) > STEPPED_SECONDS + SLEWED * between:
            way = "forward" if seconds > 0 else "back"
            when = f"{_after(at, start_ns)}; nothing is computed from it"
            text = f"the wall clock was set {way} by {abs(seconds):.1f} s, {when}"
            faults.append(Fault("stepped", at, seconds, text))
    return faults


def _jumps(t: Array, differences: Array, start_ns: int, end_ns: int) -> List[Tuple[int, float, float]]:
    """(when, by how many seconds, seconds since the anchor before) the difference of two clocks changes.

    The clocks of an anchor are read one after the other. A process that loses the processor in between makes a single
    one wrong, which the median of three neighbours passes over.
    """
    if len(t) < 2:
        return []
    level = differences.copy()
    if len(t) > 2:
        level[1:-1] = np.median(np.stack([differences[:-2], differences[1:-1], differences[2:]]), axis=0)
    here = (t[1:] > start_ns) & (t[:-1] < end_ns)
    changes, spans = np.diff(level) * 1e-9, np.diff(t) * 1e-9
    return [(int(t[i]), float(changes[i]), float(spans[i])) for i in np.flatnonzero(here & (changes != 0))]


def _by_meter(trace: Trace) -> Dict[str, Series]:
    """One power series of each meter: its channels are read together."""
    meters: Dict[str, Series] = {}
    for series in trace.metered.values():
        kept = meters.get(series.channel.meter)
        if kept is None or len(series.t) > len(kept.t):
            meters[series.channel.meter] = series
    return meters


def _stalled(meter: str, series: Series, start_ns: int, end_ns: int, ended: bool) -> List[Fault]:
    """Stretches without any reading, failed ones included. Before the first one a meter was not yet there; after the
    last one of a trace without its end nobody was there to read."""
    t: Any = series.t
    if len(t) < 2:
        return []
    longest = max(STALLED_SECONDS, STALLED_INTERVALS * float(np.median(np.diff(t))) * 1e-9)
    if ended and end_ns > t[-1]:
        t = np.append(t, end_ns)
    faults = []
    for i in np.flatnonzero(np.diff(t) > longest * 1e9):
        since, until = max(int(t[i]), start_ns), min(int(t[i + 1]), end_ns)
        if until > since:
            seconds = (until - since) * 1e-9
            text = f"no reading of '{meter}' for {seconds:.1f} s, {_after(since, start_ns)}: the recorder was held up"
            faults.append(Fault("stalled", since, seconds, text, meter))
    return faults


def _frozen(series: Series, start_ns: int, end_ns: int) -> List[Fault]:
    """A power that shows one value all the time. A counter that stands still measures nothing anyway."""
    here = np.isfinite(series.values) & (series.t >= start_ns) & (series.t <= end_ns)
    t, values = series.t[here], series.values[here]
    if series.channel.quantity != "watts" or len(t) < 2 or (values != values[0]).any():
        return []
    seconds = float(t[-1] - t[0]) * 1e-9
    if seconds < FROZEN_SECONDS:
        return []
    text = (
        f"the power '{series.channel.name}' never changed from {values[0]:g} W in {seconds:.0f} s: is its meter frozen?"
    )
    return [Fault("frozen", int(t[0]), seconds, text, series.channel.meter)]


def _torn(trace: Trace, end_ns: int) -> List[Fault]:
    if trace.complete and not trace.torn_bytes:
        return []
    last = max((int(series.t[-1]) for series in trace.metered.values() if len(series.t)), default=end_ns)
    seconds = max(0.0, (end_ns - last) * 1e-9)
    torn = f" and {trace.torn_bytes} bytes of a torn one" if trace.torn_bytes else ""
    text = f"the trace has no end{torn}: the recorder did not close it, {seconds:.1f} s of readings are missing"
    return [Fault("torn", last, seconds, text)]


def _after(at_ns: int, start_ns: int) -> str:
    return f"{max(0, at_ns - start_ns) * 1e-9:.1f} s after the start"
