"""What a run is said to take before it is trained, against independent counts."""

import pytest
from execution.small import SMALL

from energytrain.costs.bill import mask_work, network_bill
from energytrain.errors import UsageError
from energytrain.models.catalog import build
from energytrain.planning.estimate import plan

EPOCHS, IMAGES, BATCH = 8, 256, 64
ASSUMED = "every layer loses 0.5 of its channels and the search ends after epoch 1"
OPTIONS = {**SMALL, "width": 0.125, "limit": IMAGES, "batch_size": BATCH, "epochs": EPOCHS, "l1": 0.0}


def vgg(width):
    return build("vgg16", classes=10, channels=1, size=16, width=width)


def epoch_flops(width):
    """Of one epoch of plain training, from the bill of its own network."""
    items = network_bill(vgg(width), (1, 16, 16)).training
    return sum(item.flops_per_image * IMAGES + item.flops_per_step * (IMAGES // BATCH) for item in items)


def test_a_dense_training_is_planned_to_the_flop():
    planned = plan({**OPTIONS, "method": "dense"})
    assert planned.ledger.flops() == EPOCHS * epoch_flops(0.125) and planned.assumed == ""


def test_of_a_ticket_half_of_each_layer_and_an_eighth_of_the_schedule_are_assumed():
    planned = plan({**OPTIONS, "method": "eb-ff", "prune_ratio": 0.5})
    search = epoch_flops(0.125) + mask_work(vgg(0.125)).flops_per_step
    # Half of the channels of every layer is a network of half the width.
    assert planned.ledger.flops("search") == search
    assert planned.ledger.flops("retrain") == (EPOCHS - 1) * epoch_flops(0.0625)
    assert planned.assumed == ASSUMED
    assert planned.networks["search"] == () and dict(planned.networks["retrain"])
    narrow = plan({**OPTIONS, "method": "eb-ff", "prune_ratio": 0.9, "align": "8"})
    assert {kept for _, kept in narrow.networks["retrain"]} == {8}, "never less than the alignment"


def test_a_control_is_planned_from_the_plan_of_what_it_matches():
    ticket = plan({**OPTIONS, "method": "eb-ff"})
    small = plan({**OPTIONS, "method": "small-dense"}, matched=ticket)
    assert small.spec.width == pytest.approx(0.0625, rel=0.02) and small.assumed == ticket.assumed
    assert small.ledger.flops() == pytest.approx(EPOCHS * epoch_flops(0.0625), rel=0.02)
    short = plan({**OPTIONS, "method": "dense-short"}, matched=ticket)
    assert short.spec.epochs == ticket.ledger.flops() // epoch_flops(0.125)
    assert short.ledger.flops() <= ticket.ledger.flops()
    with pytest.raises(UsageError, match="no finished run that drew a ticket"):
        plan({**OPTIONS, "method": "small-dense"}, matched=plan({**OPTIONS, "method": "dense"}))
