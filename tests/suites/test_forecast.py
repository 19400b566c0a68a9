"""What a suite is said to take, against independent counts and against runs that were really trained."""

import dataclasses

import pytest
from execution.small import SMALL, run_small
from suites.making import runs_of

from energytrain.costs.bill import mask_work, network_bill
from energytrain.errors import UsageError
from energytrain.models.catalog import build
from energytrain.runs.machine import commit_of_package, machine_facts, versions
from energytrain.suites.decision import decide
from energytrain.suites.estimate import plan
from energytrain.suites.forecast import forecasts, sum_of
from energytrain.suites.jobs import Job, standings_of
from energytrain.suites.resolving import Answer, Answers

EPOCHS, IMAGES, BATCH = 8, 256, 64
ASSUMED = "every layer loses 0.5 of its channels and the search ends after epoch 1"
OPTIONS = {**SMALL, "width": 0.125, "limit": IMAGES, "batch_size": BATCH, "epochs": EPOCHS, "l1": 0.0}


def vgg(width):
    return build("vgg16", classes=10, channels=1, size=16, width=width)


def epoch_flops(width):
    """Of one epoch of plain training, from the bill of its own network."""
    items = network_bill(vgg(width), (1, 16, 16)).training
    return sum(item.flops_per_image * IMAGES + item.flops_per_step * (IMAGES // BATCH) for item in items)


def test_a_dense_training_is_planned_to_the_flop():
    planned = plan({**OPTIONS, "method": "dense"})
    assert planned.ledger.flops() == EPOCHS * epoch_flops(0.125) and planned.assumed == ""


def test_of_a_ticket_half_of_each_layer_and_an_eighth_of_the_schedule_are_assumed():
    planned = plan({**OPTIONS, "method": "eb-ff", "prune_ratio": 0.5})
    search = epoch_flops(0.125) + mask_work(vgg(0.125)).flops_per_step
    # Half of the channels of every layer is a network of half the width.
    assert planned.ledger.flops("search") == search
    assert planned.ledger.flops("retrain") == (EPOCHS - 1) * epoch_flops(0.0625)
    assert planned.assumed == ASSUMED
    assert planned.networks["search"] == () and dict(planned.networks["retrain"])
    narrow = plan({**OPTIONS, "method": "eb-ff", "prune_ratio": 0.9, "align": "8"})
    assert {kept for _, kept in narrow.networks["retrain"]} == {8}, "never less than the alignment"


def test_a_control_is_planned_from_the_plan_of_what_it_matches():
    ticket = plan({**OPTIONS, "method": "eb-ff"})
    small = plan({**OPTIONS, "method": "small-dense"}, matched=ticket)
    assert small.spec.width == pytest.approx(0.0625, rel=0.02) and small.assumed == ticket.assumed
    assert small.ledger.flops() == pytest.approx(EPOCHS * epoch_flops(0.0625), rel=0.02)
    short = plan({**OPTIONS, "method": "dense-short"}, matched=ticket)
    assert short.spec.epochs == ticket.ledger.flops() // epoch_flops(0.125)
    assert short.ledger.flops() <= ticket.ledger.flops()
    with pytest.raises(UsageError, match="no finished run that drew a ticket"):
        plan({**OPTIONS, "method": "small-dense"}, matched=plan({**OPTIONS, "method": "dense"}))


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


def test_the_plan_models_what_the_run_is_modelled_to_have_used(told):
    """The plan knows the work of each kind of layer, the run that of each layer: nearly the same seconds and joules."""
    _, done, _ = told
    from energytrain.costs.energy_model import predict
    from energytrain.runs.result import profile_of
    from energytrain.suites.forecast import items_of

    planned = plan({**OPTIONS, "epochs": 2, "method": "dense"})
    assert planned.ledger.flops() == done["dense-s0"]["useful"]["flops"]
    energy = predict(items_of(planned.ledger, "train"), 0, 1, profile_of("generic-cpu")).energy
    assert energy.joules == pytest.approx(done["dense-s0"]["useful"]["energy"]["joules"], rel=0.1)


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
