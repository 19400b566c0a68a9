"""A growing trace as a person wants to see it now: watts of the last minute, joules so far, conditions.

For the eye: it adds up readings as they come and states no bounds. `total` computes the energy from the trace itself,
as everything that is kept is computed.
"""

import contextlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from ..errors import MeterUnavailable
from ..meters.base import Channel
from ..meters.catalog import MeterSpec
from ..quantities.energy import Energy
from .measure import SAMPLE_WAIT_SECONDS, why_missing
from .primary import choose_primary, primary_energy
from .recorder.client import Recorder
from .recorder.live import counted
from .traces.series import Array, Series, Trace
from .traces.trace import AnyPath, TraceReader

BINS = 60  # of one second each
BRIDGED_SECONDS = 3.0  # over a longer gap in power readings nothing is added
SHOWN_SECONDS = 1.0  # over which "now" is a mean
STILL_SECONDS = 5.0  # a counter that has not moved for longer does not say what the power is


@dataclass(frozen=True)
class ChannelNow:
    """watts: of the last second; joules: since the trace began; None where unknown. `partial` marks joules that leave
    a gap out. recent: mean watts of the last whole seconds, oldest first, None where nothing is known. error: the
    driver's words where the last read failed."""

    channel: Channel
    watts: Optional[float]
    joules: Optional[float]
    partial: bool
    recent: Tuple[Optional[float], ...]
    error: Optional[str]


@dataclass(frozen=True)
class ConditionNow:
    channel: Channel
    value: Optional[float]
    error: Optional[str]


@dataclass(frozen=True)
class Look:
    """What a trace shows at one look. seconds: from its first to its last reading; silent_seconds: since the last.

    primary: the channels that totals use. ended: whether the recorder closed the trace.
    """

    channels: Tuple[ChannelNow, ...]
    conditions: Tuple[ConditionNow, ...]
    primary: Tuple[str, ...]
    seconds: float
    silent_seconds: float
    ended: bool

    def to_json(self) -> Dict[str, Any]:
        return {
            "seconds": self.seconds,
            "silent_seconds": self.silent_seconds,
            "primary": list(self.primary),
            "channels": {
                now.channel.name: {
                    "watts": now.watts,
                    "joules": now.joules,
                    "partial": now.partial,
                    "scope": now.channel.scope.value,
                    "error": now.error,
                }
                for now in self.channels
            },
            "conditions": {
                now.channel.name: {"quantity": now.channel.quantity, "value": now.value, "error": now.error}
                for now in self.conditions
            },
        }


class TraceWatch:
    """Looks at a trace, again and again. `primary`: names of its primary channels; those of its channels without."""

    def __init__(self, path: AnyPath, primary: Optional[Sequence[str]] = None) -> None:
        self._reader = TraceReader(path)
        self._asked = primary
        self._sums: Dict[str, _Sum] = {}
        self._trace: Optional[Trace] = None

    def look(self) -> Look:
        """Takes up what was read since the last look. FileNotFoundError and UsageError as `TraceReader.read`."""
        trace = self._trace = self._reader.read()
        for name, series in trace.metered.items():
            self._sums.setdefault(name, _Sum(series.channel)).take(series)
        start, end = self._edges(trace)
        return Look(
            channels=tuple(sum_.now(trace.series[name]) for name, sum_ in self._sums.items()),
            conditions=tuple(_condition(series) for series in trace.conditions.values()),
            primary=tuple(channel.name for channel in self._primary(trace)),
            seconds=(end - start) * 1e-9,
            silent_seconds=max(0.0, (time.monotonic_ns() - end) * 1e-9) if end else 0.0,
            ended=trace.complete,
        )

    def total(self) -> Energy:
        """The energy on the primary channels from the first to the last reading of the last look, with its bounds."""
        if self._trace is None:
            return Energy.missing("nothing was read")
        start, end = self._edges(self._trace)
        return primary_energy(self._trace, self._primary(self._trace), start, end)

    def _primary(self, trace: Trace) -> Tuple[Channel, ...]:
        if self._asked is None:
            return choose_primary(series.channel for series in trace.metered.values())
        return tuple(trace.series[name].channel for name in self._asked if name in trace.series)

    def _edges(self, trace: Trace) -> Tuple[int, int]:
        times = [series.t for series in trace.metered.values() if len(series.t)]
        return min((int(t[0]) for t in times), default=0), max((int(t[-1]) for t in times), default=0)


@contextlib.contextmanager
def own_recorder(meters: Sequence[MeterSpec], declared: Sequence[str], hz: float) -> Iterator[Recorder]:
    """A recorder whose trace is in a temporary folder that goes at the end of the block.

    MeterUnavailable where nothing can be read, or not one channel of a meter that is `declared` (by name).
    """
    with tempfile.TemporaryDirectory(prefix="energytrain-watch-") as folder:
        recorder = Recorder.start(Path(folder) / "watch.arrows", meters, hz)
        try:
            open_ones = {channel.meter for channel in recorder.channels}
            if not open_ones or not open_ones.issuperset(declared):
                raise MeterUnavailable(why_missing(recorder))
            recorder.wait_sampled(SAMPLE_WAIT_SECONDS)
            yield recorder
        finally:
            recorder.stop()


class _Sum:
    """The energy of one channel since its first reading, and the last minute of it as a curve."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._taken = 0
        self._last: Optional[Tuple[int, float]] = None
        self._partial = False
        # The curve: joules at moments, and the edges of pieces over which nothing is known.
        self._t: Array = np.empty(0, np.int64)
        self._joules: Array = np.empty(0)
        self._gaps: List[Tuple[int, int]] = []

    def take(self, series: Series) -> None:
        """Adds what the series has more than at the last call."""
        t, values = series.t[self._taken :], series.values[self._taken :]
        self._taken = len(series.t)
        good = np.isfinite(values)
        t, values = t[good], values[good]
        if not len(t):
            return
        if self._last is None:
            self._t, self._joules = t[:1], np.zeros(1)
        else:
            t, values = np.append(self._last[0], t), np.append(self._last[1], values)
        self._last = int(t[-1]), float(values[-1])
        seconds = np.diff(t) * 1e-9
        pieces, known = self._counted(values, seconds) if self._counts else self._integrated(values, seconds)
        self._partial |= not known.all()
        self._gaps += [(int(t[i]), int(t[i + 1])) for i in np.flatnonzero(~known)]
        # A counter says something only where it steps.
        kept = np.flatnonzero((pieces != 0) | ~known) if self._counts else np.arange(len(pieces))
        grown = self._joules[-1] + np.cumsum(np.where(known, pieces, 0.0))
        self._t, self._joules = np.append(self._t, t[1:][kept]), np.append(self._joules, grown[kept])
        oldest = int(t[-1]) - (BINS + 2) * 1_000_000_000
        first = max(0, int(np.searchsorted(self._t, oldest)) - 1)
        self._t, self._joules = self._t[first:], self._joules[first:]
        self._gaps = [gap for gap in self._gaps if gap[1] > oldest]

    @property
    def _counts(self) -> bool:
        return self._channel.quantity == "joules"

    def _counted(self, values: Array, seconds: Array) -> Tuple[Array, Array]:
        """(joules, which are known) between the reads of a counter."""
        pieces = np.diff(values)
        for i in np.flatnonzero(pieces < 0):
            grown = counted(self._channel, values[i], values[i + 1], seconds[i])
            pieces[i] = np.nan if grown is None else grown
        return pieces, np.isfinite(pieces)

    def _integrated(self, values: Array, seconds: Array) -> Tuple[Array, Array]:
        longest = max(BRIDGED_SECONDS, BRIDGED_SECONDS * (self._channel.update_seconds or 0.0))
        return (values[1:] + values[:-1]) / 2 * seconds, seconds <= longest

    def now(self, series: Series) -> ChannelNow:
        failing = bool(len(series.values)) and not np.isfinite(series.values[-1])
        return ChannelNow(
            channel=self._channel,
            watts=None if failing else self._watts(),
            joules=float(self._joules[-1]) if len(self._t) > 1 else None,
            partial=self._partial,
            recent=self._recent(),
            error=("; ".join(series.errors[-2:]) or "the read failed") if failing else None,
        )

    def _watts(self) -> Optional[float]:
        """The mean over the last second that the curve has, or over its last piece where that is longer."""
        if len(self._t) < 2 or self._last is None or self._last[0] - self._t[-1] > STILL_SECONDS * 1e9:
            return None
        first = int(np.searchsorted(self._t, self._t[-1] - int(SHOWN_SECONDS * 1e9), side="right")) - 1
        start = int(self._t[max(first, 0)])
        return self._mean(start, int(self._t[-1]))

    def _recent(self) -> Tuple[Optional[float], ...]:
        if len(self._t) < 2:
            return (None,) * BINS
        last = int(self._t[-1]) // 1_000_000_000
        edges = [(last - BINS + number) * 1_000_000_000 for number in range(BINS + 1)]
        return tuple(self._mean(low, high) for low, high in zip(edges[:-1], edges[1:]))

    def _mean(self, start: int, end: int) -> Optional[float]:
        """Mean watts between two moments of the curve; None where a part of that time is unknown."""
        if end <= start or start < self._t[0] or end > self._t[-1]:
            return None
        if any(low < end and high > start for low, high in self._gaps):
            return None
        before, after = np.interp([start - self._t[0], end - self._t[0]], self._t - self._t[0], self._joules)
        return float(after - before) / ((end - start) * 1e-9)


def _condition(series: Series) -> ConditionNow:
    value = float(series.values[-1]) if len(series.values) else np.nan
    if np.isfinite(value):
        return ConditionNow(series.channel, value, None)
    return ConditionNow(series.channel, None, "; ".join(series.errors[-2:]) or "not read yet")
