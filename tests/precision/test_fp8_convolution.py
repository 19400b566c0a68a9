"""Convolutions and linear layers in FP8, forward and backward: against FP8 by hand, and against float32."""

import math
from typing import Any, Callable, List, Tuple

import pytest
import torch
from fakes import fp8_arithmetic as by_hand
from fakes.fp8_arithmetic import needs_fp8
from torch.nn import functional
from torch.nn.grad import conv2d_input, conv2d_weight

from energytrain.precision.fp8_convolution import Geometry, fp8_conv2d, fp8_linear

pytestmark = needs_fp8

# (input channels, output channels, kernel, stride, padding, dilation, height, width)
CASES = {
    "3x3": (16, 32, (3, 3), (1, 1), (1, 1), (1, 1), 8, 8),
    "odd channels": (5, 7, (3, 3), (1, 1), (1, 1), (1, 1), 7, 9),
    "many odd channels": (37, 50, (3, 3), (1, 1), (1, 1), (1, 1), 4, 4),
    "stride": (20, 33, (3, 3), (2, 2), (1, 1), (1, 1), 9, 8),
    "1x1": (16, 24, (1, 1), (1, 1), (0, 0), (1, 1), 4, 4),
    "1x1, stride": (8, 8, (1, 1), (2, 2), (0, 0), (1, 1), 8, 7),
    "1x1, padding beyond the kernel": (8, 8, (1, 1), (1, 1), (2, 1), (1, 1), 5, 5),
    "no padding": (3, 4, (5, 5), (1, 1), (0, 0), (1, 1), 11, 6),
    "dilation": (6, 10, (3, 3), (1, 1), (2, 2), (2, 2), 8, 8),
    "everything at once": (8, 9, (3, 2), (1, 2), (2, 1), (2, 3), 9, 10),
    "one point": (32, 16, (3, 3), (1, 1), (1, 1), (1, 1), 1, 1),
}

Op = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Layer:
    """A convolution of random numbers with its error, and the three products of it as functions of their operands."""

    def __init__(self, case: str, images: int = 3) -> None:
        inputs, outputs, kernel, self.stride, self.padding, self.dilation, height, width = CASES[case]
        torch.manual_seed(len(case))
        self.x = torch.randn(images, inputs, height, width)
        self.w = 0.1 * torch.randn(outputs, inputs, *kernel)
        (top, left) = self.padding
        self.geometry = Geometry(self.stride, ((top, top), (left, left)), self.dilation)
        self.options = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        self.error = 1e-4 * torch.randn_like(self.forward(self.x, self.w))

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(x, w, **self.options)  # type: ignore[arg-type]

    def input_grad(self, error: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return conv2d_input(self.x.shape, w, error, **self.options)  # type: ignore[arg-type]

    def weight_grad(self, error: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return conv2d_weight(x, self.w.shape, error, **self.options)  # type: ignore[arg-type]

    def products(self) -> List[Tuple[Op, Tuple[torch.Tensor, str], Tuple[torch.Tensor, str]]]:
        x, w, error = (self.x, "e4m3"), (self.w, "e4m3"), (self.error, "e5m2")
        return [(self.forward, x, w), (self.input_grad, error, w), (self.weight_grad, error, x)]


def in_fp8(layer: Layer, **options: Any) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x, w = layer.x.clone().requires_grad_(), layer.w.clone().requires_grad_()
    y = fp8_conv2d(x, w, None, layer.geometry, options.get("out_dtype", torch.float32))
    y.backward(layer.error.to(y.dtype))
    assert x.grad is not None and w.grad is not None
    return y.detach(), x.grad, w.grad


@pytest.mark.parametrize("case", CASES)
def test_forward_and_backward_are_the_products_of_the_rounded_operands(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    noted = by_hand.strict(monkeypatch)
    layer = Layer(case)
    for found, (op, (a, a_form), (b, b_form)) in zip(in_fp8(layer), layer.products()):
        a_rounded, b_rounded = by_hand.rounded(a, a_form), by_hand.rounded(b, b_form)
        exact, magnitude = op(a_rounded, b_rounded), op(a_rounded.abs(), b_rounded.abs())
        terms = max(product.shared for product in noted)
        assert found.shape == exact.shape
        assert torch.all((found.double() - exact).abs() <= terms * 2.0**-24 * magnitude)
    forward, *backward = noted
    assert forward.types == (torch.float8_e4m3fn,) * 2
    assert [product.types for product in backward] == [(torch.float8_e5m2, torch.float8_e4m3fn)] * 2


@pytest.mark.parametrize("case", CASES)
def test_they_are_as_near_to_float32_as_the_formats_allow(case: str) -> None:
    layer = Layer(case)
    for found, (op, (a, a_form), (b, b_form)) in zip(in_fp8(layer), layer.products()):
        a_off, b_off = by_hand.most_wrong(a, a_form), by_hand.most_wrong(b, b_form)
        a_size, b_size = a.double().abs(), b.double().abs()
        bound = op(a_off, b_size) + op(a_size, b_off) + op(a_off, b_off)
        exact = op(a.double(), b.double())
        assert torch.all((found.double() - exact).abs() <= 1.001 * bound + 1e-30)
        # Roundings are independent: their mean square is far below the bound, yet it is no float32.
        relative = ((found.double() - exact).norm() / exact.norm()).item()
        assert 0.002 < relative < by_hand.UNIT[a_form]


def test_a_bias_is_added_and_has_its_gradient() -> None:
    layer = Layer("odd channels")
    bias = torch.randn(7, requires_grad=True)
    with_bias = fp8_conv2d(layer.x, layer.w, bias, layer.geometry, torch.float32)
    without = fp8_conv2d(layer.x, layer.w, None, layer.geometry, torch.float32)
    assert torch.equal(with_bias, without + bias[:, None, None])
    with_bias.backward(layer.error)
    torch.testing.assert_close(bias.grad, layer.error.sum((0, 2, 3)))


def test_padding_may_differ_before_and_after() -> None:
    layer = Layer("odd channels")
    apart = fp8_conv2d(layer.x, layer.w, None, Geometry(padding=((0, 2), (1, 0))), torch.float32)
    padded = functional.pad(layer.x, (1, 0, 0, 2))
    assert torch.equal(apart, fp8_conv2d(padded, layer.w, None, Geometry(), torch.float32))


@pytest.mark.parametrize("case", ["3x3", "odd channels", "stride"])
def test_the_layout_in_memory_changes_no_number(case: str) -> None:
    layer = Layer(case)
    results = in_fp8(layer)
    layer.x = layer.x.contiguous(memory_format=torch.channels_last)
    layer.w = layer.w.contiguous(memory_format=torch.channels_last)
    for found, before in zip(in_fp8(layer), results):
        assert torch.equal(found, before)
        assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_a_weights_gradient_lies_in_memory_as_the_weight(layout: torch.memory_format) -> None:
    layer = Layer("odd channels")
    weight = torch.nn.Parameter(layer.w.contiguous(memory_format=layout))
    fp8_conv2d(layer.x, weight, None, layer.geometry).sum().backward()
    assert weight.grad is not None and weight.grad.stride() == weight.stride()
    assert weight.grad.dtype is torch.float32


@pytest.mark.parametrize("case", ["3x3", "odd channels", "stride"])
def test_between_layers_numbers_are_bf16_and_rounded_once(case: str) -> None:
    layer = Layer(case)
    layer.x, layer.error = layer.x.bfloat16().float(), layer.error.bfloat16().float()
    exact = in_fp8(layer)
    layer.x = layer.x.bfloat16()
    found = in_fp8(layer, out_dtype=torch.bfloat16)
    assert [result.dtype for result in found] == [torch.bfloat16, torch.bfloat16, torch.float32]
    for result, wide in zip(found[:2], exact[:2]):
        assert torch.all((result.double() - wide.double()).abs() <= 2.0**-8 * wide.double().abs() + 1e-6 * wide.norm())
    assert torch.equal(found[2], exact[2])


@pytest.mark.parametrize("shape", [(8, 20), (3, 20), (2, 5, 20), (1, 20)])
def test_a_linear_layer_of_any_shape(monkeypatch: pytest.MonkeyPatch, shape: "tuple[int, ...]") -> None:
    by_hand.strict(monkeypatch)
    torch.manual_seed(2)
    x, w, bias = torch.randn(shape, requires_grad=True), torch.randn(10, 20, requires_grad=True), torch.randn(10)
    y = fp8_linear(x, w, bias, torch.float32)
    error = torch.randn_like(y)
    y.backward(error)
    x_hand, w_hand, e_hand = by_hand.rounded(x, "e4m3"), by_hand.rounded(w, "e4m3"), by_hand.rounded(error, "e5m2")
    torch.testing.assert_close(y.double(), x_hand @ w_hand.t() + bias, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(x.grad, (e_hand @ w_hand).float(), atol=1e-4, rtol=1e-5)
    together = e_hand.flatten(0, -2).t() @ x_hand.flatten(0, -2)
    torch.testing.assert_close(w.grad, together.float(), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("where", ["x", "w", "error"])
@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_what_is_not_finite_shows_in_the_results(where: str, bad: float) -> None:
    layer = Layer("odd channels")
    getattr(layer, where).view(-1)[3] = bad
    y, x_grad, w_grad = in_fp8(layer)
    assert torch.isnan(y).any() == (where != "error")
    assert torch.isnan(x_grad).any() == (where != "x")
    assert torch.isnan(w_grad).any() == (where != "w")


@pytest.mark.parametrize("case", ["3x3", "stride"])
def test_zeros_give_zeros(case: str) -> None:
    layer = Layer(case)
    layer.x.zero_()
    layer.error.zero_()
    assert not any(result.any() for result in in_fp8(layer))


def test_products_whose_result_nobody_wants_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = by_hand.strict(monkeypatch)
    layer = Layer("3x3")
    wanted: List[int] = []
    for x_grad, w_grad in ((True, False), (False, True)):
        x, w = layer.x.clone().requires_grad_(x_grad), layer.w.clone().requires_grad_(w_grad)
        fp8_conv2d(x, w, None, layer.geometry).sum().backward()
        wanted.append(len(noted))
        assert (x.grad is None, w.grad is None) == (not x_grad, not w_grad)
    assert wanted == [2, 4]


def test_for_the_backward_pass_a_byte_is_kept_for_each_number() -> None:
    kept: List[torch.Tensor] = []
    layer = Layer("3x3")
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        fp8_conv2d(layer.x.requires_grad_(), layer.w, None, layer.geometry)
    images, inputs, height, width = layer.x.shape
    expected = images * inputs * (height + 2) * (width + 2) + layer.w.numel() + 2 * 4
    assert sum(tensor.numel() * tensor.element_size() for tensor in kept) == expected


def test_no_gradient_of_a_gradient_is_made_up() -> None:
    layer = Layer("1x1")
    weight = layer.w.requires_grad_()
    loss = fp8_conv2d(layer.x, weight, None, layer.geometry).float().square().sum()
    (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable|does not require grad"):
        gradient.sum().backward()
