"""`--prune-ratio auto`: the largest share of channels whose loss keeps an accuracy budget, judged by short checks.

How p is to be chosen is what the Early-Bird paper leaves open (You et al. 2020, Section 5). The rule here is ours; its
check is the one of "The sooner the better" (Section 3.3), which tells how well a pruned network still learns. The
search watches the mask at p = 0.3 and so ends where a fixed 30 % ends: what is dropped beyond that pays for the checks.
When it stands still, a copy of the dense network is trained for one epoch at a small rate, and copies pruned by falling
ratios for up to three: a network that lost whole channels needs longer than the paper's masked ones to show what it can
learn. The first ratio whose copy comes, on validation images, within the budget of the dense copy is taken. Copies are
rebuilt, so a check costs the small network's epochs; all of them are on the run's bill.
"""

import copy
from typing import Any, Callable, Dict, List, NamedTuple

from torch import nn

from ..pruning.masks import Mask, kept_counts
from ..pruning.rebuild import rebuild
from .pseudo_prune import short_training
from .session import Session

AUTO_RATIOS = (0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)  # tried in this order
CHECK_EPOCHS = 3


class Chosen(NamedTuple):
    """The ratio taken, its mask, every check in order (the dense copy's first), and whether one kept the budget.

    A check is {"prune_ratio", "accuracy" (percent), "epochs" (trained), "kept" (channels by unit)}.
    """

    prune_ratio: float
    mask: Mask
    checks: List[Dict[str, Any]]
    kept_budget: bool


def choose_ratio(session: Session, mask_at: Callable[[float], Mask], on_step: Callable[[int], None]) -> Chosen:
    """The largest of `AUTO_RATIOS` that keeps `spec.accuracy_budget` (points); the smallest where none does.

    mask_at(prune_ratio): the mask that a ticket of that ratio would have. The session stays as it is.
    """
    assert session.spec.accuracy_budget is not None
    checks: List[Dict[str, Any]] = []

    def reaches(ratio: float, model: nn.Module, kept: Dict[str, int], enough: float, epochs: int) -> bool:
        accuracy, trained = -1.0, 0
        for accuracy in short_training(session, model, epochs, on_step):
            trained += 1
            if accuracy >= enough:
                break
        checks.append({"prune_ratio": ratio, "accuracy": accuracy, "epochs": trained, "kept": kept})
        return accuracy >= enough

    with session.undisturbed():
        reaches(0.0, copy.deepcopy(session.model), session.dense_widths(), 100.0, 1)
        enough = checks[0]["accuracy"] - session.spec.accuracy_budget
        for ratio in AUTO_RATIOS:
            mask = mask_at(ratio)
            if reaches(ratio, rebuild(session.model, mask), kept_counts(mask), enough, CHECK_EPOCHS):
                return Chosen(ratio, mask, checks, True)
    return Chosen(ratio, mask, checks, False)
