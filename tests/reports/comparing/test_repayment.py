"""After how many inferences a search is repaid: division by hand, and what is not known is a word."""

import math

import pytest
from reports.emulated import result

from energytrain.quantities.energy import Energy, ErrorTerm, Provenance, Scope
from energytrain.reports.comparing.repayment import repayment

SCOPE = Scope.MODULE


def joules(value, provenance=Provenance.MODELLED, scope=SCOPE, error=0.0):
    terms = (ErrorTerm("noise", error, error),) if error else ()
    return Energy(value, provenance, scope, "a channel", terms, 1.0).to_json()


MISSING = Energy.missing("no inference was measured").to_json()


def inference(network, batch, modelled, measured=None):
    found = MISSING if measured is None else joules(measured, Provenance.MEASURED)
    modelled = MISSING if modelled is None else joules(modelled)
    return {"network": network, "batch": batch, "energy_an_image": found, "modelled_an_image": modelled}


def run(*rows, search=100.0, prune=None, useful=150.0, dense=200.0, kind="modelled", given=False, elsewhere=None):
    """A run of eb-ff whose joules are these, in one kind; rows: of inference."""
    made = result("eb-ff")
    provenance = Provenance(kind)
    costs = {"search": search, "prune": prune, "retrain": 50.0}
    for row in made["phases"]:
        cost = costs[row["phase"]]
        for name in ("measured", "modelled"):
            row[name] = joules(cost, provenance) if name == kind and cost is not None else MISSING
        row["modelled_seconds"] = 1.0 if kind == "modelled" and cost is not None else None
        row["energy"] = row[kind]
    for name, cost in (("useful", useful), ("dense", dense)):
        made[name][kind] = joules(cost, provenance)
    made["headline"] = kind
    made["ticket"].update(given=given, elsewhere=elsewhere)
    made["inference"] = list(rows)
    return made


PAIR = (inference("dense", 1, 0.5), inference("ticket", 1, 0.3))
MEASURED = (inference("dense", 1, 0.5, 0.9), inference("ticket", 1, 0.3, 0.5))


def test_search_over_saving():
    found = repayment(run(*PAIR))
    assert found["inferences"] == pytest.approx(100 / 0.2) and found["outcome"] == "repaid"
    assert (found["joules_an_inference_dense"], found["joules_an_inference"]) == (0.5, 0.3)
    assert (found["provenance"], found["batch"], found["search_joules"]) == ("modelled", 1, 100.0)
    assert found["training_ratio"] == pytest.approx(0.75)
    assert found["sentences"][0].startswith("The search is repaid after 500 inferences")
    assert "repaid before the first inference" in found["sentences"][1]
    assert len(repayment(run(*PAIR, useful=250.0))["sentences"]) == 1


def test_all_up_to_the_pruning_is_the_search_and_retraining_is_not():
    assert repayment(run(*MEASURED, kind="measured", prune=20.0))["inferences"] == pytest.approx(120 / 0.4)


def test_measured_ones_are_taken_where_both_are_and_never_mixed():
    assert repayment(run(*MEASURED, kind="measured", prune=0.0))["provenance"] == "measured"
    half = repayment(run(PAIR[0], MEASURED[1]))
    assert (half["provenance"], half["joules_an_inference"]) == ("modelled", 0.3)
    # Measured inference beside a modelled search (trained elsewhere) has no quotient.
    mixed = repayment(run(*MEASURED))
    assert (mixed["provenance"], mixed["inferences"], mixed["outcome"]) == ("measured", None, "unknown")
    assert "no measured joules of its own" in mixed["sentences"][0]
    gap = repayment(run(*MEASURED, kind="measured"))
    assert gap["outcome"] == "unknown" and "missing" in gap["sentences"][0]


def test_the_smallest_batch_at_which_both_are_known_in_the_better_kind_or_the_one_asked_for():
    many = (inference("dense", 32, 0.2, 0.4), inference("ticket", 32, 0.1, 0.2))
    assert repayment(run(*PAIR, *many))["batch"] == 32, "measured there only"
    assert repayment(run(*PAIR, *many), batch=1)["provenance"] == "modelled"
    assert repayment(run(*MEASURED, *many))["batch"] == 1
    assert repayment(run(*PAIR), batch=32) is None
    assert repayment(run(inference("dense", 1, 0.2), inference("ticket", 32, 0.1))) is None


@pytest.mark.parametrize("ticket", [0.5, 0.6])
def test_a_network_that_saves_nothing_never_repays_its_search(ticket):
    found = repayment(run(inference("dense", 1, 0.5), inference("ticket", 1, ticket)))
    assert (found["inferences"], found["outcome"]) == (None, "never") and "never repaid" in found["sentences"][0]


def test_without_inference_or_of_one_network_alone_there_is_nothing():
    assert repayment(run()) is None and repayment({**run(), "inference": None}) is None
    assert repayment(run(PAIR[0])) is None
    assert repayment(run(inference("dense", 1, None), inference("ticket", 1, None))) is None


def test_bounds_of_what_one_saves_reach_the_number():
    rows = [dict(row) for row in PAIR]
    for row in rows:
        row["modelled_an_image"] = joules(row["modelled_an_image"]["joules"], error=0.05)
    found = repayment(run(*rows))
    # 0.2 +- 0.05 sqrt(2): relative errors as logarithms.
    off = 0.05 * math.sqrt(2) / 0.2
    assert found["low"] == pytest.approx(500 / (1 + off)) and found["high"] == pytest.approx(500 / (1 - off))
    for row in rows:
        row["modelled_an_image"] = joules(row["modelled_an_image"]["joules"], error=0.2)
    found = repayment(run(*rows))
    assert found["high"] is None and "no upper end" in found["sentences"][0]


def test_a_given_ticket_s_search_counts_where_it_is_known_alike():
    there = {"device": "tx2", "energy": joules(300.0)}
    assert repayment(run(*PAIR, search=0.0, given=True, elsewhere=there))["inferences"] == pytest.approx(300 / 0.2)
    for other in (None, {**there, "device": "orin"}, {**there, "energy": joules(300.0, Provenance.MEASURED)}):
        found = repayment(run(*PAIR, search=0.0, given=True, elsewhere=other))
        assert found["outcome"] == "unknown" and "given" in found["sentences"][0]
        assert found["training_ratio"] is None


def test_an_emulated_search_is_marked_and_never_measured():
    emulated = result("eb-lf", search="bfp8")
    found = repayment({**emulated, "inference": list(PAIR)})
    assert found["what_if"] and found["outcome"] == "repaid" and "(what-if, modelled" in found["sentences"][0]
    assert repayment({**emulated, "inference": list(MEASURED)})["outcome"] == "unknown"


def test_a_search_that_is_held_to_measured_joules_is_not_divided_by_an_inference_that_is_not():
    emulated = result("eb-lf", search="bfp8")
    emulated["what_if"]["anchored"] = {"factor": 1.7}
    found = repayment({**emulated, "inference": list(PAIR)})
    assert found["outcome"] == "unknown" and "held to measured joules" in found["sentences"][0]
