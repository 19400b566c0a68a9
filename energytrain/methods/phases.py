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
FRESH = "fresh"


@dataclass(frozen=True)
class MaskDistance:
    """Stop when the last `queue` mask distances between consecutive epochs are all below `eps` (Algorithm 1).

    `rule` "fixed" watches the masks but stops only with the phase's last epoch.
    """

    prune_ratio: float
    eps: float
    queue: int
    rule: str


@dataclass(frozen=True)
class PseudoPrune:
    """Stop when the pseudo-prune-then-retrain check saturates ("The sooner the better", 2020, Section 3.3).

    After each epoch a copy is pruned by `structure` ("channels" by BN scales, "weights" by magnitude), trained for one
    epoch at `lr` and judged on validation data. It has saturated when none of the last `queue` accuracies is more than
    `eps` (a share, 0 to 1) above the best one before them.
    """

    prune_ratio: float
    structure: str
    lr: float
    eps: float
    queue: int


Search = Union[MaskDistance, PseudoPrune]


@dataclass(frozen=True)
class Gradual:
    """Weights are pruned in `steps` equal times over the phase, up to `prune_ratio`, along a cubic curve."""

    prune_ratio: float
    steps: int
    skip_ends: bool


@dataclass(frozen=True)
class Train:
    """Epochs first .. last - 1 of a schedule.

    With `until` the phase also ends, and a ticket is drawn, by that rule. `keep` names epochs (counted before they are
    trained; `last` is the phase's end) whose state a later `Rewind` goes back to. `soft` zeroes, after every epoch,
    this share of each layer's filters, which may grow back. With `length` the phase ends that many epochs after
    `first`, whatever `last` says: for one that begins at an epoch that only the run knows. With `average_from` the
    network that the phase leaves is the mean of those that its epochs from that one on ended with.
    `recipe_of` fills in both `precision` and `average_from`.
    """

    name: str
    first: Epoch
    last: int
    schedule: Schedule
    l1: float = 0.0
    until: Optional[Search] = None
    keep: Tuple[int, ...] = ()
    soft: Optional[float] = None
    gradual: Optional[Gradual] = None
    length: Optional[int] = None
    precision: str = "fp32"
    average_from: Optional[int] = None


@dataclass(frozen=True)
class Prune:
    """Replace the network by its ticket, physically.

    choose: "drawn" (the search's own), "random" (as many channels a layer, drawn at random), "given" (--ticket), or
        the criterion by which to choose now: "bn-scale", "thinet", "l1-filters", "l2-filters", "snip".
    weights: "inherit" (those the channels have) or "fresh" (a new initialisation).
    prune_ratio: of all channels that the dense network had; for the criteria.
    """

    choose: str = "drawn"
    weights: str = "inherit"
    name: str = "prune"
    prune_ratio: Optional[float] = None


@dataclass(frozen=True)
class MaskWeights:
    """Set single weights to zero and hold them there: the network keeps its size and its cost.

    criterion: "magnitude" (of the weights of convolutions) or "snip" (saliency on one batch).
    prune_ratio: of all weights in question; what an earlier phase masked stays masked and counts.
    """

    criterion: str
    prune_ratio: float
    name: str = "prune"
    skip_ends: bool = False


@dataclass(frozen=True)
class Rewind:
    """Weights and optimiser go back to what they were before epoch `to` of the first training, or start afresh."""

    to: Union[int, str]
    name: str = "rewind"


Phase = Union[Train, Prune, MaskWeights, Rewind]
Recipe = Tuple[Phase, ...]


def schedule(spec: RunSpec) -> Schedule:
    """The schedule of dense training and of retraining."""
    return Schedule(spec.lr, spec.epochs, spec.milestones, spec.gamma, spec.warmup_epochs)


def search_schedule(spec: RunSpec) -> Schedule:
    """The schedule of the search; the same as the retraining's unless set apart."""
    return Schedule(spec.search_lr, spec.epochs, spec.search_milestones, spec.gamma, spec.warmup_epochs)
