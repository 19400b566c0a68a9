"""The pseudo-prune-then-retrain check of one epoch: what a pruned copy learns in one epoch at a small rate."""

import copy
from typing import Callable, Iterator, Optional

from torch import nn

from ..methods.catalog import search_precision
from ..methods.phase_work import masked_names
from ..methods.phases import PseudoPrune
from ..pruning.masks import bn_scale_mask
from ..pruning.weight_masks import GradientMask, WeightMask, apply_weight_mask, channel_weight_mask, magnitude_mask
from ..training.optimiser import make_sgd
from ..training.schedule import Schedule
from .session import Session


def check(session: Session, rule: PseudoPrune, on_step: Callable[[int], None]) -> float:
    """The validation accuracy (percent) of a copy that is pruned as `rule` says and trained for one epoch.

    The network itself and the random generators stay as they are. The copy keeps its size: what is pruned is held at
    zero, so the check of a ticket of channels costs an epoch of the dense network, too.
    """
    model = copy.deepcopy(session.model)
    mask = _mask(session, rule)
    apply_weight_mask(model, mask)
    with session.undisturbed():
        (accuracy,) = short_training(session, model, 1, on_step, GradientMask(model, mask))
    return accuracy


def short_training(
    session: Session,
    model: nn.Module,
    epochs: int,
    on_step: Callable[[int], None],
    after_backward: Optional[Callable[[], None]] = None,
) -> Iterator[float]:
    """Train `model` in place at the rate `spec.ppr_lr`; after each epoch its validation accuracy in percent.

    It is trained in the search's precision. Momentum begins at 0. Order and augmentation are those of the session's
    next epochs.
    """
    spec, validation = session.spec, session.data.validation
    assert validation is not None and spec.ppr_lr is not None
    optimiser = make_sgd(model, spec.ppr_lr, spec.momentum, spec.weight_decay, spec.nesterov)
    next_epoch, precision = session.draw_epoch or session.epoch or 0, search_precision(spec)
    for epoch in range(epochs):
        session.train_epoch(
            model,
            optimiser,
            Schedule(spec.ppr_lr, epochs),
            epoch,
            order="check",
            precision=precision,
            data_epoch=next_epoch + epoch,
            after_backward=after_backward,
            on_step=on_step,
        )
        yield 100 * session.evaluate(model, validation, precision).accuracy


def _mask(session: Session, rule: PseudoPrune) -> WeightMask:
    model = session.model
    if rule.structure == "channels":
        return channel_weight_mask(model, bn_scale_mask(model, rule.prune_ratio))
    return magnitude_mask(model, rule.prune_ratio, masked_names(model, "magnitude", session.spec.skip_ends))
