"""What a run cost: its marks and traces become rows of seconds, FLOPs and joules, always by the same pure function.

Useful is each epoch's cost once: what methods are compared on. Spent is all attempts from begin to end. Between them
lie lost (what a crash undid), evaluation, overhead (set-up, checkpoints), and the idle baselines, which are the
measurement's own.
"""

import dataclasses
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..costs.energy_model import predict
from ..devices.profile import Profile
from ..energy.primary import primary_energy
from ..energy.traces.series import Trace
from ..meters.base import Channel
from ..quantities.energy import Energy, Provenance, total
from ..quantities.ledger import Ledger, NetworkBill, Work, WorkItem, spend, work_from_json
from .idle import idle_of, net_of
from .rows import Account, Row, extrapolated, sum_of_rows
from .timeline import USEFUL, Span, Timeline

NO_METER = "no meter was recording"
NO_WORK = "its work is not FLOPs of the network, which is all that is modelled"


class Accountant:
    """Turns spans into rows for one run: knows its traces, primary channels and the device's profile."""

    def __init__(
        self, timeline: Timeline, traces: Mapping[int, Trace], profile: Optional[Profile], measure_epochs: Optional[int]
    ) -> None:
        self.timeline = timeline
        self.traces = traces
        self.profile = profile
        self.measure_epochs = measure_epochs
        self.bills = {name: NetworkBill.from_json(mark["bill"]) for name, mark in timeline.phases.items()}
        first = timeline.attempts[0].mark if timeline.attempts else {}
        self.primary: Tuple[str, ...] = tuple(first.get("primary", ()))
        self.here = bool(first.get("here", False))
        self.idle = idle_of(timeline, self._window)

    @property
    def headline(self) -> str:
        return "measured" if self.here and self.primary else "modelled"

    def account(self, dense_epochs: Optional[int] = None) -> Account:
        """Every row of the run; `dense_epochs` asks for what that many epochs of the dense network would have cost."""
        useful, lost = self.timeline.useful(), self.timeline.lost()
        names = list(dict.fromkeys(s.phase for s in useful if s.what in USEFUL))
        phases = tuple(self._phase(name, [s for s in useful if s.phase == name and s.what in USEFUL]) for name in names)
        phases = tuple(self._net(row) for row in phases)
        dense = None if dense_epochs is None else self._dense(dense_epochs)
        return Account(
            phases=phases,
            evaluation=self._net(self._row("evaluate", [s for s in useful if s.what == "evaluation"])),
            overhead=self._net(self._row("overhead", [s for s in useful if s.what in ("setup", "checkpoint")])),
            baseline=self._net(self._row("baseline", self.timeline.baselines())),
            lost=self._net(self._row("lost", lost)),
            useful=self._net(sum_of_rows("useful", phases)),
            spent=self._net(self._spent(useful + lost)),
            dense=None if dense is None else self._net(dense),
            headline=self.headline,
        )

    def _net(self, row: Row) -> Row:
        return dataclasses.replace(row, net=net_of(row.measured, self.idle))

    def _phase(self, name: str, spans: Sequence[Span]) -> Row:
        row = self._row(name, spans)
        planned = self.timeline.phases[name]["epochs"] if name in self.timeline.phases else None
        if self.measure_epochs is None or not planned or row.epochs == 0:
            return dataclasses.replace(row, planned_epochs=planned)
        return extrapolated(row, planned / row.epochs, planned)

    def _row(self, name: str, spans: Sequence[Span]) -> Row:
        work = [part for span in spans for part in self._work(span)]
        modelled, seconds = self._modelled(work)
        ledger = Ledger()
        for items, images, steps in work:
            ledger = ledger + spend(items, name, images, steps)
        return Row(
            phase=name,
            epochs=sum(1 for s in spans if s.what == "training" and s.complete),
            seconds=sum(s.seconds for s in spans),
            images=sum(s.images for s in spans),
            ledger=ledger,
            measured=self._measured((s.attempt, s.start, s.end) for s in spans),
            modelled=modelled,
            modelled_seconds=seconds,
        )

    def _spent(self, spans: Sequence[Span]) -> Row:
        row = self._row("spent", spans)
        attempts = self.timeline.attempts
        return dataclasses.replace(
            row,
            seconds=sum(a.end - a.start for a in attempts) / 1e9,
            measured=self._measured((a.number, a.start, a.end) for a in attempts),
        )

    def _work(self, span: Span) -> List[Work]:
        """(items, images, steps) of a span; of a span cut short, what its last heartbeat says."""
        if span.phase not in self.bills:
            return work_from_json(span.marks.get("work", ()))
        bill, mark = self.bills[span.phase], self.timeline.phases[span.phase]
        if span.what == "evaluation":
            return [(bill.evaluation, span.images, span.steps)]
        work = work_from_json(span.marks.get("work", ()))
        if span.what == "check" and span.complete:
            work += work_from_json(mark["check"])
        if span.what == "training":
            work.append((bill.training, span.images, span.steps))
            if span.complete:
                work.append((tuple(WorkItem(**item) for item in mark["per_epoch"]), 0, 1))
        return work

    def _measured(self, windows: Iterable[Tuple[int, int, int]]) -> Energy:
        parts = []
        for attempt, start, end in windows:
            parts.append(self._window(attempt, start, end))
        if not parts:
            return Energy(0.0, Provenance.MEASURED) if self.primary else Energy.missing(NO_METER)
        return total(parts)

    def _window(self, attempt: int, start: int, end: int) -> Energy:
        seconds = (end - start) / 1e9
        if not self.primary:
            return Energy.missing(NO_METER, seconds)
        trace = self.traces.get(attempt)
        if trace is None:
            return Energy.missing(f"attempt {attempt} has no trace", seconds)
        absent = [name for name in self.primary if name not in trace.series]
        if absent:
            return Energy.missing(f"attempt {attempt} did not record {', '.join(absent)}", seconds)
        channels: List[Channel] = [trace.series[name].channel for name in self.primary]
        return primary_energy(trace, channels, start, end)

    def _modelled(self, work: Sequence[Work]) -> Tuple[Energy, Optional[float]]:
        if self.profile is None:
            return Energy.missing("the device has no profile, so nothing can be modelled"), None
        merged: Dict[Tuple[WorkItem, ...], Tuple[int, int]] = {}
        for items, images, steps in work:
            had = merged.get(items, (0, 0))
            merged[items] = (had[0] + images, had[1] + steps)
        parts = [predict(items, images, steps, self.profile) for items, (images, steps) in merged.items()]
        if not parts:
            return Energy.missing(NO_WORK), None
        return total(p.energy for p in parts), sum(p.seconds for p in parts)

    def _dense(self, epochs: int) -> Optional[Row]:
        """What `epochs` epochs of the dense network would have cost: its own epochs here, scaled; else modelled."""
        spans = [s for s in self.timeline.useful() if s.what == "training" and self._is_dense(s.phase)]
        name = next((n for n, mark in self.timeline.phases.items() if mark["role"] == "dense"), None)
        given = (self.timeline.ticket or {}).get("dense_bill")
        if name is not None:
            mark, bill = self.timeline.phases[name], self.bills[name]
        elif given is not None and self.timeline.phases:
            mark, bill = next(iter(self.timeline.phases.values())), NetworkBill.from_json(given)
        else:
            return None
        items = tuple(item for item in bill.training if item.kind not in ("l1", "mask"))
        images, steps = int(mark["images"]) * epochs, int(mark["steps"]) * epochs
        modelled, seconds = self._modelled([(items, images, steps)])
        energy = Energy.missing("no dense epoch was measured")
        actual = 0.0
        if spans:
            measured = self._measured((s.attempt, s.start, s.end) for s in spans)
            energy = measured.scaled(epochs / len(spans), Provenance.EXTRAPOLATED)
            actual = sum(s.seconds for s in spans) * epochs / len(spans)
        return Row("dense", epochs, actual, images, spend(items, "dense", images, steps), energy, modelled, seconds)

    def _is_dense(self, phase: str) -> bool:
        return phase in self.timeline.phases and self.timeline.phases[phase]["role"] == "dense"
