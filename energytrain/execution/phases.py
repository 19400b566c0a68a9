"""Carries out the phases of a recipe on a session: epochs of training here, what chooses and prunes in `pruning`."""

import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from ..costs.bill import network_bill
from ..costs.fp8_bill import fp8_share
from ..data.batching import epoch_size
from ..errors import UsageError
from ..methods.phase_work import average_work, averaged_epochs, check_work, epoch_items
from ..methods.phases import DRAW_EPOCH, Epoch, MaskWeights, Phase, Prune, PseudoPrune, Recipe, Rewind, Train
from ..precision.fp8 import fp8_layers
from ..pruning.early_bird import EarlyBird
from ..pruning.pseudo_prune import PseudoPruneSearch
from ..quantities.ledger import NetworkBill, Work, work_to_json
from ..runs.masks import encode
from ..training.checkpoint import CheckpointStore
from ..training.loop import EpochStats
from . import pruning
from .after_epoch import prune_gradually, start_gradual, zero_softly
from .gradients import after_backward
from .listener import EpochReport, Listener
from .live import LiveCost
from .marks import Marks
from .prospect import Prospect
from .pseudo_prune import check
from .session import Session


class Runner:
    """Everything that carrying out a phase needs beside the session itself."""

    def __init__(
        self,
        recipe: Recipe,
        session: Session,
        marks: Marks,
        live: LiveCost,
        store: CheckpointStore,
        rewind_store: CheckpointStore,
        listener: Listener,
        folder: Path,
        ticket_file: Optional[Path],
        after_epoch: Callable[["Runner"], None],
        prospect: Prospect,
    ) -> None:
        self.recipe = recipe
        self.session = session
        self.marks = marks
        self.live = live
        self.store = store
        self.rewind_store = rewind_store
        self.listener = listener
        self.folder = folder
        self.ticket_file = ticket_file
        self.after_epoch = after_epoch
        self.prospect = prospect

    def carry_out(self, phase: Phase) -> None:
        """Do what is left of `phase`, and leave the session at the phase after it."""
        if isinstance(phase, Train):
            self._train(phase)
        elif isinstance(phase, Prune):
            pruning.prune(self, phase)
        elif isinstance(phase, MaskWeights):
            pruning.mask_weights(self, phase)
        else:
            assert isinstance(phase, Rewind)
            pruning.rewind(self, phase)

    def _train(self, phase: Train) -> None:
        """The epochs of `phase` that are left; with a search, until the ticket is drawn."""
        session, spec = self.session, self.session.spec
        first = self._epoch(phase.first)
        planned = phase.last if phase.length is None else first + phase.length
        last = planned if spec.measure_epochs is None else min(planned, first + spec.measure_epochs)
        start = first if session.epoch is None else session.epoch
        if start >= last:
            self._next_phase()
            return
        if phase.until is not None and session.search is None:
            self._start_search(phase)
        if phase.gradual is not None and session.epoch is None:
            start_gradual(session, phase.gradual)
        bill, checked = session.bill(phase), check_work(session.model, session.data.info, spec, phase)
        self._mark_training(phase, first, planned - first, bill, checked)
        self.listener.phase(phase.name, start, planned)
        self.prospect.begins(self.live.now()[1])
        if phase.precision == "fp8":
            self._say_what_runs_in_fp8(bill)
        for epoch in range(start, last):
            self._keep(phase, epoch)
            drawn = self._train_epoch(phase, first, epoch, planned, bill, checked)
            session.epoch = epoch + 1
            if drawn or epoch + 1 == last:
                # Where only some epochs are measured, the last one stands for those that were not trained.
                for missed in [e for e in phase.keep if e == epoch + 1 or (e > epoch and spec.measure_epochs)]:
                    self._keep(phase, missed)
                if phase.until is not None and session.search is not None:
                    session.draw_epoch = session.search.epoch if spec.draw_epoch is None else spec.draw_epoch
                if phase.gradual is not None:
                    pruning.note_gradual(self, phase)
                self._next_phase()
            self.save(phase.name, epoch)
            self.after_epoch(self)
            if drawn:
                return

    @property
    def has_trained(self) -> bool:
        """Whether a phase of training came before the present one."""
        return any(isinstance(phase, Train) for phase in self.recipe[: self.session.phase])

    def is_over(self, phase: Phase) -> bool:
        """Whether nothing is left to train in `phase`: it would begin where the schedule ends."""
        return isinstance(phase, Train) and phase.length is None and self._epoch(phase.first) >= phase.last

    def _next_phase(self) -> None:
        self.session.phase, self.session.epoch = self.session.phase + 1, None

    def _say_what_runs_in_fp8(self, bill: NetworkBill) -> None:
        share = fp8_share(bill, fp8_layers(self.session.model))
        self.listener.message(str(share))
        for layer, part, reason in share.rest:
            self.listener.message(f"{layer} ({part:.1%}) runs in bf16: {reason}")

    def _start_search(self, phase: Train) -> None:
        assert phase.until is not None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.session.start_search(phase.until, phase.l1)
        for warning in caught:
            self.listener.message(str(warning.message))

    def _keep(self, phase: Train, epoch: int) -> None:
        """Keep the state before `epoch` where the recipe goes back to it."""
        if epoch in phase.keep and epoch not in self.rewind_store.numbers():
            with self.marks.span(phase.name, epoch, "checkpoint"):
                self.session.keep(self.rewind_store, epoch)

    def _mark_training(self, phase: Train, first: int, epochs: int, bill: NetworkBill, checked: List[Work]) -> None:
        session, spec = self.session, self.session.spec
        if spec.measure_epochs is not None and phase.until is not None and spec.draw_epoch is not None:
            epochs = spec.draw_epoch
        self.mark_phase(
            phase.name,
            epochs,
            bill,
            first=first,
            per_epoch=[item.__dict__ for item in epoch_items(session.model, phase)],
            check=work_to_json(checked),
        )

    def mark_phase(self, name: str, epochs: int, bill: NetworkBill, **facts: Any) -> None:
        """Note what the network of a phase costs and how long it is to be trained."""
        images, steps, _ = epoch_size(len(self.session.data.train), self.session.spec.batch_size)
        facts = {"per_epoch": [], "images": images, "steps": steps, "bill": bill.to_json(), **facts}
        self.marks.mark("phase", phase=name, epochs=epochs, role=self.session.role, **facts)

    def _train_epoch(
        self, phase: Train, first: int, epoch: int, last: int, bill: NetworkBill, checked: List[Work]
    ) -> bool:
        """One epoch of a phase that goes from `first` to `last`; `checked`: what its check costs. True: it is drawn."""
        session, spec = self.session, self.session.spec
        train = session.data.train
        _, steps, _ = epoch_size(len(train), spec.batch_size)
        drawn, work = False, []  # type: bool, List[Work]

        def on_step(index: int) -> None:
            if self.marks.beat(index + 1, min((index + 1) * spec.batch_size, len(train))):
                self.live.now()  # hears the recorder out, whose newest word is lost where the older ones fill its pipe
            self.listener.step(index + 1, steps)

        with self.marks.span(phase.name, epoch, "training") as facts:
            stats = session.train_epoch(
                session.model,
                session.optimiser,
                phase.schedule,
                epoch,
                order=phase.name,
                precision=phase.precision,
                after_backward=after_backward(session, phase),
                on_step=on_step,
            )
            if phase.until is not None and isinstance(session.search, EarlyBird):
                drawn = session.search.update()
                facts["distance"] = session.search.distances[-1] if session.search.distances else None
                facts.update(mask_facts(session.search))
            if phase.soft is not None:
                zero_softly(session, phase.soft)
            if phase.gradual is not None:
                work += prune_gradually(session, phase.gradual, epoch - first, last - first)
            work += self._average(phase, epoch, last, lambda index: on_step(steps - 1))
            if work:
                facts["work"] = work_to_json(work)
            facts.update(images=stats.images, steps=stats.steps, loss=stats.loss, accuracy=100 * stats.accuracy)
        if isinstance(phase.until, PseudoPrune):
            assert isinstance(session.search, PseudoPruneSearch)
            with self.marks.span(phase.name, epoch, "check") as seen:
                accuracy = check(session, phase.until, on_step)
                seen["check_accuracy"] = accuracy
            drawn = session.search.add(accuracy / 100)
            self.live.add_work(checked)
        self.live.add(bill.training, stats.images, stats.steps)
        self.live.add_work(work)
        test = self._judge(phase, epoch, epoch + 1 == last, bill)
        drawn_at = epoch + 1 if drawn or (phase.until and epoch + 1 == last) else session.draw_epoch
        self._report(phase, epoch, last, stats, test, facts, (epoch + 1 - first, drawn_at))
        return drawn

    def _average(self, phase: Train, epoch: int, last: int, on_step: Callable[[int], None]) -> List[Work]:
        """Take an epoch's weights into the mean, and put the mean in their place after the last one; what it costs."""
        session, ends = self.session, epoch + 1 == last
        if not averaged_epochs(phase, epoch, epoch + 1):
            return []
        session.take_into_average()
        if ends:
            session.become_average(epoch + 1, phase.name, on_step)
        return average_work(session.model, session.data.info, session.spec, 1, ends)

    def _judge(self, phase: Train, epoch: int, ends: bool, bill: NetworkBill) -> Optional[float]:
        """The network in its phase's precision; an averaged one in fp32, whatever it was trained in."""
        if not (ends and averaged_epochs(phase, epoch, epoch + 1)):
            return self.evaluate(phase.name, epoch, bill, phase.precision)
        bill = network_bill(self.session.model, self.session.image_shape)
        return self.evaluate(phase.name, epoch, bill, "fp32", own_bill=True)

    def evaluate(
        self, phase: str, epoch: int, bill: NetworkBill, precision: str, own_bill: bool = False
    ) -> Optional[float]:
        """Test accuracy in percent; `own_bill`: `bill` is not that of the phase's mark."""
        session = self.session
        with self.marks.span(phase, epoch, "evaluation") as facts:
            images = steps = 0
            for part, source in (("validation", session.data.validation), ("test", session.data.test)):
                if source is None:
                    continue
                stats = session.evaluate(session.model, source, precision)
                facts[f"{part}_accuracy"], facts[f"{part}_loss"] = 100 * stats.accuracy, stats.loss
                images, steps = images + stats.images, steps + stats.steps
            facts.update(images=images, steps=steps)
            if own_bill:
                facts["work"] = work_to_json([(bill.evaluation, images, steps)])
        self.live.add(bill.evaluation, images, steps)
        test: Optional[float] = facts.get("test_accuracy")
        return test

    def _report(
        self,
        phase: Train,
        epoch: int,
        last: int,
        stats: EpochStats,
        test: Optional[float],
        facts: Dict[str, Any],
        stands: Tuple[int, Optional[int]],
    ) -> None:
        """stands: epochs of the phase that are done, and when the ticket was drawn."""
        watts, joules, provenance = self.live.now()
        self.listener.epoch(
            EpochReport(
                phase.name,
                epoch,
                last,
                stats.loss,
                facts["accuracy"],
                test,
                facts.get("distance"),
                watts,
                joules,
                provenance,
                self.prospect.epoch(self.session.phase, *stands, joules),
            )
        )

    def save(self, phase: str, epoch: Optional[int]) -> None:
        with self.marks.span(phase, epoch, "checkpoint"):
            self.session.save(self.store)

    def _epoch(self, epoch: Epoch) -> int:
        if epoch is DRAW_EPOCH:
            if self.session.draw_epoch is None:
                raise UsageError("the ticket does not say at which epoch it was drawn.", "Use --method eb-reinit.")
            return self.session.draw_epoch
        return int(epoch)  # type: ignore[arg-type]


def mask_facts(search: EarlyBird) -> Dict[str, Any]:
    """The search's newest mask as its epoch's mark keeps it."""
    assert search.mask is not None
    kept = [part.numpy() for part in search.mask.values()]
    return {"mask": encode(kept), "channels": sum(len(part) for part in kept)}
