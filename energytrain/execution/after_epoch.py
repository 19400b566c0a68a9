"""What some methods do to the weights after an epoch: soft filter pruning, and the next step of a gradual one."""

from typing import List

import torch

from ..costs.pruning_work import ranking_work
from ..methods.phase_work import masked_names
from ..methods.phases import Gradual
from ..pruning.gradual import sparsity_at
from ..pruning.soft import soft_mask, zero_filters
from ..pruning.weight_masks import magnitude_mask
from ..quantities.ledger import Work
from .session import Session


def zero_softly(session: Session, ratio: float) -> None:
    """Set the weakest filters of each layer to zero; they may grow back (He et al. 2018, Section 3.2)."""
    zero_filters(session.model, soft_mask(session.model, ratio))


def start_gradual(session: Session, pruning: Gradual) -> None:
    """Begin with nothing masked, so that every step of the window costs the same."""
    weights = dict(session.model.named_parameters())
    names = masked_names(session.model, "magnitude", pruning.skip_ends)
    session.weight_mask = {name: torch.ones(weights[name].shape, dtype=torch.bool) for name in names}


def prune_gradually(session: Session, pruning: Gradual, epoch: int, epochs: int) -> List[Work]:
    """The pruning that is due after `epoch` (from 0) of a window of `epochs`, and what choosing it costs.

    The n prunings are spread evenly; the last one comes after the window's last epoch.
    """
    due = (epoch + 1) * pruning.steps // epochs
    if due == epoch * pruning.steps // epochs:
        return []
    ratio = sparsity_at(due, pruning.steps, pruning.prune_ratio)
    assert session.weight_mask is not None
    names = tuple(session.weight_mask)
    session.hold_weights(magnitude_mask(session.model, ratio, names, within=session.weight_mask))
    return [((ranking_work(sum(part.numel() for part in session.weight_mask.values())),), 0, 1)]
