"""Runs in emulated precision: modelled whatever was measured, with both figures, anchored where something anchors."""

import dataclasses
import json

import pytest
from click.testing import CliRunner
from runs.emulated import IMAGES, STEPS, bill, events, result, trace

from energytrain.cli.report import command as report
from energytrain.costs.energy_model import MODEL_VERSION, predict
from energytrain.devices.profile import load_profile
from energytrain.quantities.energy import Provenance
from energytrain.runs.account import Accountant
from energytrain.runs.result import run_result
from energytrain.runs.timeline import build_timeline

TX2 = load_profile("tx2")
WATTS = 7.0


def account(search, retrain, metered=True, here=True, measure_epochs=None, profile=TX2):
    marks = events(search, retrain, here=here, primary=["VDD_IN"] if metered else [])
    accountant = Accountant(build_timeline(marks), {1: trace(WATTS)} if metered else {}, profile, measure_epochs)
    return accountant.account(dense_epochs=5)


def joules(network, epochs):
    return predict(network.training, epochs * IMAGES, epochs * STEPS, TX2).energy.joules


def rows(found):
    return {row.phase: row for row in found.phases}


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp8"])
def test_a_run_that_computes_what_it_trains_in_is_measured_and_has_no_what_if(precision):
    found = account(precision, precision)
    assert found.headline == "measured" and found.what_if is None
    assert rows(found)["search"].modelled.joules == pytest.approx(joules(bill(precision=precision), 2))
    assert all(not row.parts for row in found.phases)


def test_a_measured_emulation_is_no_figure_of_the_method():
    found = account("bfp8", "bfp8")
    assert found.headline == "modelled"
    search = rows(found)["search"]
    assert search.to_json(found.headline)["energy"]["provenance"] == "modelled"
    assert search.modelled.joules == pytest.approx(joules(bill(precision="bfp8"), 2))
    assert search.measured.joules == pytest.approx(2 * 10 * WATTS, rel=1e-6)
    block = found.what_if
    assert block["phases"] == ["search", "retrain"] and block["anchored"] is None
    assert block["emulation"]["joules"] == pytest.approx(5 * 10 * WATTS, rel=1e-6)
    assert block["emulation"]["provenance"] == "measured"


def test_both_figures_stand_beside_the_same_work_in_fp32():
    emulated, fp32 = account("bfp8", "bfp8", metered=False), account("fp32", "fp32", metered=False)
    block = emulated.what_if
    assert block["figures"]["same_time"]["joules"] == pytest.approx(emulated.useful.modelled.joules)
    assert block["fp32"]["joules"] == pytest.approx(fp32.useful.modelled.joules)
    assert block["fp32"]["seconds"] == pytest.approx(fp32.useful.modelled_seconds)
    assert emulated.useful.modelled_seconds == pytest.approx(fp32.useful.modelled_seconds)
    shares = [block["figures"][name]["ratio_to_fp32"] for name in ("paper_convention", "same_time")]
    assert 0 < shares[0]["value"] < shares[1]["value"] < 1
    assert all(share["low"] < share["value"] < share["high"] for share in shares)
    assert block["emulation"]["joules"] is None


def test_a_retraining_in_fp32_that_the_device_itself_ran_anchors_every_modelled_figure():
    free, held = account("bfp8", "fp32", metered=False), account("bfp8", "fp32")
    anchor = held.what_if["anchored"]
    expected = 3 * 10 * WATTS / joules(bill(0.03125), 3)
    assert anchor["factor"] == pytest.approx(expected, rel=1e-6) and anchor["phases"] == ["retrain"]
    assert held.headline == "modelled" and held.what_if["phases"] == ["search"]
    assert rows(held)["retrain"].modelled.joules == pytest.approx(rows(held)["retrain"].measured.joules)
    for name in ("useful", "evaluation", "spent", "dense"):
        pair = [getattr(found, name).modelled for found in (held, free)]
        assert pair[0].joules == pytest.approx(expected * pair[1].joules) and pair[0].seconds == pair[1].seconds
        assert pair[0].provenance is Provenance.MODELLED
    for figure in held.what_if["figures"]:
        one, other = (found.what_if["figures"][figure] for found in (held, free))
        assert one["joules"] == pytest.approx(expected * other["joules"])
        assert one["ratio_to_fp32"] == other["ratio_to_fp32"]
    assert held.what_if["figures"]["same_time"]["joules"] == pytest.approx(held.useful.modelled.joules)


def test_what_a_pruning_drew_anchors_nothing():
    """It is not emulated, and it was measured; but it is no training."""
    found = account("bfp8", "bfp8")
    prune = rows(found)["prune"]
    assert not prune.emulated and prune.measured.joules and prune.modelled.joules
    assert found.what_if["anchored"] is None


@pytest.mark.parametrize("options", [{"here": False}, {"metered": False}])
def test_no_other_machine_anchors(options):
    assert account("bfp8", "fp32", **options).what_if["anchored"] is None


def test_a_meter_of_another_scope_than_the_profile_s_does_not_anchor():
    board = dataclasses.replace(TX2, scope="board")
    assert account("bfp8", "fp32", profile=board).what_if["anchored"] is None


def test_some_epochs_of_each_phase_are_scaled_in_every_figure():
    whole, some = account("bfp8", "bfp8", metered=False), account("bfp8", "bfp8", metered=False, measure_epochs=1)
    assert some.what_if["figures"] == whole.what_if["figures"]  # as many epochs as planned: a factor of one
    marks = events("bfp8", "bfp8")
    for mark in marks:
        if mark["kind"] == "phase":
            mark["epochs"] *= 4
        mark.pop("work", None)  # a pruning happens once, however many epochs are planned
    found = Accountant(build_timeline(marks), {}, TX2, 1).account().what_if
    for mark in marks:
        if mark["kind"] == "phase":
            mark["epochs"] //= 4
    whole = Accountant(build_timeline(marks), {}, TX2, None).account()
    for name in ("same_time", "paper_convention"):
        ours, theirs = (block["figures"][name] for block in (found, whole.what_if))
        assert ours["joules"] == pytest.approx(4 * theirs["joules"])
        assert ours["ratio_to_fp32"] == pytest.approx(theirs["ratio_to_fp32"])


def test_dense_training_instead_is_in_fp32_and_nothing_of_the_emulation():
    emulated, fp32 = account("bfp8", "bfp8"), account("fp32", "fp32", metered=False)
    assert emulated.dense.ledger.by_precision() == fp32.dense.ledger.by_precision()
    assert emulated.dense.modelled.joules == pytest.approx(fp32.dense.modelled.joules)
    assert emulated.dense.measured.joules is None


def test_without_a_profile_there_is_a_reason_and_no_figure():
    block = account("bfp8", "bfp8", profile=None).what_if
    assert block["figures"] is None and "no profile" in block["reason"]
    assert block["emulation"]["joules"] == pytest.approx(350.0)


def test_the_result_of_a_run_folder_carries_it(tmp_path, paper_spec):
    spec = dataclasses.replace(paper_spec, method="eb-ll", device="tx2", epochs=5)
    found = result(tmp_path / "run", spec)
    assert found["headline"] == "modelled" and found["energy_model"] == MODEL_VERSION
    block = found["what_if"]
    assert block["label"] == "what-if: 8-bit unit energies on a tx2 profile"
    assert block["figures"]["same_time"]["joules"] == found["useful"]["energy"]["joules"]
    assert [source["date"] for source in block["sources"]] == ["2014", "2021"]
    assert json.loads((tmp_path / "run" / "result.json").read_text())["what_if"] == block
    assert run_result(tmp_path / "run")["what_if"] == run_result(tmp_path / "run", recompute=True)["what_if"] == block


def test_report_prints_it_in_words_and_as_json(tmp_path, paper_spec):
    result(tmp_path / "run", dataclasses.replace(paper_spec, method="eb-ll", device="tx2", epochs=5))
    (told,) = json.loads(CliRunner().invoke(report, [str(tmp_path / "run"), "--json"]).output)
    assert set(told["what_if"]["figures"]) == {"same_time", "paper_convention"} and len(told["what_if"]["sources"]) == 2
    assert "what-if: 8-bit unit energies on a tx2 profile" in CliRunner().invoke(report, [str(tmp_path / "run")]).output


def test_the_result_of_a_run_in_fp32_has_none(tmp_path, paper_spec):
    spec = dataclasses.replace(paper_spec, device="tx2", epochs=5)
    assert result(tmp_path / "run", spec, "fp32", "fp32")["what_if"] is None
