"""Figures for people: prefixes, bounds, and a word where there is no figure."""

import doctest

from energytrain.quantities.energy import Energy, ErrorTerm, Provenance, Scope
from energytrain.reports import format as formatting


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(formatting).failed == 0


def test_an_energy_is_written_with_bounds_provenance_and_coverage():
    energy = Energy(1234.5, Provenance.MEASURED, Scope.CHIP, "nvml:0", (ErrorTerm("gain", 60, 60, "s"),), 10.0, 0.75)
    data = energy.to_json()
    assert formatting.joules(data) == "1.23 kJ"
    assert formatting.bounds(data) == "1.17 kJ to 1.29 kJ"
    assert formatting.provenance(data) == "measured, chip, 75% covered"


def test_a_missing_energy_is_a_word_and_never_a_zero():
    data = Energy.missing("no meter", 5.0).to_json()
    assert formatting.joules(data) == "missing" and formatting.bounds(data) == ""
    assert formatting.provenance(data) == "missing"
    known = Energy.missing("one part has none", 5.0, partial=1500.0).to_json()
    assert formatting.joules(known) == "missing (1.5 kJ known)"


def test_large_and_small_values_keep_their_digits():
    assert formatting.si(999.96, "J") == "1000 J"
    assert formatting.si(15.1e15, "FLOPs") == "15.1 PFLOPs"
    assert formatting.si(1234567, "", 4) == "1.235 M"
