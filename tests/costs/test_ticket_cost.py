"""Multiply-adds by kept channels against the bill of the network that has those channels."""

import random

import pytest

from energytrain.costs.bill import network_bill
from energytrain.costs.ticket_cost import macs_by_kept
from energytrain.models.catalog import build
from energytrain.models.units import units_of
from energytrain.pruning.rebuild import shrink

IMAGE = (3, 32, 32)


@pytest.mark.parametrize("name", ["vgg16", "preresnet20", "resnet20", "resnet18", "resnet50"])
def test_it_is_the_bill_of_the_rebuilt_network(name):
    model = build(name, classes=10, width=0.25)
    units = units_of(model)
    macs = macs_by_kept(network_bill(model, IMAGE), units)
    draw = random.Random(0)
    for _ in range(3):
        kept = {unit.name: draw.randint(1, unit.channels) for unit in units}
        assert macs(kept) == network_bill(shrink(model, kept), IMAGE).macs


def test_a_unit_left_out_counts_whole():
    model = build("vgg16", classes=10, width=0.25)
    bill = network_bill(model, IMAGE)
    assert macs_by_kept(bill, units_of(model))({}) == bill.macs
