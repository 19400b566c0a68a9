"""The budget's guard on a clock and a meter that the test moves, and on a real recorder that the test ends."""

import os
import signal
import time

import pytest

from energytrain.devices.setup import load_setup
from energytrain.energy.traces import clocks
from energytrain.errors import UsageError
from energytrain.execution import budget as budgets
from energytrain.execution.budget import BudgetReached, Guard
from energytrain.execution.live import LiveCost
from energytrain.execution.metering import Metering
from energytrain.execution.resolve import resolve
from energytrain.execution.settings import Budget

NOTHING = Budget(joules=0.0, seconds=0.0)
PLENTY = Budget(joules=1e9)


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


@pytest.fixture
def metered(fake_nvml, tmp_path, monkeypatch):
    """A run's meters over a fake GPU of 200 W, as an attempt has them."""
    monkeypatch.setattr(budgets, "PATIENCE_SECONDS", 2.0)
    fake_nvml.set(update_ms=20)
    spec, _ = resolve({"device": "generic-cpu", "compute": "cpu", "meter": ("nvml",)})
    metering = Metering.start(spec, load_setup("generic-cpu"), True, tmp_path / "1-host.arrows", 1)
    assert metering.primary == ("nvml:0",)
    yield metering
    metering.stop()


def guard_of(metering, budget):
    guard = Guard(budget, NOTHING, LiveCost(metering, None, here=True), 0)
    guard.before_first_epoch()
    guard.first_epoch_begins()
    guard.after_epoch(last=False)
    return guard


def ends(guard):
    try:
        guard.after_epoch(last=False)
    except BudgetReached as end:
        return str(end)
    return None


def until(seen):
    """Waits until what the recorder tells, once a second, has been taken up."""
    give_up = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_a_recorder_that_dies_ends_a_budget_in_joules_and_no_other(metered):
    in_joules, in_seconds = guard_of(metered, PLENTY), guard_of(metered, Budget(seconds=1e9))
    until(lambda: ends(in_joules) is None and in_joules.last_joules > 0)
    os.kill(metered.pid, signal.SIGKILL)
    until(lambda: not metered.recorder.alive)
    assert "went missing" in ends(in_joules) and ends(in_seconds) is None
    in_joules.after_epoch(last=True)


def test_a_gpu_that_is_lost_ends_a_budget_in_joules(metered, fake_nvml):
    guard = guard_of(metered, PLENTY)
    fake_nvml.lose_gpu()
    until(lambda: "went missing" in (ends(guard) or ""))


def test_a_read_that_failed_is_waited_for(bench, monkeypatch):
    monkeypatch.setattr(budgets, "LOOK_SECONDS", 0.001)
    answers = [None, None, 700.0]
    monkeypatch.setattr(bench, "now", lambda: (None, answers.pop(0), "measured"))
    guard = Guard(PLENTY, NOTHING, bench, 0)
    guard.first_epoch_begins()
    assert guard.last_joules == 700.0 and answers == []


def test_what_was_spent_and_is_missing_is_not_taken_for_nothing(bench):
    with pytest.raises(UsageError, match="are missing"):
        Guard(PLENTY, Budget(seconds=60.0), bench, 6)
    assert Guard(Budget(seconds=65.0), Budget(seconds=60.0), bench, 6).seconds_before == 60.0
