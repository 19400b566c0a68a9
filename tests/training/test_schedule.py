"""Rates at every epoch of the papers' schedules, warm-up by the step, and schedules compressed."""

import subprocess
import sys

import pytest

from energytrain.errors import UsageError
from energytrain.training.schedule import Schedule


def test_the_early_bird_schedule() -> None:
    schedule = Schedule(0.1, 160, (80, 120))
    rates = [schedule.lr_at(epoch) for epoch in range(160)]
    assert rates[:80] == [0.1] * 80
    assert rates[80:120] == pytest.approx([0.01] * 40)
    assert rates[120:] == pytest.approx([0.001] * 40)


def test_a_milestone_ignores_the_fraction() -> None:
    schedule = Schedule(0.1, 4, (2,))
    assert schedule.lr_at(1, 1.0) == 0.1
    assert schedule.lr_at(2, 0.0) == pytest.approx(0.01)


def test_warm_up_rises_by_the_step_to_the_full_rate() -> None:
    schedule = Schedule(0.4, 90, (30, 60, 80), warmup_epochs=5)
    steps = 4
    rates = [schedule.lr_at(epoch, (step + 1) / steps) for epoch in range(6) for step in range(steps)]
    assert rates[0] == pytest.approx(0.4 / 20)
    assert rates[:20] == pytest.approx([0.4 * (k + 1) / 20 for k in range(20)])
    assert rates[19:] == pytest.approx([0.4] * 5)


def test_a_milestone_named_twice_counts_twice() -> None:
    assert Schedule(1.0, 2, (1, 1)).lr_at(1) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("epochs", "milestones"), [(160, (80, 120)), (97, (49, 73)), (80, (40, 60)), (2, (1, 2)), (1, (1, 1))]
)
def test_compressed_keeps_the_shape(epochs: int, milestones: "tuple[int, ...]") -> None:
    compressed = Schedule(0.1, 160, (80, 120)).compressed(epochs)
    assert (compressed.epochs, compressed.milestones) == (epochs, milestones)
    assert compressed.lr_at(0) == 0.1


def test_compressed_shortens_the_warm_up() -> None:
    assert Schedule(0.4, 90, (30,), warmup_epochs=5).compressed(45).warmup_epochs == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"epochs": -3},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"milestones": (0,)},
        {"milestones": (5, 3)},
        {"warmup_epochs": -1},
    ],
    ids=str,
)
def test_what_trains_nothing_is_refused(wrong: "dict[str, object]") -> None:
    with pytest.raises(UsageError) as caught:
        Schedule(**{"lr": 0.1, "epochs": 10, **wrong})  # type: ignore[arg-type]
    assert caught.value.hint


def test_milestones_from_json_are_the_same_schedule() -> None:
    assert Schedule(0.1, 10, [5]) == Schedule(0.1, 10, (5,))  # type: ignore[arg-type]


def test_a_schedule_needs_no_torch() -> None:
    rooms = "energytrain.training.schedule, energytrain.precision.defaults"
    check = f"import sys, {rooms}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True)
