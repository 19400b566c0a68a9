"""Every network by name: the published parameter and channel counts, shapes, widths, start values, bad requests."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from energytrain.errors import UsageError
from energytrain.models.catalog import MODELS, build, default_bn_start
from energytrain.models.layers import scaled
from energytrain.models.units import units_of


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def bn_channels(model: nn.Module) -> int:
    return sum(m.num_features for m in model.modules() if isinstance(m, nn.BatchNorm2d))


@pytest.mark.parametrize(
    "name, classes, expected_parameters, expected_channels",
    [
        ("vgg16", 10, 14_724_042, 4224),
        ("vgg16", 100, 14_770_212, 4224),
        ("preresnet101", 10, 1_054_106, 7408),
        ("preresnet101", 100, 1_077_236, 7408),
        ("resnet18", 1000, 11_689_512, 4800),
        ("resnet50", 1000, 25_557_032, 26560),
        ("resnet20", 10, 269_722, None),
        ("resnet56", 10, 853_018, None),
    ],
)
def test_published_sizes(name, classes, expected_parameters, expected_channels):
    model = build(name, classes=classes)
    assert parameters(model) == expected_parameters
    if expected_channels is not None:
        assert bn_channels(model) == expected_channels


@pytest.mark.parametrize("depth, thousands", [(20, 271), (56, 852)])
def test_projection_shortcuts_have_the_published_weights(depth, thousands):
    """Renda et al. count convolution and classifier weights alone."""
    model = build(f"resnet{depth}", classes=10, shortcut="projection")
    norms = sum(2 * m.num_features for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    assert round((parameters(model) - norms) / 1000) == thousands


@pytest.mark.parametrize("name", ["vgg16", "vgg19", "preresnet101", "preresnet20"])
def test_all_channels_of_vgg_and_preresnet_are_prunable(name):
    model = build(name, classes=10)
    assert sum(unit.channels for unit in units_of(model)) == bn_channels(model)


@pytest.mark.parametrize("name", MODELS)
def test_every_network_trains_a_step_at_small_width(name):
    """Thirty-two pixels, and the 16 of the digits; gradients reach every parameter."""
    torch.manual_seed(0)
    for size, channels in ((32, 3), (16, 1)):
        model = build(name, classes=7, channels=channels, size=size, width=0.1)
        logits = model(torch.randn(4, channels, size, size))
        assert logits.shape == (4, 7)
        nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()
        assert [n for n, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", MODELS)
def test_bn_scales_start_where_asked(name):
    default = default_bn_start(name)
    assert default == (1.0 if name in ("resnet18", "resnet34", "resnet50") else 0.5)
    for start, expected in ((None, default), (0.3, 0.3)):
        for norm in build(name, classes=3, width=0.05, bn_start=start).modules():
            if isinstance(norm, nn.BatchNorm2d):
                assert torch.all(norm.weight == expected) and torch.all(norm.bias == 0)


@pytest.mark.parametrize("name", MODELS)
def test_every_unit_names_layers_of_its_width(name):
    model = build(name, classes=5, width=0.2)
    units = units_of(model)
    assert len({unit.name for unit in units}) == len(units) > 0
    for unit in units:
        assert model.get_submodule(unit.bn).num_features == unit.channels
        assert (unit.producer is None) != (unit.select is None)
        if unit.producer is not None:
            assert model.get_submodule(unit.producer).out_channels == unit.channels
        else:
            assert model.get_submodule(unit.select).channels == unit.channels
        for consumer in unit.consumers:
            assert model.get_submodule(consumer.module).weight.shape[1] == unit.channels * consumer.repeat


def test_widths_round_to_the_nearest_and_stay_above_zero():
    assert [scaled(16, w) for w in (1.0, 0.5, 0.46875, 0.26, 0.001)] == [16, 8, 8, 4, 1]
    assert parameters(build("vgg16", classes=10, width=0.5)) == 3_684_842


def test_full_width_resnet_has_torchvisions_own_state():
    keys = build("resnet18", classes=10).state_dict().keys()
    assert {"conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "layer4.1.bn2.running_var", "fc.bias"} <= keys
    assert build("resnet18", classes=10, width=0.5).state_dict().keys() == keys


def test_same_seed_same_weights():
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build("preresnet20", classes=10, width=0.5).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize(
    "arguments, words",
    [
        (dict(name="vgg-16"), "Did you mean 'vgg16'"),
        (dict(name="vgg16", size=8), "at least 16 px"),
        (dict(name="vgg16", width=0.0), "width multiplier"),
        (dict(name="vgg16", width=float("nan")), "width multiplier"),
        (dict(name="vgg16", classes=0), "0 classes"),
        (dict(name="resnet20", shortcut="B"), "unknown shortcut"),
        (dict(name="vgg16", shortcut="projection"), "no choice of shortcuts"),
    ],
)
def test_bad_requests(arguments, words):
    with pytest.raises(UsageError, match=words):
        build(**{"classes": 10, **arguments})


def test_names_cost_no_torch():
    code = "import sys, energytrain.models.catalog as c; assert len(c.MODELS) == 13; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"
