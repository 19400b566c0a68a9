"""The budget's guard on a clock and a meter that the test moves."""

import pytest

from energytrain.energy.traces import clocks
from energytrain.execution.budget import BudgetReached, Guard
from energytrain.execution.settings import Budget

NOTHING = Budget()


class Bench:
    """Time, and the joules of the attempt so far, at 100 W."""

    def __init__(self, monkeypatch):
        self.seconds = 0.0
        monkeypatch.setattr(clocks, "monotonic_ns", lambda: int((1000.0 + self.seconds) * 1e9))

    def now(self):
        return 100.0, 100.0 * self.seconds, "measured"


@pytest.fixture
def bench(monkeypatch):
    return Bench(monkeypatch)


def epochs_that_fit(bench, budget, baseline, spent=NOTHING, epochs_before=0):
    """How many epochs of 10 s are done of 20."""
    guard = Guard(budget, spent, bench, epochs_before)
    try:
        guard.before_first_epoch()
        bench.seconds += baseline
        guard.first_epoch_begins()
        for done in range(1, 21):
            bench.seconds += 10.0
            guard.after_epoch(last=done == 20)
    except BudgetReached:
        return int((bench.seconds - baseline) / 10.0 + 1e-6)
    return 20


@pytest.mark.parametrize("budget", [Budget(seconds=65.0), Budget(joules=6500.0)], ids=["time", "energy"])
def test_the_epoch_that_would_not_fit_is_not_begun(bench, budget):
    assert epochs_that_fit(bench, budget, baseline=0.0) == 6


@pytest.mark.parametrize("budget", [Budget(seconds=65.0), Budget(joules=6500.0)], ids=["time", "energy"])
def test_a_baseline_is_spent_and_no_part_of_an_epoch(bench, budget):
    """Of 65 s a baseline of 30 leaves room for three epochs; taken for a part of the first one, for one."""
    assert epochs_that_fit(bench, budget, baseline=30.0) == 3


def test_a_continued_run_that_has_no_room_for_an_epoch_takes_no_baseline(bench):
    spent = Budget(joules=6000.0, seconds=60.0)
    epochs_that_fit(bench, Budget(seconds=65.0), 30.0, spent, epochs_before=6)
    assert bench.seconds == 0.0
    assert epochs_that_fit(bench, Budget(seconds=100.0), 0.0, spent, epochs_before=6) == 4


def test_the_last_epoch_is_never_too_much(bench):
    assert epochs_that_fit(bench, Budget(seconds=200.0), 0.0) == 20
