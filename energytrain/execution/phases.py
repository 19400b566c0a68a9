"""Carries out the phases of a recipe on a session: epochs of training, and a network's replacement by its ticket."""

import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

import torch
from safetensors.torch import save_file

from ..data.batching import epoch_size
from ..errors import UsageError
from ..methods.phases import DRAW_EPOCH, Epoch, Prune, Train
from ..quantities.ledger import NetworkBill
from ..training.checkpoint import CheckpointStore
from ..training.evaluate import evaluate
from ..training.loop import EpochStats, train_epoch
from .drawing import draw_ticket, ticket_facts
from .listener import EpochReport, Listener
from .live import LiveCost
from .marks import Marks
from .session import Session


class Runner:
    """Everything that carrying out a phase needs beside the session itself."""

    def __init__(
        self,
        session: Session,
        marks: Marks,
        live: LiveCost,
        store: CheckpointStore,
        listener: Listener,
        folder: Path,
        ticket_file: Optional[Path],
        after_epoch: Callable[["Runner"], None],
    ) -> None:
        self.session = session
        self.marks = marks
        self.live = live
        self.store = store
        self.listener = listener
        self.folder = folder
        self.ticket_file = ticket_file
        self.after_epoch = after_epoch

    def train(self, phase: Train) -> None:
        """The epochs of `phase` that are left; with a search, until the ticket is drawn."""
        session, spec = self.session, self.session.spec
        first, last = self._epoch(phase.first), phase.last
        if spec.measure_epochs is not None:
            last = min(last, first + spec.measure_epochs)
        if phase.until is not None and session.search is None:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                session.start_search(phase.until, phase.l1)
            for warning in caught:
                self.listener.message(str(warning.message))
        start = first if session.epoch is None else session.epoch
        bill, per_epoch = session.bill(phase.l1), session.per_epoch(phase)
        self._mark_phase(phase, first, bill, per_epoch)
        self.listener.phase(phase.name, start, phase.last)
        for epoch in range(start, last):
            drawn = self._train_epoch(phase, epoch, bill)
            session.epoch = epoch + 1
            if drawn or epoch + 1 == last:
                session.phase, session.epoch = session.phase + 1, None
            self.save(phase.name, epoch)
            self.after_epoch(self)
            if drawn:
                return
        if start >= last and session.epoch is not None or first >= last:
            session.phase, session.epoch = session.phase + 1, None

    def _mark_phase(self, phase: Train, first: int, bill: NetworkBill, per_epoch: Tuple[Any, ...]) -> None:
        spec, train = self.session.spec, self.session.data.train
        planned = phase.last - first
        if spec.measure_epochs is not None and phase.until is not None and spec.draw_epoch is not None:
            planned = spec.draw_epoch
        images, steps, _ = epoch_size(len(train), spec.batch_size)
        self.marks.mark(
            "phase",
            phase=phase.name,
            epochs=planned,
            role="dense" if self.session.ticket is None else "ticket",
            images=images,
            steps=steps,
            bill=bill.to_json(),
            per_epoch=[item.__dict__ for item in per_epoch],
        )

    def _train_epoch(self, phase: Train, epoch: int, bill: NetworkBill) -> bool:
        session, spec = self.session, self.session.spec
        search, train = session.search, session.data.train
        _, steps, drop_last = epoch_size(len(train), spec.batch_size)
        drawn = False

        def on_step(index: int) -> None:
            self.marks.beat(index + 1, min((index + 1) * spec.batch_size, len(train)))
            self.listener.step(index + 1, steps)

        with self.marks.span(phase.name, epoch, "training") as facts:
            stats = train_epoch(
                session.model,
                train.batches(
                    epoch,
                    spec.batch_size,
                    seed=session.order_seed(phase.name),
                    train=True,
                    drop_last=drop_last,
                    channels_last=spec.channels_last,
                ),
                session.optimiser,
                phase.schedule,
                epoch,
                steps=steps,
                precision=spec.precision,
                channels_last=spec.channels_last,
                after_backward=self._penalty(phase),
                on_step=on_step,
            )
            if search is not None:
                drawn = search.update()
                facts["distance"] = search.distances[-1] if search.distances else None
            facts.update(images=stats.images, steps=stats.steps, loss=stats.loss, accuracy=100 * stats.accuracy)
        self.live.add(bill.training, stats.images, stats.steps)
        test = self._evaluate(phase.name, epoch, bill)
        self._report(phase, epoch, stats, test, facts)
        return drawn

    def _penalty(self, phase: Train) -> Optional[Callable[[], None]]:
        if phase.l1 == 0:
            return None
        if self.session.search is not None:
            return self.session.search.penalise
        from ..pruning.early_bird import EarlyBird

        return EarlyBird(self.session.model, l1=phase.l1).penalise

    def _evaluate(self, phase: str, epoch: int, bill: NetworkBill) -> Optional[float]:
        session, spec = self.session, self.session.spec
        with self.marks.span(phase, epoch, "evaluation") as facts:
            images = steps = 0
            for part, source in (("validation", session.data.validation), ("test", session.data.test)):
                if source is None:
                    continue
                stats = evaluate(
                    session.model,
                    source.batches(epoch, spec.batch_size, channels_last=spec.channels_last),
                    precision=spec.precision,
                    channels_last=spec.channels_last,
                )
                facts[f"{part}_accuracy"], facts[f"{part}_loss"] = 100 * stats.accuracy, stats.loss
                images, steps = images + stats.images, steps + stats.steps
            facts.update(images=images, steps=steps)
        self.live.add(bill.evaluation, images, steps)
        test: Optional[float] = facts.get("test_accuracy")
        return test

    def _report(
        self,
        phase: Train,
        epoch: int,
        stats: EpochStats,
        test: Optional[float],
        facts: Dict[str, Any],
    ) -> None:
        watts, joules, provenance = self.live.now()
        self.listener.epoch(
            EpochReport(
                phase.name,
                epoch,
                phase.last,
                stats.loss,
                facts["accuracy"],
                test,
                facts.get("distance"),
                watts,
                joules,
                provenance,
            )
        )

    def prune(self, phase: Prune) -> None:
        """Draw the ticket that `phase` asks for and put its network in the place of the dense one."""
        session = self.session
        with self.marks.span(phase.name, None, "pruning"):
            dense = session.bill(l1=0.0)
            ticket, weights = draw_ticket(session, phase, self.ticket_file)
            session.become_ticket(ticket, weights, fresh=phase.weights == "fresh")
        session.phase, session.epoch = session.phase + 1, None
        self.marks.mark("ticket", **ticket_facts(ticket, phase, dense, self.ticket_file))
        with self.marks.span(phase.name, None, "checkpoint"):
            ticket.save(self.folder / "ticket.json")
            save_file(_contiguous(session.model), str(self.folder / "ticket.safetensors"))
            session.save(self.store)

    def save(self, phase: str, epoch: int) -> None:
        with self.marks.span(phase, epoch, "checkpoint"):
            self.session.save(self.store)

    def _epoch(self, epoch: Epoch) -> int:
        if epoch is DRAW_EPOCH:
            ticket = self.session.ticket
            if ticket is None or ticket.draw_epoch is None:
                raise UsageError("the ticket does not say at which epoch it was drawn.", "Use --method eb-reinit.")
            return ticket.draw_epoch
        return int(epoch)  # type: ignore[arg-type]


def _contiguous(model: torch.nn.Module) -> Dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
