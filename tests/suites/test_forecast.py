"""What a suite is said to take, against independent counts and against runs that were really trained."""

import dataclasses

import pytest
from execution.small import SMALL, run_small
from suites.making import runs_of

from energytrain.costs.bill import network_bill
from energytrain.models.catalog import build
from energytrain.planning.account import planned_rows, useful_row
from energytrain.planning.estimate import Found
from energytrain.planning.planner import Planner
from energytrain.runs.machine import commit_of_package, machine_facts, versions
from energytrain.runs.result import profile_of
from energytrain.suites.decision import decide
from energytrain.suites.forecast import forecasts, sum_of
from energytrain.suites.jobs import Job, standings_of
from energytrain.suites.resolving import Answer, Answers

EPOCHS, IMAGES, BATCH = 8, 256, 64
ASSUMED = "every layer loses 0.5 of its channels and the search ends after epoch 1"
OPTIONS = {**SMALL, "width": 0.125, "limit": IMAGES, "batch_size": BATCH, "epochs": EPOCHS, "l1": 0.0}


def vgg(width):
    return build("vgg16", classes=10, channels=1, size=16, width=width)


TEXT = "matrix: [{method: [dense, eb-ff, eb-reinit], seed: [0, 1]}, {method: small-dense, like: eb-ff, seed: [0, 1]}]"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The forecasts of a suite of which dense and eb-ff of seed 0 are done; the results of those."""
    folder = tmp_path_factory.mktemp("suite")
    runs_dir = folder / "runs"
    done = {
        name: run_small(runs_dir, **{**OPTIONS, "epochs": 2, "method": method, "name": name}).result
        for name, method in (("dense-s0", "dense"), ("eb-ff-s0", "eb-ff"))
    }
    jobs, answers = [], {}
    for run in runs_of(folder, TEXT):
        options = {**OPTIONS, "epochs": 2, "method": run.options["method"], "seed": run.seed}
        jobs.append(Job(run, (), options))
        known = done.get(run.name)
        answers[run.name] = Answer(
            None if known is None else known["spec"],
            None if known is None else known["identity"],
            commit_of_package(),
            versions(),
            machine_facts(),
        )
    answers["small-dense-s0"] = dataclasses.replace(answers["small-dense-s0"], spec={}, identity="x")
    standings = standings_of(jobs, Answers(answers, 5.0), runs_dir)
    decisions = {name: decide(stands, False, False) for name, stands in standings.items()}
    rows = forecasts(jobs, Answers(answers, 5.0), standings, decisions, runs_dir)
    return {row.run: row for row in rows}, done, rows


def test_what_is_done_is_not_in_the_sum_and_the_rest_says_how_it_was_made(told):
    by_name, done, rows = told
    assert by_name["dense-s0"].do == "skip" and by_name["dense-s0"].flops is None
    assert {row.run: row.flops.source for row in rows if row.flops is not None} == {
        "dense-s1": "as in dense-s0",
        "eb-ff-s1": "as in eb-ff-s0",
        "eb-reinit-s0": f"planned, assuming that {ASSUMED}",
        "eb-reinit-s1": f"planned, assuming that {ASSUMED}",
        "small-dense-s0": "planned",
        "small-dense-s1": f"planned, assuming that {ASSUMED}",
    }
    assert by_name["eb-reinit-s0"].seconds.source == "by FLOPs of 2 runs that are done"
    assert by_name["small-dense-s1"].seconds.source == "a few steps timed here"
    assert by_name["small-dense-s1"].joules.source == "the profile of generic-cpu"
    whole = sum_of(rows)
    assert whole.runs == 6 and whole.without_joules == whole.without_seconds == 0
    assert whole.joules == {"modelled": pytest.approx(sum(row.joules.value for row in rows if row.joules))}


def test_a_run_under_another_seed_tells_what_the_next_takes(told):
    by_name, done, _ = told
    for method in ("dense", "eb-ff"):
        row, result = by_name[f"{method}-s1"], done[f"{method}-s0"]
        assert row.flops.value == result["useful"]["flops"]
        assert row.seconds.value >= result["spent"]["seconds"] + 5.0, "and what the start of a process takes"
        assert row.joules.value == pytest.approx(result["useful"]["energy"]["joules"])
        assert row.joules.provenance == "modelled"


def test_what_is_forecast_by_the_profile_is_what_the_run_is_modelled_to_use(told):
    by_name, _, _ = told
    planner = Planner({**OPTIONS, "epochs": 2}, Found())
    row = useful_row(planned_rows(planner.plan("eb-reinit", 0.5), profile_of("generic-cpu")))
    assert by_name["eb-reinit-s0"].joules.value == pytest.approx(row.modelled.joules)


def test_of_a_search_in_8_bits_flops_stand_apart_and_joules_are_a_what_if(tmp_path):
    text = "matrix: [{method: [dense, eb-lf], seed: 0}]"
    jobs = [
        Job(run, (), {**OPTIONS, "epochs": 2, "method": run.options["method"], "seed": run.seed})
        for run in runs_of(tmp_path, text)
    ]
    facts = (commit_of_package(), versions(), machine_facts())
    answers = Answers({job.run.name: Answer(None, None, *facts) for job in jobs}, 5.0)
    standings = standings_of(jobs, answers, tmp_path / "runs")
    decisions = {name: decide(stands, False, False) for name, stands in standings.items()}
    dense, lower = forecasts(jobs, answers, standings, decisions, tmp_path / "runs")
    assert list(dense.flops.by_precision) == ["fp32"] and dense.flops.value == dense.flops.by_precision["fp32"]
    assert lower.flops.value is None and list(lower.flops.by_precision) == ["fp32", "bfp8"]
    bill = network_bill(vgg(0.125), (1, 16, 16), precision="bfp8")
    assert lower.flops.by_precision["bfp8"] == bill.training_flops_per_image * IMAGES, "one epoch of search"
    assert dense.joules.provenance == "modelled" and lower.joules.provenance == "modelled, what-if"
    assert "8-bit unit energies" in lower.joules.source
    assert lower.seconds.value > 5.0
    whole = sum_of([dense, lower])
    assert whole.flops is None and set(whole.joules) == {"modelled", "modelled, what-if"}
    fp32 = dense.flops.by_precision["fp32"] + lower.flops.by_precision["fp32"]
    assert whole.flops_by_precision == {"fp32": fp32, "bfp8": lower.flops.by_precision["bfp8"]}
    assert whole.flops_paper_count == dense.flops.paper_count + lower.flops.paper_count
