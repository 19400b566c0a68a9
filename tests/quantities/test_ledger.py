"""The ledger counts exactly: integers, by phase, kind, stage and precision."""

import json

import pytest

from energytrain.quantities.ledger import Ledger, LedgerEntry, NetworkBill, WorkItem, spend

CONV = WorkItem("conv", "conv", "forward", "fp32", 1000, 40, bytes_per_step=7)
BACK = WorkItem("conv", "conv", "weight_grad", "bfp8", 1000, 50, launches_per_step=2)
UPDATE = WorkItem("all", "optimiser", "update", "fp32", flops_per_step=300, bytes_per_step=90, launches_per_step=3)


def test_work_grows_with_images_and_with_steps() -> None:
    ledger = spend([CONV, BACK, UPDATE], "train", images=250, steps=4)
    assert list(ledger) == [
        LedgerEntry("train", "conv", "forward", "fp32", 250_000, 250 * 40 + 4 * 7, 4),
        LedgerEntry("train", "conv", "weight_grad", "bfp8", 250_000, 12_500, 8),
        LedgerEntry("train", "optimiser", "update", "fp32", 1200, 360, 12),
    ]


def test_layers_of_one_kind_add_up() -> None:
    ledger = spend([CONV, CONV], "train", 10, 1)
    assert list(ledger) == [LedgerEntry("train", "conv", "forward", "fp32", 20_000, 814, 2)]


def test_sums_by_phase_precision_and_kind() -> None:
    ledger = spend([CONV, BACK, UPDATE], "search", 10, 1) + spend([CONV, UPDATE], "retrain", 10, 2)
    assert ledger.flops() == 10_000 * 3 + 300 * 3
    assert ledger.flops("search") == 20_300 and ledger.flops("retrain") == 10_600
    assert ledger.flops(precision="bfp8") == 10_000
    assert ledger.flops("search", kinds=("conv", "linear")) == 20_000
    assert ledger.flops("evaluate") == 0
    assert ledger.by_precision() == {"fp32": 20_900, "bfp8": 10_000}
    assert ledger.phases() == ["search", "retrain"]


def test_adding_leaves_both_summands_as_they_were() -> None:
    first, second = spend([CONV], "train", 1, 1), spend([CONV], "train", 2, 1)
    summed = first + second
    assert (first.flops(), second.flops(), summed.flops()) == (1000, 2000, 3000)
    summed.add(LedgerEntry("train", "conv", "forward", "fp32", 5, 0, 0))
    assert first.flops() == 1000


def test_numbers_beyond_a_float_stay_exact() -> None:
    ledger = spend([WorkItem("l", "linear", "forward", "fp32", flops_per_image=3)], "train", 10**18 + 1, 1)
    assert ledger.flops() == 3 * 10**18 + 3
    assert Ledger.from_json(json.loads(json.dumps(ledger.to_json()))).flops() == 3 * 10**18 + 3


@pytest.mark.parametrize(("images", "steps"), [(-1, 1), (1, -1)])
def test_no_work_is_undone(images: int, steps: int) -> None:
    with pytest.raises(ValueError, match="no work"):
        spend([CONV], "train", images, steps)


def test_json_keeps_a_ledger() -> None:
    ledger = spend([CONV, BACK, UPDATE], "train", 250, 4)
    assert Ledger.from_json(json.loads(json.dumps(ledger.to_json()))) == ledger
    assert list(Ledger()) == [] and Ledger.from_json([]) == Ledger()


def test_json_keeps_a_bill() -> None:
    bill = NetworkBill((CONV, BACK, UPDATE), (CONV,), parameters=77, macs=500)
    assert NetworkBill.from_json(json.loads(json.dumps(bill.to_json()))) == bill
    assert bill.training_flops_per_image == 2000
