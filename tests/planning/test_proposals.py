"""Budgets, with energies that a test makes up: verdicts by bounds, the longest schedule that fits, the ranking."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from energytrain.errors import UsageError
from energytrain.planning.measured import Measured
from energytrain.planning.proposals import proposals, verdict
from energytrain.quantities.energy import Energy, ErrorTerm, Provenance, Scope

EPOCH_JOULES = {"cheap": 1.0, "dear": 10.0, "dearest": 100.0}
FACTOR = 2.0


def energy(joules):
    term = ErrorTerm("model", joules * (1 - 1 / FACTOR), joules * (FACTOR - 1), "model:x")
    return Energy(joules, Provenance.MODELLED, Scope.MODULE, "model:x", (term,), 1.0)


def made(method, ratio=0.5, epochs=100):
    spec = SimpleNamespace(method=method, epochs=epochs)
    return SimpleNamespace(spec=spec, reference=spec, ratio=ratio)


class Maker:
    """Plans any schedule; counts how often it was asked."""

    def __init__(self):
        self.asked = 0

    def plan(self, method, ratio, epochs):
        self.asked += 1
        return made(method, ratio, epochs)


def energy_of(plan):
    return energy(EPOCH_JOULES[plan.spec.method] * plan.spec.epochs)


def propose(budget, *methods, accuracies=None):
    maker = Maker()
    found, refused = proposals([made(name) for name in methods], maker, energy_of, budget, accuracies or {})
    return [(one.plan.spec.method, one.epochs, one.verdict) for one in found], refused, maker


def test_bounds_decide():
    assert [verdict(energy(joules), 100.0) for joules in (50.0, 51.0, 199.0, 201.0)] == [
        "fits",
        "may fit",
        "may fit",
        "does not fit",
    ]


def test_the_longest_schedules_are_found_in_few_tries():
    found, refused, maker = propose(1000.0, "cheap", "dear", "dearest")
    # cheap: 100 J, at most 200. dear: 1,000 J, at most 2,000, of which 50 epochs surely fit. dearest: 10 kJ, at least
    # 5 kJ: 5 epochs surely fit, 10 most likely.
    assert found == [
        ("cheap", 100, "fits"),
        ("dear", 50, "fits"),
        ("dearest", 5, "fits"),
        ("dear", 100, "may fit"),
        ("dearest", 10, "may fit"),
    ]
    assert [(one.plan.spec.method, one.verdict, one.why) for one in refused] == [
        ("dear", "may fit", "its upper bound is 2 x the budget; 50 of 100 epochs fit"),
        ("dearest", "does not fit", "even its lower bound is 5 x the budget; 5 of 100 epochs fit"),
    ]
    assert maker.asked <= 20


def test_where_not_even_one_epoch_fits_it_says_so():
    found, refused, _ = propose(40.0, "dearest")
    assert found == []
    assert refused[0].why == "even its lower bound is 125 x the budget; even a schedule of one epoch does not fit"


def test_measured_accuracy_goes_before_the_length_of_the_schedule():
    def of(mean):
        return Measured(mean, None, 1, (0,), ())

    found, _, _ = propose(1e6, "dearest", "cheap", "dear", accuracies={0: of(90.0), 2: of(95.0)})
    assert [name for name, _, _ in found] == ["dear", "dearest", "cheap"]


def test_what_if_energies_come_behind_the_others():
    def of(plan):
        known = energy_of(plan)
        emulated = ErrorTerm("unit energies", 0.1, 0.1, "unit energies")
        return replace(known, errors=(*known.errors, emulated)) if plan.spec.method == "cheap" else known

    found, _ = proposals([made("cheap"), made("dear")], Maker(), of, 1e6, {})
    assert [one.plan.spec.method for one in found] == ["dear", "cheap"]


def test_without_a_profile_there_is_no_proposal():
    missing = Energy.missing("the device has no profile, so nothing can be modelled")
    with pytest.raises(UsageError, match="Name a --device with a profile"):
        proposals([made("cheap")], Maker(), lambda plan: missing, 1.0, {})
