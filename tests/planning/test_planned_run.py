"""A plan against runs that were really trained: with what a run drew, its work and its modelled joules."""

import pytest
from execution.small import SMALL, run_small

from energytrain.planning.account import planned_result
from energytrain.planning.estimate import Found
from energytrain.planning.measured import measured_accuracy, read_results
from energytrain.planning.planner import Planner
from energytrain.pruning.ticket import Ticket
from energytrain.reports.comparing.repayment import repayment
from energytrain.runs.result import profile_of

OPTIONS = {key: value for key, value in SMALL.items() if key not in ("meter",)}


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def outcomes(runs_dir):
    """A dense run, an eb-ff run and one in emulated 8 bits, of few epochs."""
    brief = {"epochs": 3, "limit": 128}
    return {name: run_small(runs_dir, **brief, method=name, name=name) for name in ("dense", "eb-ff", "eb-ll")}


def planned(outcome, method):
    ticket = None if method == "dense" else Ticket.load(outcome.folder / "ticket.json")
    planner = Planner({**OPTIONS, "epochs": 3, "limit": 128}, Found(ticket=ticket))
    plan = planner.plan(method, 0.5)
    return plan, planned_result(plan, profile_of("generic-cpu"), planner.networks)


@pytest.mark.parametrize("method", ["dense", "eb-ff", "eb-ll"])
def test_a_plan_with_a_runs_own_ticket_is_that_run(outcomes, method):
    plan, result = planned(outcomes[method], method)
    run = outcomes[method].result
    assert plan.ledger.flops() == run["useful"]["flops"] and plan.assumed == ""
    assert result["useful"]["flops_by_precision"] == run["useful"]["flops_by_precision"]
    assert result["useful"]["bytes"] == run["useful"]["bytes"]
    assert result["network"] == run["network"]
    for ours, theirs in ((result["useful"], run["useful"]), *zip(result["phases"], run["phases"])):
        assert (ours["phase"], ours["epochs"], ours["images"]) == (theirs["phase"], theirs["epochs"], theirs["images"])
        if theirs["modelled"]["joules"] is None:  # a pruning that is no work of the network
            assert ours["modelled"] == theirs["modelled"] and ours["modelled_seconds"] is None
            continue
        assert ours["modelled"]["joules"] == pytest.approx(theirs["modelled"]["joules"], rel=1e-9)
        assert ours["modelled"]["high"] == pytest.approx(theirs["modelled"]["high"], rel=1e-9)
        assert ours["modelled_seconds"] == pytest.approx(theirs["modelled_seconds"], rel=1e-9)
    if run["dense"] is not None:
        assert result["dense"]["flops"] == run["dense"]["flops"]
        assert result["dense"]["modelled"]["joules"] == pytest.approx(run["dense"]["modelled"]["joules"], rel=1e-9)
    if run["what_if"] is not None:
        for figure, energy in result["what_if"]["figures"].items():
            assert energy["joules"] == pytest.approx(run["what_if"]["figures"][figure]["joules"], rel=1e-9)


def test_inference_and_repayment_are_those_of_the_run(outcomes):
    _, result = planned(outcomes["eb-ff"], "eb-ff")
    run = outcomes["eb-ff"].result
    ours, theirs = repayment(result), repayment(run)
    for name in ("joules_an_inference_dense", "joules_an_inference", "search_joules", "inferences", "training_ratio"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-9), name
    assert ours["outcome"] == theirs["outcome"] and ours["provenance"] == "modelled"


def test_measured_accuracies_are_of_runs_alike_and_say_what_differs(outcomes, runs_dir):
    plan, _ = planned(outcomes["eb-ff"], "eb-ff")
    again = run_small(runs_dir, epochs=3, limit=128, method="eb-ff", seed=1, name="eb-ff-1")
    longer = run_small(runs_dir, epochs=2, limit=128, method="eb-ff", seed=2, name="shorter")
    results, skipped = read_results([outcome.folder for outcome in (*outcomes.values(), again, longer)])
    assert len(results) == 5 and skipped == []
    found = measured_accuracy(plan.spec, 0.5, results)
    pair = [outcomes["eb-ff"].result["accuracy"]["test"], again.result["accuracy"]["test"]]
    assert found.n == 2 and found.seeds == (0, 1) and found.differs == ()
    assert found.mean == pytest.approx(sum(pair) / 2)
    assert measured_accuracy(plan.spec, 0.3, results) is None
    only = measured_accuracy(plan.spec, 0.5, [longer.result])
    assert only.n == 1 and only.deviation is None and only.differs == ("epochs 2 instead of 3",)
