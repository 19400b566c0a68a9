"""What a run is said to cost in all while it goes: the arithmetic, and whole runs whose totals it must reach over."""

import pytest
from execution.small import SMALL, Recorder

from energytrain.cli.progress import epoch_line
from energytrain.execution.outlook import Left, Outlook, outlook
from energytrain.execution.resolve import resolve
from energytrain.execution.run import execute
from energytrain.methods.network import data_info, dense_network


def test_epochs_that_are_left_cost_what_finished_ones_did():
    ways = [[Left("train", 3, 7.0)]]
    assert outlook(20.0, {"train": [9.0, 11.0]}, {"train": 7.0}, ways) == Outlook(20.0 + 27.0, 20.0 + 33.0)


def test_a_phase_that_was_not_begun_is_scaled_from_the_plan():
    seen, planned = {"search": [10.0]}, {"search": 4.0, "prune": 2.0, "retrain": 1.0}
    # Joules are 2.5 times the plan's: 5 of the pruning, 2.5 an epoch of retraining.
    early = [Left("prune", 0, 2.0), Left("retrain", 8, 1.0)]
    late = [Left("search", 6, 4.0), Left("prune", 0, 2.0), Left("retrain", 2, 1.0)]
    assert outlook(10.0, seen, planned, [early, late]) == Outlook(10.0 + 5.0 + 20.0, 10.0 + 60.0 + 5.0 + 5.0)


def test_nothing_seen_nothing_told():
    assert outlook(0.0, {}, {"search": 1.0}, [[Left("search", 1, 1.0)]]) is None


def reports(tmp_path, **options):
    spec, settings = resolve({**SMALL, "limit": 128, "runs_dir": str(tmp_path), **options})
    recorder = Recorder()
    outcome = execute(spec, settings, recorder)
    return outcome.result, recorder.epochs


def test_a_dense_run_knows_its_cost_after_one_epoch(tmp_path):
    result, epochs = reports(tmp_path, method="dense", epochs=4)
    spent = result["useful"]["modelled"]["joules"] + result["evaluation"]["modelled"]["joules"]
    for report in epochs:
        assert report.outlook.low == pytest.approx(spent) == pytest.approx(report.outlook.high)
    assert epoch_line(epochs[0]).endswith("modelled") and "in all" in epoch_line(epochs[0])


def test_while_a_search_is_open_the_range_reaches_over_its_draws(tmp_path):
    result, epochs = reports(tmp_path, method="eb-ff", epochs=6, eps=0.3, queue=2)
    spent = result["useful"]["modelled"]["joules"] + result["evaluation"]["modelled"]["joules"]
    drawn = result["ticket"]["draw_epoch"]
    searching = [report for report in epochs if report.phase == "search"]
    assert len(searching) == drawn < 6
    widths = [report.outlook.high - report.outlook.low for report in epochs]
    assert widths[0] > 0 and widths == sorted(widths, reverse=True)
    assert widths[drawn - 1 :] == pytest.approx([0.0] * (6 - drawn + 1), abs=1e-9)
    # The channels that a ticket keeps are assumed until it is trained; from then on all is known.
    assert epochs[-1].outlook.high == pytest.approx(epochs[-1].joules) == pytest.approx(spent, rel=0.01)
    assert epochs[0].outlook.low * 0.8 < spent < epochs[0].outlook.high * 1.2


def test_no_outlook_from_epochs_in_eight_bits_on_those_in_fp32(tmp_path):
    _, epochs = reports(tmp_path, method="eb-lf", epochs=3)
    assert [report.outlook is None for report in epochs if report.phase == "search"] == [True] * 2
    assert all(report.outlook is not None for report in epochs if report.phase == "retrain")


def test_looking_ahead_draws_no_random_number(tmp_path):
    import torch

    from energytrain.execution.prospect import Prospect

    spec, _ = resolve({**SMALL, "method": "eb-ff", "runs_dir": str(tmp_path)})
    data = data_info(spec, None)
    torch.manual_seed(0)
    first = dense_network(spec, data).state_dict()
    torch.manual_seed(0)
    prospect = Prospect(spec, data, None, None, 0.0)
    prospect.begins(0.0)
    assert prospect.epoch(0, 1, None, 5.0) is not None
    again = dense_network(spec, data).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.items())
