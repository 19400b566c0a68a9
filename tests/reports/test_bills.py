"""Runs on a paper's bill: which of a result's numbers go on it, and that nobody takes it for what was run."""

import io
import json

import pytest
from click.testing import CliRunner
from execution.small import run_small
from rich.console import Console

from energytrain.cli.report import command
from energytrain.reports.bills import bill_lines, billed
from energytrain.reports.tables.as_terminal import as_terminal
from energytrain.reports.tables.comparison_form import comparison_sheet

IMAGES, DENSE, PRUNED = 101, 1009, 307


def phase(name, epochs, planned=None):
    """A phase of whole epochs; with `planned`, one that was extrapolated to so many."""
    return {
        "phase": name,
        "epochs": epochs,
        "planned_epochs": planned,
        "extrapolated": planned is not None,
        "images": IMAGES * (epochs if planned is None else planned),
    }


def result(method, *phases, pruned=PRUNED, **spec):
    return {
        "name": "a-run",
        "status": "done",
        "spec": {"method": method, "epochs": 160, "ticket": None, **spec},
        "phases": list(phases),
        "ticket": None,
        "network": {"before": {"macs": DENSE}, "after": {"macs": pruned}},
        "useful": {"flops_by_precision": {"fp32": 12345, "bfp8": 67890}},
    }


def by_hand(dense_epochs, pruned_epochs=0):
    return IMAGES * 3 * 2 * (DENSE * dense_epochs + PRUNED * pruned_epochs)


@pytest.mark.parametrize(
    "run, bill, expected",
    [
        (result("dense", phase("train", 160), pruned=DENSE), "eb-paper", by_hand(160)),
        (result("dense-short", phase("train", 91), epochs=91, pruned=DENSE), "eb-paper", by_hand(91)),
        (result("eb-ff", phase("search", 23), phase("prune", 0), phase("retrain", 137)), "eb-paper", by_hand(23, 137)),
        (result("eb-ff", phase("search", 160), phase("prune", 0)), "eb-paper", by_hand(160)),
        (result("eb-reinit", phase("search", 23), phase("retrain", 160)), "own-paper", by_hand(23, 160)),
        (result("eb-ff", phase("search", 2, 20), phase("retrain", 2, 140)), "eb-paper", by_hand(20, 140)),
        (result("lt", phase("train", 160), phase("retrain", 160), pruned=DENSE), "eb-paper", by_hand(320)),
        (
            result("lt-iterative", phase("train", 160), *(phase(f"retrain-{n}", 150) for n in (1, 2, 3)), rounds=3),
            "own-paper",
            by_hand(160 + 3 * 150),
        ),
        (result("lt", phase("train", 40), phase("retrain", 160)), "eb-paper", by_hand(40 + 160)),
        (result("snip", phase("prune", 0), phase("train", 160), pruned=DENSE), "eb-paper", by_hand(160)),
        (result("ns", phase("train", 160), phase("prune", 0), phase("retrain", 160)), "eb-paper", by_hand(160, 160)),
        (result("thinet", phase("train", 160), phase("retrain", 40)), "own-paper", by_hand(0, 40)),
        (result("sfp", phase("train", 160), phase("prune", 0)), "eb-paper", by_hand(160, 160)),
        (result("sfp", phase("train", 160), phase("prune", 0)), "own-paper", by_hand(160)),
        (result("l1-filters", phase("train", 160), phase("retrain", 40)), "own-paper", by_hand(160, 40)),
        (
            result("early-gradual", phase("search", 90), phase("gradual", 50), phase("retrain", 200), search="ppr"),
            "own-paper",
            by_hand(90 + 50 + 200),
        ),
    ],
)
def test_a_run_s_own_epochs_go_on_the_bill(run, bill, expected):
    assert billed(run, bill).flops == expected


def test_as_run_a_line_tells_precisions_apart():
    lines = bill_lines([result("eb-ll", phase("search", 23), phase("retrain", 137))], "eb-paper")
    assert "(as run: 12.35 kFLOPs in fp32 and 67.89 kFLOPs in bfp8)" in lines[1]
    assert "a multiply-add in 8 bits as one in fp32" in lines[0]


def test_the_search_of_a_given_ticket_is_billed_though_it_ran_elsewhere():
    run = {**result("eb-ff", phase("retrain", 140), ticket="0" * 64), "ticket": {"draw_epoch": 20}}
    assert billed(run, "eb-paper").flops == by_hand(20, 140)
    assert billed({**run, "ticket": {"draw_epoch": None}}, "eb-paper").flops is None


@pytest.mark.parametrize(
    "run, words",
    [
        ({**result("dense", phase("train", 3)), "status": "interrupted"}, "not finished"),
        (result("eb-ff", phase("search", 20), phase("retrain", 140), search="ppr"), "pseudo-prune"),
        (result("snip", phase("train", 160), structured=True), "no channels"),
        (result("eb-ff", phase("search", 20), phase("retrain", 140), accuracy_budget=0.5), "pruning ratio"),
        (result("ns", phase("train", 160), phase("retrain-1", 10), phase("retrain-2", 10), rounds=2), "several rounds"),
        ({**result("dense", phase("train", 3)), "network": {"before": None, "after": None}}, "does not say"),
    ],
)
def test_a_run_that_no_paper_bills_has_a_reason_and_no_figure(run, words):
    for bill in ("eb-paper", "own-paper"):
        assert billed(run, bill).flops is None and words in billed(run, bill).rule
        assert "none, " in bill_lines([run], bill)[-1] and words in bill_lines([run], bill)[-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    run_small(runs, method="eb-ff", name="early")
    run_small(runs, method="dense", name="whole", epochs=2)
    return runs


def _report(*arguments):
    done = CliRunner().invoke(command, list(arguments), standalone_mode=False)
    assert done.exception is None, done.exception
    return done.output


def test_a_real_run_s_bill_is_its_networks_times_its_epochs(folder):
    (run,) = json.loads(_report(str(folder / "early"), "--bill", "eb-paper", "--json"))
    search, retrain = (next(p["epochs"] for p in run["phases"] if p["phase"] == name) for name in ("search", "retrain"))
    dense, pruned = run["network"]["before"]["macs"], run["network"]["after"]["macs"]
    assert search + retrain == 6 and pruned < dense
    images = next(p["images"] for p in run["phases"] if p["phase"] == "search") // search
    assert run["billed"] == {
        "bill": "eb-paper",
        "flops": images * 6 * (dense * search + pruned * retrain),
        "rule": f"{search} epochs dense + {retrain} epochs pruned",
    }
    # Three forward passes for one of training: a little more than what is done, as the first layer passes nothing back.
    assert 1.0 < run["billed"]["flops"] / sum(p["matrix_flops"] for p in run["phases"]) < 1.1
    (plain,) = json.loads(_report(str(folder / "early"), "--json"))
    assert plain == {name: value for name, value in run.items() if name != "billed"}


def test_a_table_with_a_bill_says_so_in_its_column_and_below(folder):
    runs = json.loads(_report(str(folder), "--json"))
    console = Console(file=io.StringIO(), width=400)
    console.print(as_terminal(comparison_sheet(runs, "own-paper"), 400))
    console.print(as_terminal(comparison_sheet(runs), 400))
    billed_table, plain = (
        console.file.getvalue().split("FLOPs on its own paper's bill, not as run")[1].split("draw epoch")
    )
    assert "useful FLOPs" not in billed_table and "useful FLOPs" in plain
    text = " ".join(_report(str(folder), "--bill", "own-paper").split())
    assert "FLOPs on its own paper's bill: images x 3" in text and "not what was run" in text
    assert "early: " in text and "whole: " in text and "2 epochs dense" in text and "(as run: " in text
    assert "bill" not in _report(str(folder))


def test_one_run_s_table_is_as_run_and_the_bill_stands_below(folder):
    plain, with_bill = _report(str(folder / "early")), _report(str(folder / "early"), "--bill", "eb-paper")
    assert with_bill.startswith(plain.rstrip("\n"))
    assert "FLOPs on the Early-Bird paper's bill" in " ".join(with_bill[len(plain.rstrip()) :].split())
