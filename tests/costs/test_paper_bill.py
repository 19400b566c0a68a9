"""The paper's own bill against the cells of its Tables 2 and 3 that were not used to derive it."""

import pytest

from energytrain.costs.bill import network_bill
from energytrain.costs.paper_bill import METHODS, epochs_of, rounded_flops, training_flops
from energytrain.models.catalog import build

VGG16, PRERESNET101 = 630_000_000, 310_000_000
CIFAR = 50_000
IMAGENET = 1_281_167


@pytest.mark.parametrize("name, flops", [("vgg16", VGG16), ("preresnet101", PRERESNET101)])
def test_the_networks_flops_are_rounded_as_in_the_paper(name, flops):
    assert rounded_flops(network_bill(build(name, classes=10), (3, 32, 32)).macs) == flops


def test_rounding_takes_halves_up():
    assert [rounded_flops(macs) for macs in (2_499_999, 2_500_000, 5_000_000)] == [0, 10_000_000, 10_000_000]


@pytest.mark.parametrize(
    "method, flops, printed",
    [("lt", PRERESNET101, 14.9), ("snip", PRERESNET101, 7.40), ("lt", VGG16, 30.3), ("snip", VGG16, 15.1)],
)
def test_table_2_unpruned_cells(method, flops, printed):
    dense, pruned = epochs_of(method)
    assert pruned == 0
    assert training_flops(CIFAR, flops, dense) / 1e15 == pytest.approx(printed, abs=0.061)


@pytest.mark.parametrize("ratio, printed", [(0.3, 22.6), (0.5, 19.0), (0.7, 16.6)])
def test_table_2_thinet_on_vgg16(ratio, printed):
    pruned = rounded_flops(round((1 - ratio) ** 2 * VGG16 / 2))
    assert training_flops(CIFAR, VGG16, *_pair("thinet", pruned)) / 1e15 == pytest.approx(printed, abs=0.1)


@pytest.mark.parametrize("flops, printed", [(3.64e9, 1259.13), (8.21e9, 2839.96)])
def test_table_3_unpruned(flops, printed):
    assert round(training_flops(IMAGENET, round(flops), 90) / 1e15, 2) == printed


@pytest.mark.parametrize("pruned, printed", [(3.37e9, 2424.86), (2.63e9, 2168.89)])
def test_table_3_network_slimming(pruned, printed):
    total = training_flops(IMAGENET, 3_640_000_000, 90, round(pruned), 90)
    assert total / 1e15 == pytest.approx(printed, abs=0.02)


@pytest.mark.parametrize("pruned, printed", [(4.88e9, 4358.53), (3.41e9, 3850.03), (2.20e9, 3431.48)])
def test_table_3_thinet_has_the_dense_cost_of_its_own_paper(pruned, printed):
    assert round(training_flops(IMAGENET, 7_720_000_000, 90, round(pruned), 90) / 1e15, 2) == printed


@pytest.mark.parametrize("pruned, printed", [(3.37e9, 1177.15), (2.63e9, 952.46)])
def test_table_3_early_bird_resnet18(pruned, printed):
    dense_epochs, pruned_epochs = epochs_of("eb-ff", 90, 11)
    total = training_flops(IMAGENET, 3_640_000_000, dense_epochs, round(pruned), pruned_epochs)
    assert total / 1e15 == pytest.approx(printed, abs=0.02)


def test_epochs_of_each_method():
    assert {method: epochs_of(method, 160, 20) for method in METHODS} == {
        "dense": (160, 0),
        "lt": (320, 0),
        "snip": (160, 0),
        "ns": (160, 160),
        "thinet": (160, 160),
        "eb-ff": (20, 140),
        "eb-reinit": (20, 160),
    }


def test_a_method_that_the_table_lacks_is_an_error():
    with pytest.raises(ValueError, match="sfp"):
        epochs_of("sfp")


def _pair(method, pruned):
    dense_epochs, pruned_epochs = epochs_of(method)
    return dense_epochs, pruned, pruned_epochs
