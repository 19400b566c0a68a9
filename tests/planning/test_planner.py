"""Plans of many methods: what is assumed, what is left out, shorter schedules, ImageNet without a file of it."""

import pytest

from energytrain.costs.bill import network_bill
from energytrain.costs.memory import remembering
from energytrain.data.catalog import load
from energytrain.errors import UsageError
from energytrain.methods.catalog import METHODS
from energytrain.models.catalog import build
from energytrain.models.units import units_of
from energytrain.planning.account import planned_result
from energytrain.planning.estimate import Found
from energytrain.planning.planner import Planner, methods_named
from energytrain.pruning.ticket import Ticket
from energytrain.runs.result import profile_of

CIFAR = {"dataset": "cifar10", "model": "preresnet20", "device": "tx2", "compute": "cpu", "epochs": 16}


def test_the_names_of_methods():
    assert methods_named([]) == ["dense", "eb-ff"]
    assert methods_named(["all"]) == list(METHODS)
    assert methods_named(["lt,eb-ff", "lt"]) == ["lt", "eb-ff"]
    with pytest.raises(UsageError, match="Did you mean 'thinet'"):
        methods_named(["thinnet"])


def test_every_method_has_a_plan_without_a_file_of_the_data():
    with remembering():
        planner = Planner(CIFAR, Found(4))
        plans, left = planner.all(methods_named(["all"]), [0.5])
        results = [planned_result(plan, profile_of("tx2"), planner.networks) for plan in plans]
    assert left == [] and [plan.spec.method for plan in plans] == list(METHODS)
    assert all(result["useful"]["energy"]["provenance"] == "modelled" for result in results)
    assert all(result["useful"]["energy"]["joules"] > 0 for result in results)
    draws = {result["spec"]["method"]: result["plan"]["draw_epoch"] for result in results}
    assert draws["eb-ff"] == draws["eb-ll"] == 4 and draws["lt"] is None and draws["ns"] is None
    lt = next(result for result in results if result["spec"]["method"] == "lt")
    assert lt["plan"]["epochs"] == 32 and lt["plan"]["assumed"] == ""
    # What goes by layer assumes nothing of its channels.
    assert {r["spec"]["method"] for r in results if "every layer" in r["plan"]["assumed"]} == {
        "eb-ff",
        "eb-lf",
        "eb-ll",
        "eb-reinit",
        "random-ticket",
        "small-dense",
        "dense-short",
        "ns",
    }


def test_imagenet_is_known_by_its_size():
    planner = Planner({"dataset": "imagenet", "model": "resnet18", "device": "tx2", "compute": "cpu"}, Found())
    plan = planner.plan("dense", None)
    assert (plan.data.train_images, plan.data.size, plan.data.classes) == (1_281_167, 224, 1000)
    assert plan.spec.epochs == 90 and plan.spec.batch_size == 256
    macs = 1_814_073_344  # of torchvision's ResNet18 at 224 pixels
    assert network_bill(plan.phases[-1].network, (3, 224, 224)).macs == macs
    # Six FLOPs for each multiply-add and image, but for the gradient that the first layer does not pass to the image.
    stem = 64 * 3 * 7 * 7 * 112 * 112
    assert plan.phases[0].work[0][1] == 1_281_167 * 90
    assert plan.phases[0].images == 1_281_167 * 90
    found = planned_result(plan, None)
    assert found["useful"]["matrix_flops"] == 1_281_167 * 90 * (6 * macs - 2 * stem)
    assert found["useful"]["energy"]["joules"] is None
    with pytest.raises(UsageError, match="--dataset folder --data-dir DIR"):
        load("imagenet")


def test_a_ticket_is_planned_as_it_is_and_what_it_does_not_fit_is_left_out():
    widths = {unit.name: unit.channels for unit in units_of(build("preresnet20", classes=10))}
    kept = {name: tuple(range(1 + number % 3)) for number, name in enumerate(widths)}
    ticket = Ticket(kept, widths, 0.9, draw_epoch=5)
    planner = Planner(CIFAR, Found(ticket=ticket))
    plans, left = planner.all(["dense", "eb-ff", "lt"], [])
    assert [plan.spec.method for plan in plans] == ["dense", "eb-ff"] and [one.method for one in left] == ["lt"]
    eb = plans[1]
    assert eb.ratio == 0.9 and eb.assumed == "" and dict(eb.networks["retrain"]) == ticket.kept_counts
    assert [one.epochs for one in eb.phases] == [5, 0, 11]
    with pytest.raises(UsageError, match="does not fit this network"):
        Planner({**CIFAR, "width": 0.5}, Found(ticket=ticket)).all(["eb-ff"], [])
    with pytest.raises(UsageError, match="draw epoch 17 lies after the 16 epochs"):
        Planner(CIFAR, Found(17)).all(["eb-ff"], [])


def test_a_shorter_schedule_keeps_its_shape():
    options = {**CIFAR, "milestones": "8,12", "retrain_epochs": 8, "retrain": "lr-rewind"}
    planner = Planner(options, Found(4))
    whole, half = planner.plan("eb-ff", 0.5), planner.plan("eb-ff", 0.5, 8)
    assert whole.spec.milestones == (8, 12) and half.spec.milestones == (4, 6)
    assert [one.epochs for one in whole.phases] == [4, 0, 8] and [one.epochs for one in half.phases] == [2, 0, 4]


def test_a_precision_that_this_machine_lacks_can_be_planned():
    plan = Planner({**CIFAR, "precision": "fp8"}, Found()).plan("dense", None)
    assert {"fp8_e4m3", "fp8_e5m2"} <= set(plan.ledger.by_precision())


def test_a_control_is_as_wide_as_the_network_that_is_counted():
    """The width is found without tracing a network for each candidate."""
    planner = Planner(CIFAR, Found(4))
    small, ticket = planner.plan("small-dense", 0.5), planner.plan("eb-ff", 0.5)
    ours, theirs = (network_bill(one.phases[-1].network, (3, 32, 32)).macs for one in (small, ticket))
    assert ours == pytest.approx(theirs, rel=0.03)
    assert small.reference == ticket.spec and small.ratio == 0.5
