"""Ends a run before the epoch that would not fit into its budget of joules or seconds.

A budget in joules also ends a run whose joules go missing: nobody could tell any more whether it is kept.
"""

import time
from typing import Tuple

from ..energy.traces import clocks
from ..errors import UsageError
from ..runs.folder import RunFolder
from ..runs.result import run_result
from .live import LiveCost
from .settings import Budget

# A read that failed, or a recorder not heard for a while, is made good by the next status, which comes once a second.
PATIENCE_SECONDS = 3.0
LOOK_SECONDS = 0.1


class BudgetReached(Exception):
    """The next epoch would not fit into the budget; the text is for the user."""

    def __init__(self, text: str = "the budget is reached; the same command with a larger --budget continues.") -> None:
        super().__init__(text)


def spent_before(folder: RunFolder) -> Budget:
    """What earlier attempts spent; joules are None where they are not known."""
    if not folder.events.exists():
        return Budget(joules=0.0, seconds=0.0)
    row = run_result(folder.path)["spent"]
    return Budget(joules=row["energy"]["joules"], seconds=row["seconds"])


class Guard:
    """Watches over the budget of one attempt; an epoch is taken to cost what the last did.

    spent: before this attempt. UsageError where the budget is in joules and those that were spent are not known.
    """

    def __init__(self, budget: Budget, spent: Budget, live: LiveCost, epochs_before: int) -> None:
        if budget.joules is not None and spent.joules is None:
            raise UsageError(
                "a budget in joules cannot be kept: those that this run has spent so far are missing.",
                "Give the budget as a time, such as 2h, or --fresh to start again.",
            )
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
        if last:
            return
        seconds, joules = self._so_far()
        over_time = self.budget.seconds is not None and 2 * seconds - self.last_seconds > self.budget.seconds
        over_energy = self.budget.joules is not None and 2 * joules - self.last_joules > self.budget.joules
        self.last_seconds, self.last_joules = seconds, joules
        if over_time or over_energy:
            raise BudgetReached

    def _so_far(self) -> Tuple[float, float]:
        seconds = self.seconds_before + (clocks.monotonic_ns() - self.started) / 1e9
        return seconds, self.joules_before if self.budget.joules is None else self.joules_before + self._live_joules()

    def _live_joules(self) -> float:
        """Of this attempt so far. BudgetReached where they are missing: what nobody counts may be any amount."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            joules = self.live.now()[1]
            if joules is not None:
                return joules
            if time.monotonic() >= give_up:
                raise BudgetReached(
                    "joules of this run went missing, so that its budget in joules cannot be kept: it ends here. "
                    "The same command continues it, with the budget as a time where they stay missing."
                )
            time.sleep(LOOK_SECONDS)
