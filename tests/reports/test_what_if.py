"""The mark of energies whose arithmetic was emulated."""

import pytest
from reports.emulated import result

from energytrain.reports.what_if import emulated, is_what_if, meaning, row_provenance, useful_cells, what_if_energies


@pytest.fixture(scope="module")
def lowered():
    return result("eb-lf", search="bfp8")


def test_both_figures_stand_below_each_other_and_are_marked(lowered):
    figures = lowered["what_if"]["figures"]
    assert is_what_if(lowered) and meaning([lowered])
    same, paper = useful_cells(lowered)
    assert all("what-if" in cells[0] and "what-if" in cells[2] for cells in (same, paper))
    assert "(a)" in same[2] and "(b)" in paper[2] and same[1] and paper[1] != same[1]
    energies = what_if_energies(lowered)
    assert energies["same_time"].joules == lowered["useful"]["energy"]["joules"] == figures["same_time"]["joules"]
    assert energies["paper_convention"].joules == figures["paper_convention"]["joules"] < energies["same_time"].joules
    assert energies["paper_convention"].high == pytest.approx(figures["paper_convention"]["high"])


def test_what_is_no_what_if_has_one_line_without_a_mark():
    plain = result("eb-ff")
    ((figure, interval, source),) = useful_cells(plain)
    assert not is_what_if(plain) and meaning([plain]) == [] and "what-if" not in figure + source
    del plain["what_if"]  # as in results that were kept from earlier
    assert not is_what_if(plain)


def test_only_rows_with_8_bit_work_are_marked(lowered):
    search, _, retrain = lowered["phases"]
    assert emulated(search) and not emulated(retrain) and emulated(lowered["useful"])
    assert row_provenance(search) == "what-if, modelled, module" and row_provenance(retrain) == "modelled, module"


def test_a_device_without_a_profile_has_neither_figure(lowered):
    block = {**lowered["what_if"], "figures": None, "reason": "the device has no profile"}
    useful = {**lowered["useful"], "energy": {**lowered["useful"]["energy"], "joules": None, "provenance": "missing"}}
    for figure, interval, source in useful_cells({**lowered, "what_if": block, "useful": useful}):
        assert (figure, interval) == ("missing", "") and "missing" in source
