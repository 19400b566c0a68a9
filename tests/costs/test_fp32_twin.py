"""Emulated work as it would be in fp32: equal, to the FLOP and the byte, to what the bill of an fp32 network says."""

import pytest
from torch import nn

from energytrain.costs.bill import network_bill
from energytrain.costs.fp32_twin import fp32_twin, is_emulated
from energytrain.methods.phase_work import bill_in
from energytrain.models.catalog import build
from energytrain.quantities.ledger import WorkItem

IMAGE = (3, 32, 32)


def networks():
    yield build("vgg16", classes=10, width=0.0625)
    yield build("preresnet20", classes=10)
    yield nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 30 * 30, 10))


@pytest.mark.parametrize("options", [{}, {"l1": True}, {"master_weights": True}])
def test_the_twin_of_a_bfp8_bill_is_the_fp32_bill(options):
    for model in networks():
        fp32 = network_bill(model, IMAGE, l1=options.get("l1", False))
        emulated = network_bill(model, IMAGE, precision="bfp8", **options)
        assert emulated.training != fp32.training and is_emulated(emulated.training)
        assert fp32_twin(emulated.training) == fp32.training
        assert fp32_twin(emulated.evaluation) == fp32.evaluation


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp8"])
def test_work_that_is_not_emulated_is_left_as_it_is(precision):
    bill = bill_in(precision, build("vgg16", classes=10, width=0.25), IMAGE)
    assert not is_emulated(bill.training) and fp32_twin(bill.training) == bill.training


def test_an_optimiser_beside_fp32_work_alone_keeps_its_bytes():
    optimiser = WorkItem("optimiser", "optimiser", "update", "fp32", 0, 0, 60, 50)
    conv = WorkItem("a", "conv", "forward", "bfp8", 100, 10, 0, 5)
    assert fp32_twin([optimiser]) == (optimiser,)
    twin = fp32_twin([conv, optimiser])
    assert [(item.precision, item.bytes_per_image, item.bytes_per_step) for item in twin] == [
        ("fp32", 40, 20),
        ("fp32", 0, 200),
    ]
    assert [item.flops_per_image for item in twin] == [100, 0] and twin[1].flops_per_step == 60
