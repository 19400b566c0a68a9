"""Inference under a run's table, read back from what a person would see."""

import io

import pytest
from rich.console import Console, Group

from energytrain.quantities.energy import Energy, ErrorTerm, Provenance, Scope
from energytrain.reports.terminal.inference_table import inference_parts

MISSING = Energy.missing("no [meter] was recording")


def measured(joules, sensor="gpu"):
    gain = ErrorTerm("gain", 0.05 * joules, 0.05 * joules, sensor)
    edge = ErrorTerm("edge", 0.01 * joules, 0.01 * joules)
    return Energy(joules, Provenance.MEASURED, Scope.CHIP, sensor, (gain, edge), 1.0)


def modelled(joules):
    term = ErrorTerm("model", joules * 2 / 3, joules * 2, "model:generic-cpu")
    return Energy(joules, Provenance.MODELLED, Scope.BOARD, "model:generic-cpu", (term,), 1.0)


def row(network, batch, energy=MISSING, seconds=None, precision="fp32", model=None):
    timed = {"images": 0, "images_per_second": None, "latency_seconds": None}
    if seconds is not None:
        latency = {"median": seconds, "p95": 2 * seconds}
        timed = {"images": 640, "images_per_second": batch / seconds, "latency_seconds": latency}
    model = modelled(0.003 if network == "dense" else 0.001) if model is None else model
    energies = {"energy_an_image": energy.to_json(), "modelled_an_image": model.to_json()}
    return {"network": network, "batch": batch, "precision": precision, "modelled_seconds": 0.001, **timed, **energies}


def shown(rows, width=140):
    console = Console(file=io.StringIO(), width=width)
    console.print(Group(*inference_parts({"inference": rows})))
    return console.file.getvalue()


def test_measured_inference_has_a_row_each_and_a_ratio_whose_gain_cancels():
    rows = [row("dense", 32, measured(0.04), 0.016), row("ticket", 32, measured(0.01), 0.008)]
    text = shown(rows)
    assert "inference: the forward pass alone, in fp32" in text
    dense, ticket = (line.split() for line in text.splitlines() if line.startswith((" dense", " ticket")))
    assert dense[:7] == ["dense", "32", "16", "ms", "32", "ms", "2"] and "k" == dense[7]
    assert ticket[-1] == "chip" and "measured," in ticket
    # 5 % of gain on one sensor are in both; 1 % an edge each is left, so about 1.4 % of 0.25.
    assert "0.50 x its latency, 2.00 x its images/s, 0.25 x its joules an image (0.25 to 0.25, measured)" in text
    other = shown([row("dense", 32, measured(0.04, "cpu"), 0.016), row("ticket", 32, measured(0.01), 0.008)])
    assert "(0.23 to 0.27, measured)" in other, "of two sensors it does not"


def test_without_a_meter_the_modelled_joules_stand_there_and_are_called_so():
    text = shown([row("dense", 1, seconds=0.004), row("ticket", 1, seconds=0.002)])
    assert "modelled, board" in text and "0.33 x its joules an image" in text and "modelled)" in text
    assert "inference has no measured joules: no [meter] was recording" in text


def test_one_missing_window_is_a_word_and_measured_and_modelled_never_share_a_column():
    text = shown([row("dense", 1, measured(0.04), 0.004), row("ticket", 1)])
    line = next(line for line in text.splitlines() if line.startswith(" ticket"))
    assert line.split()[2:] == ["missing"] * 5 and "modelled" not in text
    assert "ticket against dense" not in text


def test_networks_in_unlike_precision_are_not_compared():
    text = shown([row("dense", 1, measured(0.04), 0.004), row("ticket", 1, measured(0.01), 0.002, "bf16")])
    assert "in fp32 and bf16" in text and "against" not in text


def test_where_nothing_was_measured_one_line_says_what_the_model_gives():
    text = shown([row("dense", 1), row("dense", 32), row("ticket", 1), row("ticket", 32)], 200)
    assert text.splitlines() == [
        "an image in inference: dense 3 mJ and ticket 1 mJ at batch 1, dense 3 mJ and ticket 1 mJ at batch 32 "
        "(modelled, board)"
    ]


@pytest.mark.parametrize("rows", [None, [], [row("dense", 1, model=MISSING)]])
def test_where_nothing_is_known_nothing_is_said(rows):
    assert inference_parts({"inference": rows}) == []
