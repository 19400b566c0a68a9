"""Cost until an accuracy was first reached, from trajectories by hand; and why there is none."""

import pytest

from energytrain.reports.comparing.costs_to import energy_to_accuracy, why_not


def entry(phase, epoch, accuracy, joules):
    return {
        "phase": phase,
        "epoch": epoch,
        "test_accuracy": accuracy,
        "validation_accuracy": None,
        "flops": 10 * (epoch + 1),
        "matrix_flops": 9 * (epoch + 1),
        "flops_by_precision": {"fp32": 10 * (epoch + 1)},
        "seconds": 1.0,
        "energy": {"joules": joules, "low": joules, "high": joules, "provenance": "modelled", "scope": "module"},
    }


def run(*entries, status="done", measure_epochs=None):
    return {
        "status": status,
        "spec": {"measure_epochs": measure_epochs},
        "phases": [
            {"phase": "search", "epochs": 2},
            {"phase": "prune", "epochs": 0},
            {"phase": "retrain", "epochs": 2},
        ],
        "trajectory": None if measure_epochs else list(entries),
    }


ENTRIES = (
    entry("search", 0, 50.0, 1.0),
    entry("search", 1, 72.5, 2.0),
    entry("retrain", 2, 71.0, 3.5),
    entry("retrain", 3, 80.0, 4.0),
)


@pytest.mark.parametrize(
    ("target", "place", "joules"),
    [(0.0, ("search", 1), 1.0), (50.0, ("search", 1), 1.0), (72.0, ("search", 2), 2.0), (80.0, ("retrain", 4), 4.0)],
)
def test_the_first_epoch_that_is_good_enough_with_all_that_was_done_by_then(target, place, joules):
    found = energy_to_accuracy(run(*ENTRIES), target)
    assert (found["phase"], found["epoch"]) == place and found["energy"]["joules"] == joules
    assert found["flops"] == 10 * found["epoch"] and found["test_accuracy"] >= target
    assert why_not(run(*ENTRIES), target) is None


def test_a_network_that_is_judged_after_its_pruning_has_trained_no_further():
    pruned = energy_to_accuracy(run(*ENTRIES[:2], entry("prune", 0, 90.0, 2.5)), 85.0)
    assert (pruned["phase"], pruned["epoch"], pruned["energy"]["joules"]) == ("prune", 2, 2.5)


def test_why_there_is_none():
    assert energy_to_accuracy(run(*ENTRIES), 80.5) is None
    assert why_not(run(*ENTRIES), 80.5) == "never reached: the best epoch has 80.00 %"
    assert "not done" in why_not(run(*ENTRIES, status="interrupted"), 80.5)
    assert why_not(run(measure_epochs=2), 1.0).startswith("unknown: only some epochs")
    assert why_not({**run(), "trajectory": None}, 1.0).startswith("unknown: the marks")
    without = {name: value for name, value in run().items() if name != "trajectory"}
    assert energy_to_accuracy(without, 1.0) is None and why_not(without, 1.0).startswith("unknown: the marks")
    assert why_not(run(entry("search", 0, None, 1.0)), 1.0) == "unknown: no epoch was judged on test data"


def test_a_missing_energy_stays_missing():
    lost = entry("search", 0, 90.0, None)
    assert energy_to_accuracy(run(lost), 80.0)["energy"]["joules"] is None
