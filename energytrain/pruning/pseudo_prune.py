"""When the pseudo-prune-then-retrain check says that a network can be pruned ("The sooner the better", Section 3.3).

After every epoch a copy is pruned, trained for one epoch at a small rate and judged on validation data. Its accuracy
rises while the network still learns what pruning would take from it, and then saturates. The paper draws the curve and
gives no rule for where that is; this one is ours: none of the last `queue` checks was better than the best one before
them by more than `eps`.
"""

from typing import Any, Dict, List, Mapping

from ..errors import UsageError


class PseudoPruneSearch:
    """Collects the accuracies (shares, 0 to 1) of the checks, one an epoch. `epoch` counts them; `drawn`: saturated."""

    def __init__(self, eps: float, queue: int) -> None:
        if not 0.0 <= eps < 1.0 or queue < 1:
            raise UsageError(f"a check cannot saturate by {eps} over {queue} epochs.", "Give for instance 0.005 and 5.")
        self.eps, self.queue = eps, queue
        self.accuracies: List[float] = []

    @property
    def epoch(self) -> int:
        return len(self.accuracies)

    @property
    def drawn(self) -> bool:
        return saturated(self.accuracies, self.eps, self.queue)

    def add(self, accuracy: float) -> bool:
        """Take up the check of an epoch; True once it has saturated."""
        self.accuracies.append(accuracy)
        return self.drawn

    def state_dict(self) -> Dict[str, Any]:
        return {"accuracies": list(self.accuracies)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.accuracies = [float(accuracy) for accuracy in state["accuracies"]]


def saturated(accuracies: List[float], eps: float, queue: int) -> bool:
    """Whether none of the last `queue` accuracies is more than `eps` above the best of those before them.

    >>> saturated([0.3, 0.5, 0.6, 0.602, 0.598], 0.005, 2), saturated([0.3, 0.5, 0.6, 0.61], 0.005, 2)
    (True, False)
    """
    before, last = accuracies[:-queue], accuracies[-queue:]
    return bool(before) and max(last) <= max(before) + eps
