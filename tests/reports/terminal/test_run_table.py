"""The table of a run, read back from what a person would see."""

import io
import re

import pytest
from execution.small import run_small
from reports.emulated import four
from rich.console import Console

from energytrain.reports.tables.as_terminal import as_terminal
from energytrain.reports.tables.comparison_form import comparison_sheet
from energytrain.reports.terminal.run_table import render_run


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return run_small(tmp_path_factory.mktemp("runs"), method="eb-ff", name="[bold]run").result


def shown(renderable, width=130):
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


def test_a_run_s_table_says_what_it_cost_and_bought(result):
    text = shown(render_run(result))
    for row in ("search", "prune", "retrain", "useful", "evaluate", "overhead", "spent in all", "dense instead"):
        assert f"\n {row} " in text, row
    assert "[bold]run" in text, "a run's name is text, not markup"
    assert f"test accuracy: {result['accuracy']['test']:.2f} %" in text
    assert "drawn after epoch 2" in text and "against dense training: 0." in text
    assert "modelled" in text and " to " in text
    assert "lost" not in text, "a run that was never killed lost nothing"


def test_a_device_that_is_not_here_cannot_be_missed(result):
    text = shown(render_run({**result, "device": {**result["device"], "name": "tx2", "here": False}}))
    assert "energy MODELLED for tx2" in text and "These joules were not measured" in text


def test_a_missing_energy_is_said_and_its_problem_named(result):
    missing = {**result["useful"]["energy"], "joules": None, "provenance": "missing", "reason": "gone"}
    broken = {
        **result,
        "headline": "measured",
        "useful": {**result["useful"], "energy": missing},
        "problems": ["phase 'retrain' has no measured energy: gone"],
    }
    text = shown(render_run(broken))
    assert "missing" in text and "incomplete: phase 'retrain' has no measured energy" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_narrow_terminals_lose_no_figure(result, width):
    text = "".join(shown(render_run(result), width).split())
    assert f"{result['accuracy']['test']:.2f}%" in text
    assert "…" not in text


def test_runs_side_by_side_have_a_row_each(result):
    sheet = comparison_sheet([result, {**result, "name": "other", "status": "interrupted"}])
    text = shown(as_terminal(sheet, 220), 220)
    assert "[bold]run" in text and "other" in text and "interrupted" in text


def test_a_run_in_one_precision_names_it_in_its_heading(result):
    text = shown(render_run(result))
    heading = text[: text.index("search")]
    assert "FLOPs," in heading and "fp32" in heading and "fp32" not in text[len(heading) :]
    assert "paper's count" not in text


@pytest.mark.parametrize("width", [80, 160])
def test_flops_stand_apart_by_precision_beside_the_paper_s_count(width):
    _, full, lower, lowest = four()
    assert "paper's count" not in shown(render_run(full), width)
    for found, emulated in ((lower, ("search",)), (lowest, ("search", "retrain"))):
        text = " ".join(shown(render_run(found), width).split())
        assert "FLOPs by paper's count" in text, "a ratio of unlike precisions is of that count"
        useful = found["useful"]
        share = useful["matrix_flops"] / found["dense"]["matrix_flops"]
        assert f"against dense training: {share:.2f} x its FLOPs by paper's count" in text
        assert text.count("bfp8") == len(emulated) + 2, "each such phase, useful, spent in all"
        # "energy WHAT-IF" in the title; each such phase, useful and spent in all; the ratio; the figures below.
        assert "energy WHAT-IF for tx2" in text and text.count("what-if,") == len(emulated) + 2
        assert re.search(r"x its energy \([^)]*, what-if\)", text)


def test_a_search_that_ran_elsewhere_tells_its_precisions_apart(result):
    there = {
        "run": "early",
        "device": "tx2",
        "host": "board",
        "flops": 5_002_000_000_000,
        "flops_by_precision": {"fp32": 2_000_000_000, "bfp8": 5_000_000_000_000},
        "energy": result["useful"]["energy"],
    }
    told = {**result, "ticket": {**result["ticket"], "elsewhere": there}}
    assert "2 GFLOPs in fp32 and 5 TFLOPs in bfp8" in shown(render_run(told))
    del there["flops_by_precision"]
    assert "5 TFLOPs, " in shown(render_run(told)), "results of earlier runs have the sum alone"
