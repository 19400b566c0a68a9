"""What a phase does to the gradients of every step, between the backward pass and the update."""

from typing import Callable, List, Optional

from ..methods.phases import Train
from ..pruning.early_bird import EarlyBird
from ..pruning.weight_masks import GradientMask
from .session import Session


def after_backward(session: Session, phase: Train) -> Optional[Callable[[], None]]:
    """What happens to the gradients of every step: the L1 penalty, the mask."""
    actions: List[Callable[[], None]] = []
    if phase.l1 > 0:
        watching = isinstance(session.search, EarlyBird) and session.search.l1 == phase.l1
        penalty = session.search if watching else EarlyBird(session.model, l1=phase.l1)
        assert isinstance(penalty, EarlyBird)
        actions.append(penalty.penalise)
    if session.weight_mask is not None:
        actions.append(GradientMask(session.model, session.weight_mask))
    if len(actions) < 2:
        return actions[0] if actions else None

    def both() -> None:
        for action in actions:
            action()

    return both
