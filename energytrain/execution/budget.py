"""Ends a run before the epoch that would not fit into its budget of joules or seconds."""

from typing import Tuple

from ..energy.traces import clocks
from ..runs.folder import RunFolder
from ..runs.result import run_result
from .live import LiveCost
from .settings import Budget


class BudgetReached(Exception):
    """The next epoch would not fit into the budget."""


def spent_before(folder: RunFolder) -> Budget:
    """What earlier attempts spent."""
    if not folder.events.exists():
        return Budget()
    row = run_result(folder.path)["spent"]
    return Budget(joules=row["energy"]["joules"], seconds=row["seconds"])


class Guard:
    """Watches over the budget of one attempt; an epoch is taken to cost what the last did."""

    def __init__(self, budget: Budget, spent: Budget, live: LiveCost, epochs_before: int) -> None:
        self.budget = budget
        self.epochs_before = epochs_before
        self.live = live
        self.seconds_before = spent.seconds or 0.0
        self.joules_before = spent.joules or 0.0
        self.started = clocks.monotonic_ns()
        self.last_seconds = self.seconds_before
        self.last_joules = self.joules_before

    def before_first_epoch(self) -> None:
        """A run that was continued stops at once where one more epoch, at the average so far, would not fit."""
        share = 1 + 1 / self.epochs_before if self.epochs_before else 1
        over_time = self.budget.seconds is not None and share * self.seconds_before > self.budget.seconds
        over_energy = self.budget.joules is not None and share * self.joules_before > self.budget.joules
        if over_time or over_energy:
            raise BudgetReached

    def first_epoch_begins(self) -> None:
        """What the attempt has cost up to here is spent, but is no part of an epoch."""
        self.last_seconds, self.last_joules = self._so_far()

    def after_epoch(self, last: bool) -> None:
        """last: whether no phase is left, so that there is nothing to stop."""
        seconds, joules = self._so_far()
        over_time = self.budget.seconds is not None and 2 * seconds - self.last_seconds > self.budget.seconds
        over_energy = self.budget.joules is not None and 2 * joules - self.last_joules > self.budget.joules
        self.last_seconds, self.last_joules = seconds, joules
        if (over_time or over_energy) and not last:
            raise BudgetReached

    def _so_far(self) -> Tuple[float, float]:
        seconds = self.seconds_before + (clocks.monotonic_ns() - self.started) / 1e9
        return seconds, self.joules_before + (self.live.now()[1] or 0.0)
