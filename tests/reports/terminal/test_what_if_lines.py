"""What a reader is told under the table of a run in emulated precision."""

import dataclasses
import io

import pytest
from rich.console import Console
from runs.emulated import result

from energytrain.quantities.energy import Energy, Provenance, Scope
from energytrain.reports.format import joules
from energytrain.reports.terminal.run_table import render_run
from energytrain.reports.terminal.what_if_lines import what_if_lines


@pytest.fixture()
def emulated(tmp_path, paper_spec):
    return result(tmp_path / "run", dataclasses.replace(paper_spec, method="eb-ll", device="tx2", epochs=5))


def shown(found, width=120):
    console = Console(file=io.StringIO(), width=width)
    console.print(render_run(found))
    return console.file.getvalue()


def lines(found, **changes):
    return "\n".join(what_if_lines({**found, "what_if": {**found["what_if"], **changes}}))


def test_both_figures_stand_beside_fp32_with_ratio_and_sources(emulated):
    text, figures = lines(emulated), emulated["what_if"]["figures"]
    same, paper = figures["same_time"], figures["paper_convention"]
    share = same["ratio_to_fp32"]
    assert f"what-if: 8-bit unit energies on a tx2 profile: eb-ll {joules(same)}" in text
    assert f"beside {joules(emulated['what_if']['fp32'])} in fp32" in text
    assert f"{share['value']:.2f} ({share['low']:.2f} to {share['high']:.2f})" in text
    assert "in search, retrain" in text
    assert f"the paper's convention: {joules(paper)}" in text and "static power shrinks along" in text
    assert "Horowitz 2014 (45 nm), Jouppi 2021 (7 nm), INT8 multiply-adds at 0.054 of fp32 (0.046 to 0.065)" in text
    assert "no chip of the profile runs 8 bits faster" in text
    assert "not anchored: no phase in fp32 was measured on tx2 itself" in text
    assert "emulating" not in text, "nothing was metered"


def test_an_anchor_and_the_joules_of_the_emulation_are_told(emulated):
    drawn = Energy(3210.0, Provenance.MEASURED, Scope.MODULE, "VDD_IN", (), 60.0).to_json()
    anchor = {"factor": 0.834, "below": 0.01, "above": 0.01, "phases": ["retrain"]}
    text = lines(emulated, anchored=anchor, emulation=drawn, phases=["search"])
    assert "anchored: tx2 itself drew 0.83 x what its profile gives for retrain in fp32" in text
    assert "not anchored" not in text
    assert "emulating it here took 3.21 kJ (search, measured), which is no figure of the method" in text


def test_without_figures_the_reason_is_told(emulated):
    assert (
        lines(emulated, figures=None, reason="the device has no profile") == "what-if: none (the device has no profile)"
    )


def test_other_runs_have_no_line(emulated):
    before = {key: value for key, value in emulated.items() if key != "what_if"}
    assert what_if_lines(before) == what_if_lines({**emulated, "what_if": None}) == []


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_the_lines_stand_under_the_table_and_narrow_terminals_lose_no_figure(emulated, width):
    under = shown(emulated, width)[shown(emulated, width).index("what-if: 8-bit") :]
    text, figures = " ".join(under.split()), emulated["what_if"]["figures"]
    assert f"eb-ll {joules(figures['same_time'])}" in text and joules(figures["paper_convention"]) in text
    assert "…" not in text and max(map(len, under.splitlines())) <= width
