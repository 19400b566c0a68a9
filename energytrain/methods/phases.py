"""The phases that recipes are made of: plain data that both the plan and the execution read.

A recipe is a tuple of these. Nothing here trains: `execution` carries a phase out, `planned_ledger` counts it.
"""

from dataclasses import dataclass
from typing import Optional, Tuple, Union

from ..runs.spec import RunSpec
from ..training.schedule import Schedule


class _DrawEpoch:
    """The number of epochs after which the ticket was drawn; known once it is."""

    def __repr__(self) -> str:
        return "DRAW_EPOCH"


DRAW_EPOCH = _DrawEpoch()
Epoch = Union[int, _DrawEpoch]


@dataclass(frozen=True)
class MaskDistance:
    """Stop when the last `queue` mask distances between consecutive epochs are all below `eps` (Algorithm 1)."""

    prune_ratio: float
    eps: float
    queue: int
    rule: str


@dataclass(frozen=True)
class Train:
    """Epochs first .. last - 1 of a schedule. With `until` the phase also ends, and a ticket is drawn, by that rule."""

    name: str
    first: Epoch
    last: int
    schedule: Schedule
    l1: float = 0.0
    until: Optional[MaskDistance] = None


@dataclass(frozen=True)
class Prune:
    """Replace the network by its ticket, physically.

    choose: "drawn" (the search's own), "random" (as many channels a layer, drawn at random) or "given" (--ticket).
    weights: "inherit" (those the channels have) or "fresh" (a new initialisation).
    """

    choose: str = "drawn"
    weights: str = "inherit"
    name: str = "prune"


Phase = Union[Train, Prune]
Recipe = Tuple[Phase, ...]


def schedule(spec: RunSpec) -> Schedule:
    """The schedule of dense training and of retraining."""
    return Schedule(spec.lr, spec.epochs, spec.milestones, spec.gamma, spec.warmup_epochs)


def search_schedule(spec: RunSpec) -> Schedule:
    """The schedule of the search; the same as the retraining's unless set apart."""
    return Schedule(spec.search_lr, spec.epochs, spec.search_milestones, spec.gamma, spec.warmup_epochs)


def early_bird_search(spec: RunSpec) -> Train:
    """Dense training with L1 on the BN scales until the mask stops moving (paper, Section 3.3 and Algorithm 1)."""
    rule = MaskDistance(spec.prune_ratio, spec.eps, spec.queue, spec.distance_rule)
    return Train("search", 0, spec.epochs, search_schedule(spec), l1=spec.l1, until=rule)


def retrain(spec: RunSpec, first: Epoch) -> Train:
    """Training of the ticket from epoch `first` of the schedule to its end."""
    return Train("retrain", first, spec.epochs, schedule(spec), l1=spec.l1 if spec.l1_retrain else 0.0)
