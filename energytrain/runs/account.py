"""What a run cost: its marks and traces become rows of seconds, FLOPs and joules, always by the same pure function.

Useful is each epoch's cost once: what methods are compared on. Spent is all attempts from begin to end. Between them
lie lost (what a crash undid), evaluation, overhead (set-up, checkpoints), inference that was measured afterwards, and
the idle baselines, which are the measurement's own.
"""

import dataclasses
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..costs.energy_model import Parts, parts_of, predict
from ..costs.fp32_twin import fp32_twin, is_emulated
from ..devices.profile import Profile
from ..energy.primary import primary_energy
from ..energy.traces.series import Trace
from ..meters.base import Channel
from ..quantities.energy import Energy, Provenance, total
from ..quantities.ledger import Ledger, NetworkBill, Work, WorkItem, spend, work_from_json
from .emulation import anchor_of, anchored_row, what_if_of
from .idle import idle_of, net_of
from .rows import Account, Row, Tally, extrapolated, sum_of_rows
from .timeline import INFER, INFERENCE, USEFUL, WARM_UP, Span, Timeline

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
        self.metered = bool(first.get("here", False)) and bool(self.primary)  # its own device is, and not another
        self.emulated = any(is_emulated(bill.training) for bill in self.bills.values())
        self._windows: Dict[Tuple[int, int, int], Energy] = {}
        self.idle = idle_of(timeline, self.window)

    @property
    def headline(self) -> str:
        """What an emulation draws is no figure of the method, so such a run is modelled whatever was measured."""
        return "measured" if self.metered and not self.emulated else "modelled"

    def account(self, dense_epochs: Optional[int] = None) -> Account:
        """Every row of the run; `dense_epochs` asks for what that many epochs of the dense network would have cost."""
        useful, lost = self.timeline.useful(), self.timeline.lost()
        names = list(dict.fromkeys(s.phase for s in useful if s.what in USEFUL))
        phases = tuple(self._phase(name, [s for s in useful if s.phase == name and s.what in USEFUL]) for name in names)
        dense = None if dense_epochs is None else self._dense(dense_epochs)
        anchor = anchor_of(phases) if self.emulated and self.metered else None

        def finished(row: Row) -> Row:
            return anchored_row(self._net(row), anchor, self.profile)

        anchored = tuple(finished(row) for row in phases)
        whole = finished(sum_of_rows("useful", phases))
        return Account(
            phases=anchored,
            evaluation=finished(self._row("evaluate", [s for s in useful if s.what == "evaluation"])),
            overhead=finished(self._row("overhead", [s for s in useful if s.what in ("setup", "checkpoint")])),
            baseline=finished(self._row("baseline", self.timeline.baselines())),
            infer=finished(self._row(INFER, [s for s in useful if s.what in (WARM_UP, INFERENCE)])),
            lost=finished(self._row("lost", lost)),
            useful=whole,
            spent=finished(self._spent(useful + lost)),
            dense=None if dense is None else finished(dense),
            headline=self.headline,
            what_if=what_if_of(whole, anchored, self.profile, anchor) if self.emulated else None,
            anchor=anchor,
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
        tally = Tally(name)
        for span in spans:
            self.add(tally, span)
        return self.row_of(tally)

    def add(self, tally: Tally, span: Span) -> None:
        """One more span to what came before it."""
        tally.epochs += span.what == "training" and span.complete
        tally.seconds += span.seconds
        tally.images += span.images
        tally.add_work(self.work(span))
        tally.add_measured(self.window(span.attempt, span.start, span.end))

    def row_of(self, tally: Tally) -> Row:
        work = tally.works()
        modelled, seconds = self._modelled(work)
        ledger = Ledger()
        for items, images, steps in work:
            ledger = ledger + spend(items, tally.name, images, steps)
        return Row(
            phase=tally.name,
            epochs=tally.epochs,
            seconds=tally.seconds,
            images=tally.images,
            ledger=ledger,
            measured=self._measured(()) if tally.measured is None else tally.measured,
            modelled=modelled,
            modelled_seconds=seconds,
            parts=self._parts(work),
        )

    def _spent(self, spans: Sequence[Span]) -> Row:
        row = self._row("spent", spans)
        attempts = self.timeline.attempts
        return dataclasses.replace(
            row,
            seconds=sum(a.end - a.start for a in attempts) / 1e9,
            measured=self._measured((a.number, a.start, a.end) for a in attempts),
        )

    def work(self, span: Span) -> List[Work]:
        """(items, images, steps) of a span; of a span cut short, what its last heartbeat says."""
        if span.what in (WARM_UP, INFERENCE):
            items = self.timeline.networks[span.marks["network"]]["items"]
            return [(tuple(WorkItem(**item) for item in items), span.images, span.steps)]
        if span.phase not in self.bills:
            return work_from_json(span.marks.get("work", ()))
        bill, mark = self.bills[span.phase], self.timeline.phases[span.phase]
        if span.what == "evaluation" and "work" not in span.marks:
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
            parts.append(self.window(attempt, start, end))
        if not parts:
            return Energy(0.0, Provenance.MEASURED) if self.primary else Energy.missing(NO_METER)
        return total(parts)

    def window(self, attempt: int, start: int, end: int) -> Energy:
        """The measured energy of an attempt from one moment to another, by its primary channels; integrated once."""
        place = (attempt, start, end)
        if place not in self._windows:
            self._windows[place] = self._integrated(attempt, start, end)
        return self._windows[place]

    def _integrated(self, attempt: int, start: int, end: int) -> Energy:
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
        parts = [predict(items, images, steps, self.profile) for items, images, steps in work]
        if not parts:
            return Energy.missing(NO_WORK), None
        return total(p.energy for p in parts), sum(p.seconds for p in parts)

    def _parts(self, work: Sequence[Work]) -> Tuple[Parts, ...]:
        if self.profile is None or not self.emulated:
            return ()
        return tuple(parts_of(items, images, steps, self.profile) for items, images, steps in work)

    def _dense(self, epochs: int) -> Optional[Row]:
        """What `epochs` epochs of the dense network would have cost: its own epochs here, scaled; else modelled.

        Never in emulated precision: that belongs to what the run saves, or to no figure at all.
        """
        spans = [s for s in self.timeline.useful() if s.what == "training" and self._is_dense(s.phase)]
        name = next((n for n, mark in self.timeline.phases.items() if mark["role"] == "dense"), None)
        given = (self.timeline.ticket or {}).get("dense_bill")
        if name is not None:
            mark, bill = self.timeline.phases[name], self.bills[name]
        elif given is not None and self.timeline.phases:
            mark, bill = next(iter(self.timeline.phases.values())), NetworkBill.from_json(given)
        else:
            return None
        items = tuple(item for item in fp32_twin(bill.training) if item.kind not in ("l1", "mask"))
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
        """Whether an epoch of `phase` is one of the dense training that a run is compared with."""
        mark = self.timeline.phases.get(phase)
        return mark is not None and mark["role"] == "dense" and not is_emulated(self.bills[phase].training)
