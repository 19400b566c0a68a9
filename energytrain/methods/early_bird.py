"""The search of Early-Bird methods, by the mask's distance, by the pseudo-prune check, or ended at a given epoch."""

from ..runs.spec import RunSpec
from .phases import DRAW_EPOCH, MaskDistance, Prune, PseudoPrune, Recipe, Train, search_schedule
from .retraining import continued, kept_epochs, retraining


def early_bird_search(spec: RunSpec, structure: str = "channels") -> Train:
    """Dense training with L1 on the BN scales until a ticket is drawn (You et al. 2020, Section 3.3, Algorithm 1)."""
    last, l1 = spec.epochs, spec.l1 if structure == "channels" else 0.0
    if spec.search == "ppr":
        assert spec.ppr_lr is not None and spec.ppr_eps is not None
        check = PseudoPrune(spec.prune_ratio, structure, spec.ppr_lr, spec.ppr_eps, spec.queue)
        return Train("search", 0, last, search_schedule(spec), l1=l1, until=check, keep=kept_epochs(spec))
    rule = spec.distance_rule
    if spec.search == "fixed":
        assert spec.draw_epoch is not None
        last, rule = spec.draw_epoch, "fixed"
    distance = MaskDistance(spec.prune_ratio, spec.eps, spec.queue, rule)
    return Train("search", 0, last, search_schedule(spec), l1=l1, until=distance, keep=kept_epochs(spec))


def after_draw(spec: RunSpec) -> Recipe:
    """Retraining of the ticket: the rest of the schedule from the draw epoch on, unless --retrain says otherwise."""
    return (continued(spec, DRAW_EPOCH),) if spec.retrain == "own" else retraining(spec)


def given_or_drawn(spec: RunSpec, prune: Prune) -> Recipe:
    """The search and the pruning; with a ticket from a file the pruning alone."""
    return (prune,) if spec.ticket is not None else (early_bird_search(spec), prune)
