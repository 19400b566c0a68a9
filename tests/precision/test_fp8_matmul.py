"""Tensors in FP8 are what the formats' definitions say, and so are their products."""

import math

import pytest
import torch
from fakes import fp8_arithmetic as by_hand
from fakes.fp8_arithmetic import needs_fp8

from energytrain.precision.fp8_matmul import E4M3, E5M2, Scaled, multiply, padded, to_fp8

FORMS = {"e4m3": E4M3, "e5m2": E5M2}
pytestmark = needs_fp8


def values_of(scaled: Scaled) -> torch.Tensor:
    return scaled.codes.view(getattr(torch, scaled.form.dtype)).double() * scaled.scale.double()


def cast(values: torch.Tensor, form: str) -> Scaled:
    return to_fp8(values, FORMS[form], [(0, 0)] * values.dim())


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [1e-25, 1e-6, 1.0, 3e4, 1e30])
def test_every_number_is_rounded_once_to_the_nearest(form: str, dtype: torch.dtype, size: float) -> None:
    torch.manual_seed(0)
    spread = torch.exp2(torch.empty(4000).uniform_(-30, 0))  # down to where the formats end
    values = (torch.randn(4000) * spread * size).to(dtype)
    assert torch.equal(values_of(cast(values, form)), by_hand.rounded(values, form))
    assert torch.all((values_of(cast(values, form)) - values.double()).abs() <= by_hand.most_wrong(values, form))


@pytest.mark.parametrize("form", sorted(FORMS))
def test_the_scale_is_a_power_of_two_that_leaves_room_for_rounding_up(form: str) -> None:
    for largest in (1.0, 1.999999, 2.0, 3.1, 1e-10, 6e20):
        scaled = cast(torch.tensor([0.1 * largest, -largest]), form)
        assert math.frexp(scaled.scale.item())[0] == 0.5
        code = scaled.codes.view(getattr(torch, FORMS[form].dtype)).float().abs().max().item()
        assert FORMS[form].top <= code <= 2 * FORMS[form].top < torch.finfo(getattr(torch, FORMS[form].dtype)).max


@pytest.mark.parametrize("form", sorted(FORMS))
def test_zeros_and_the_smallest_numbers_have_a_finite_scale(form: str) -> None:
    for tiny in (0.0, 1e-45, 1e-38):
        scaled = cast(torch.tensor([tiny, -tiny / 2, 0.0]), form)
        assert 0 < scaled.scale.item() < math.inf
        assert torch.all(values_of(scaled).abs() <= (1 + by_hand.UNIT[form]) * tiny)
    zeros = cast(torch.zeros(16, 16), form)
    product = multiply(cast(torch.ones(3, 16), "e4m3"), zeros, torch.float32)
    assert torch.equal(product, torch.zeros(3, 16))


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_not_finite_stays_so_in_every_product(form: str, bad: float, dtype: torch.dtype) -> None:
    values = torch.ones(4, 16, dtype=dtype)
    values[1, 2] = bad
    for other in (torch.ones(16, 16), torch.zeros(16, 16)):
        product = multiply(cast(values, form), cast(other, "e4m3"), torch.float32)
        assert torch.isnan(product[1]).all()


def test_margins_are_zeros() -> None:
    torch.manual_seed(0)
    values = torch.randn(2, 5, 3)
    whole = values_of(to_fp8(values.transpose(1, 2), E4M3, ((0, 0), (1, 2), (0, 11))))
    assert whole.shape == (2, 6, 16)
    assert torch.equal(whole[:, 1:4, :5], by_hand.rounded(values, "e4m3").transpose(1, 2))
    whole[:, 1:4, :5] = 0
    assert not whole.any()


@pytest.mark.parametrize("forms", [("e4m3", "e4m3"), ("e5m2", "e4m3")])
@pytest.mark.parametrize("shared", [16, 5, 100])
@pytest.mark.parametrize("out", [torch.float32, torch.bfloat16])
def test_a_product_is_that_of_the_rounded_numbers(
    monkeypatch: pytest.MonkeyPatch, forms: "tuple[str, str]", shared: int, out: torch.dtype
) -> None:
    torch.manual_seed(1)
    by_hand.strict(monkeypatch)
    a, b = torch.randn(7, shared), 1e-3 * torch.randn(32, shared)
    product = multiply(cast(a, forms[0]), cast(b, forms[1]), out)
    assert product.dtype is out and product.shape == (7, 32)
    a_rounded, b_rounded = by_hand.rounded(a, forms[0]), by_hand.rounded(b, forms[1])
    summed = shared * 2.0**-24 * (a_rounded.abs() @ b_rounded.abs().t())
    exact = a_rounded @ b_rounded.t()
    last_place = exact.abs() * 2.0**-8 if out is torch.bfloat16 else 0.0
    assert torch.all((product.double() - exact).abs() <= 1.01 * (summed + last_place))


def test_sizes_are_rounded_up_to_sixteen() -> None:
    assert [padded(size) for size in (1, 16, 17, 64, 100)] == [16, 16, 32, 64, 112]
