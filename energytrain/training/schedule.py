"""The learning rate as a pure function of progress: steps down at milestones, and a linear warm-up. Knows no torch."""

import math
from dataclasses import dataclass
from typing import Tuple

from ..errors import UsageError


@dataclass(frozen=True)
class Schedule:
    """A step schedule over `epochs` epochs.

    lr: the rate before the first milestone, reached at the end of the warm-up.
    milestones: epochs at whose beginning the rate is multiplied by `gamma`; one named twice counts twice.
    warmup_epochs: over these the rate rises linearly, step by step, to `lr` (gradual warm-up, Goyal et al. 2017,
        Section 2.2, begun at 0).

    >>> schedule = Schedule(0.1, 160, (80, 120))
    >>> [round(schedule.lr_at(epoch), 6) for epoch in (0, 79, 80, 120)]
    [0.1, 0.1, 0.01, 0.001]
    """

    lr: float
    epochs: int
    milestones: Tuple[int, ...] = ()
    gamma: float = 0.1
    warmup_epochs: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "milestones", tuple(self.milestones))
        if self.epochs < 1:
            raise UsageError(f"a training of {self.epochs} epochs trains nothing.", "Give --epochs 1 or more.")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise UsageError(f"a learning rate of {self.lr} trains nothing.", "Give --lr a number above 0.")
        if any(milestone < 1 for milestone in self.milestones):
            raise UsageError(
                f"the rate cannot drop at epoch {min(self.milestones)}.", "Milestones are counted from epoch 1 on."
            )
        if list(self.milestones) != sorted(self.milestones):
            raise UsageError(f"the milestones {list(self.milestones)} are not in order.", "Give them in rising order.")
        if self.warmup_epochs < 0:
            raise UsageError(f"a warm-up of {self.warmup_epochs} epochs does not exist.", "Give 0 or more.")

    def lr_at(self, epoch: int, fraction: float = 0.0) -> float:
        """The rate in `epoch` (from 0), of which `fraction` (0 to 1) is done.

        The loop asks with the fraction that its step completes, so that no step is taken at rate 0 and the last step
        of the warm-up has the full rate. Milestones belong to whole epochs and ignore the fraction.
        """
        passed = sum(1 for milestone in self.milestones if epoch >= milestone)
        rate = self.lr * self.gamma**passed
        if epoch < self.warmup_epochs:
            rate *= (epoch + fraction) / self.warmup_epochs
        return rate

    def compressed(self, epochs: int) -> "Schedule":
        """The same shape over another number of epochs: milestones and warm-up keep their share, rounded half up.

        No milestone comes before epoch 1, so that the first epoch always has the starting rate.

        >>> Schedule(0.1, 160, (80, 120)).compressed(97)
        Schedule(lr=0.1, epochs=97, milestones=(49, 73), gamma=0.1, warmup_epochs=0)
        """

        def share(count: int) -> int:
            return (2 * count * epochs + self.epochs) // (2 * self.epochs)

        milestones = tuple(max(1, share(milestone)) for milestone in self.milestones)
        return Schedule(self.lr, epochs, milestones, self.gamma, share(self.warmup_epochs))
