"""Counting one image: the published multiply-adds of every network, names, what is refused, what is left alone."""

import logging
import warnings

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from energytrain.costs.layers import fvcore_total, layer_shapes, matrix_macs
from energytrain.errors import UsageError
from energytrain.models.catalog import build


@pytest.mark.parametrize(
    "name, classes, size, macs, total",
    [
        ("vgg16", 10, 32, 313_201_664, 313_754_624),
        ("vgg16", 100, 32, 313_247_744, 313_800_704),
        ("preresnet101", 10, 32, 154_061_312, 157_968_896),
        ("preresnet101", 100, 32, 154_084_352, 157_991_936),
        ("resnet18", 1000, 224, 1_814_073_344, 1_819_065_856),
        ("resnet50", 1000, 224, 4_089_184_256, 4_111_512_576),
        ("resnet20", 10, 32, 40_551_040, None),
        ("resnet56", 10, 32, 125_485_696, None),
    ],
)
def test_published_multiply_adds(name, classes, size, macs, total):
    shapes = layer_shapes(build(name, classes=classes, size=size), (3, size, size))
    assert matrix_macs(shapes) == macs
    if total is not None:
        assert fvcore_total(shapes) == total


@pytest.mark.parametrize("name", ["vgg16", "preresnet20", "resnet20", "resnet18"])
def test_the_total_is_what_fvcore_itself_says(name):
    model = build(name, classes=10, width=0.25).eval()
    expected = FlopCountAnalysis(model, torch.zeros(1, 3, 32, 32)).unsupported_ops_warnings(False).total()
    assert fvcore_total(layer_shapes(model, (3, 32, 32))) == expected


def test_a_layer_is_named_by_its_module_and_an_operator_of_a_block_by_block_and_operator():
    shapes = layer_shapes(build("preresnet20", classes=10), (3, 32, 32))
    modules = dict(build("preresnet20", classes=10).named_modules())
    names = [shape.name for shape in shapes]
    assert len(set(names)) == len(names)
    for shape in shapes:
        if shape.kind in ("conv", "linear"):
            assert isinstance(modules[shape.name], (nn.Conv2d, nn.Linear))
    sums = [shape for shape in shapes if shape.operator == "add"]
    assert sums and all(shape.name.endswith(".add") and shape.name[: -len(".add")] in modules for shape in sums)


def test_a_module_used_twice_has_two_entries():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x):
            return self.linear(torch.relu(self.linear(x.flatten(1))))

    names = [shape.name for shape in layer_shapes(Twice(), (4, 1, 1))]
    assert names == ["linear", "relu", "linear#2"]


def test_only_the_layer_that_reads_the_image_needs_no_input_gradient():
    shapes = layer_shapes(build("preresnet20", classes=10), (3, 32, 32))
    matrix = [shape for shape in shapes if shape.kind in ("conv", "linear")]
    assert [any(shape.input_needs_grad) for shape in matrix] == [False] + [True] * (len(matrix) - 1)


def test_nothing_flows_back_into_a_frozen_beginning():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    model[0].requires_grad_(False)
    first, second, third = (shape for shape in layer_shapes(model, (3, 9, 9)) if shape.kind == "conv")
    assert (first.input_needs_grad, first.weights_need_grad) == ((False,), False)
    assert (second.input_needs_grad, second.weights_need_grad) == ((False,), True)
    assert third.input_needs_grad == (True,)


def test_elements_of_a_grouped_convolution_by_hand():
    (shape,) = layer_shapes(nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=4), (8, 10, 10))
    assert shape.macs == 16 * 5 * 5 * (8 // 4) * 9
    assert (shape.inputs, shape.outputs, shape.weights) == ((800,), 400, 16 * 2 * 9 + 16)


def test_a_convolution_with_same_padding_is_counted_like_any_other():
    same = layer_shapes(nn.Conv2d(3, 4, 3, padding="same"), (3, 8, 8))
    plain = layer_shapes(nn.Conv2d(3, 4, 3, padding=1), (3, 8, 8))
    assert matrix_macs(same) == matrix_macs(plain) == 4 * 3 * 9 * 64


class _Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.LSTM(4, 4, batch_first=True)

    def forward(self, x):
        return self.body(x.flatten(2).transpose(1, 2))[0]


class _Attention(nn.Module):
    def forward(self, x):
        flat = x.flatten(2)
        return nn.functional.scaled_dot_product_attention(flat, flat, flat)


class _Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x @ x.transpose(-1, -2)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class _OwnOperator(nn.Module):
    def forward(self, x):
        return _Own.apply(x)


UNCOUNTED = [(_Lstm(), "lstm"), (_OwnOperator(), "_Own")]
if hasattr(nn.functional, "scaled_dot_product_attention"):  # torch 2.0 brought it
    UNCOUNTED.append((_Attention(), "scaled_dot_product_attention"))


@pytest.mark.parametrize("model, operator", UNCOUNTED)
def test_work_that_cannot_be_counted_is_refused_by_name(model, operator):
    with pytest.raises(UsageError, match=rf"{operator}.* in module '1"):
        layer_shapes(nn.Sequential(nn.Conv2d(3, 4, 1), model), (3, 4, 4))


def test_counting_is_silent(caplog):
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        layer_shapes(build("vgg16", classes=10, width=0.25), (3, 32, 32))
    assert caplog.records == []


def test_counting_leaves_the_model_and_the_random_state_alone():
    class Noisy(nn.Module):
        def forward(self, x):
            return x + torch.randn_like(x)

    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.ReLU(), nn.Conv2d(4, 2, 3))
    model.train()
    model[1].eval()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    random_state = torch.get_rng_state()
    with torch.no_grad():
        layer_shapes(model, (3, 12, 12))
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(model[0].weight.grad, torch.ones_like(model[0].weight)) and model[4].weight.grad is None
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random_state)
    with pytest.raises(UsageError, match="randn_like"):
        layer_shapes(nn.Sequential(Noisy()), (3, 4, 4))
    assert torch.equal(torch.get_rng_state(), random_state)


def test_gradients_are_seen_inside_no_grad_and_inference_mode():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3))
    expected = layer_shapes(model, (3, 9, 9))
    assert expected[1].input_needs_grad == (True,)
    with torch.no_grad():
        assert layer_shapes(model, (3, 9, 9)) == expected
    with torch.inference_mode():
        assert layer_shapes(model, (3, 9, 9)) == expected
