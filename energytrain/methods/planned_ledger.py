"""What a recipe will cost in work, from the same phases that execution carries out.

Planned with a run's own draws (epochs and kept channels) it gives that run's useful ledger to the FLOP.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Union

from torch import nn

from ..costs.pruning_work import ranking_work
from ..data.batching import epoch_size
from ..data.catalog import DataInfo
from ..pruning.ticket import Ticket
from ..quantities.ledger import Ledger, Work, spend
from ..runs.spec import RunSpec
from .catalog import recipe_of, search_precision
from .network import Networks
from .phase_work import (
    average_work,
    averaged_epochs,
    check_work,
    epoch_items,
    masked_elements,
    masking_work,
    pruning_work,
    ratio_check_work,
    training_bill,
)
from .phases import DRAW_EPOCH, Epoch, MaskWeights, Phase, Prune, Rewind, Train


@dataclass(frozen=True)
class Draws:
    """What only a run knows: the epoch of its draw, and the channels that each pruning phase left, by unit.

    checks: kept channels and epochs of every check by which a prune ratio was chosen. masked: how many weights a given
    ticket ranks.
    """

    epoch: Optional[int] = None
    kept: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    checks: Sequence[Mapping[str, Any]] = ()
    masked: Optional[int] = None

    @staticmethod
    def of_ticket(ticket: Ticket, phase: str = "prune") -> "Draws":
        return Draws(ticket.draw_epoch, {phase: ticket.kept_counts})

    @staticmethod
    def of_marks(tickets: Mapping[str, Mapping[str, Any]]) -> "Draws":
        """From the ticket marks of a run, by phase (`runs.timeline.Timeline.tickets`)."""
        kept: Dict[str, Dict[str, int]] = {}
        epoch: Optional[int] = None
        for phase, mark in tickets.items():
            epoch = mark.get("search_epoch", mark["draw_epoch"])
            if mark.get("unit", "channels") == "channels":
                kept[phase] = {name: pair[0] for name, pair in mark["widths"].items()}
        checks = [row for mark in tickets.values() for row in mark.get("checks", ())]
        masked = [mark["total"] for mark in tickets.values() if mark.get("unit") == "weights"]
        return Draws(epoch, kept, checks, masked[-1] if masked else None)


class PlannedPhase(NamedTuple):
    """A phase of a recipe: its work, how many epochs it trains and from which on, and the network that it leaves.

    kept: that network's channels by unit, None where it is the dense one.
    """

    phase: Phase
    work: List[Work]
    first: int
    epochs: int
    images: int
    network: nn.Module
    kept: Optional[Mapping[str, int]]


def planned_ledger(spec: RunSpec, data: DataInfo, draws: Union[Draws, Ticket, None] = None) -> Ledger:
    """The work of every training phase of `spec`'s method on `data`, by phase.

    `draws` is needed by the methods that choose channels (how many stay decides what the rest costs) or that end a
    search by a rule. Raises ValueError where it is missing.
    """
    known = Draws.of_ticket(draws) if isinstance(draws, Ticket) else draws or Draws()
    return sum_of_phases(planned_phases(spec, data, known))


def sum_of_phases(phases: Iterable[PlannedPhase]) -> Ledger:
    """The work of phases, by phase."""
    ledger = Ledger()
    for planned in phases:
        for items, images, steps in planned.work:
            ledger = ledger + spend(items, planned.phase.name, images, steps)
    return ledger


def planned_phases(
    spec: RunSpec, data: DataInfo, known: Draws, networks: Optional[Networks] = None
) -> List[PlannedPhase]:
    """The phases of `spec`'s method on `data`, in order, layer by layer as a run books them.

    networks: those of other plans, so that what several share is built once.
    """
    networks = networks or Networks()
    dense = networks.dense(spec, data)
    model, masked = dense, None  # type: nn.Module, Optional[int]
    shape = (data.channels, data.size, data.size)
    images, steps, _ = epoch_size(data.train_images, spec.batch_size)
    phases: List[PlannedPhase] = []
    left: Optional[Mapping[str, int]] = None
    for phase in recipe_of(spec):
        work: List[Work] = []
        first = epochs = 0
        if isinstance(phase, Prune):
            kept = _kept(known, phase, spec)
            work = pruning_work(model, data, spec, phase, kept)
            work += ratio_check_work(dense, data, spec, search_precision(spec), known.checks)
            model, left = networks.shrunk(dense, kept), kept
        elif isinstance(phase, MaskWeights):
            if phase.criterion == "given":
                masked = known.masked
            else:
                work = masking_work(model, data, spec, phase)
                masked = masked_elements(model, phase.criterion, phase.skip_ends)
        elif isinstance(phase, Train):
            if phase.gradual is not None:
                masked = masked_elements(model, "magnitude", phase.gradual.skip_ends)
                work.append(((ranking_work(masked),), 0, phase.gradual.steps))
            first, epochs = _resolved(phase.first, known, spec), planned_epochs(phase, known, spec)
            bill = training_bill(model, shape, spec, phase, masked)
            work.append((bill.training, images * epochs, steps * epochs))
            work.append((epoch_items(model, phase), 0, epochs))
            for items, seen, taken in check_work(model, data, spec, phase):
                work.append((items, seen * epochs, taken * epochs))
            averaged = averaged_epochs(phase, first, first + epochs)
            if averaged:
                work += average_work(model, data, spec, averaged, ends=True)
        else:
            assert isinstance(phase, Rewind)
        phases.append(PlannedPhase(phase, work, first, epochs, images * epochs, model, left))
    return phases


def planned_epochs(phase: Train, draws: Draws, spec: RunSpec) -> int:
    """How many epochs a phase takes, given when its search ends."""
    first = _resolved(phase.first, draws, spec)
    if phase.length is not None:
        return phase.length
    last = phase.last if phase.until is None else _resolved(DRAW_EPOCH, draws, spec)
    return max(0, last - first)


def _resolved(epoch: Epoch, draws: Draws, spec: RunSpec) -> int:
    if epoch is not DRAW_EPOCH:
        return int(epoch)  # type: ignore[arg-type]
    if draws.epoch is None:
        raise ValueError(f"planning {spec.method} needs the epoch of its draw")
    return draws.epoch


def _kept(draws: Draws, phase: Prune, spec: RunSpec) -> Mapping[str, int]:
    if phase.name not in draws.kept:
        raise ValueError(f"planning {spec.method} needs the channels that '{phase.name}' leaves")
    return draws.kept[phase.name]
