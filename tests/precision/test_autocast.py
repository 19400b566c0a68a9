"""What each precision means: which tensors change their type, and what is refused."""

import pytest
import torch

from energytrain.errors import UsageError
from energytrain.precision.autocast import autocast, describe, gpu_has_bf16
from energytrain.precision.defaults import PRECISIONS, check_precision, default_channels_last, default_precision

CPU = torch.device("cpu")


def _types(precision: str) -> "tuple[torch.dtype, torch.dtype, torch.dtype]":
    layer = torch.nn.Conv2d(3, 4, 3)
    with autocast(precision, CPU):
        activation = layer(torch.randn(2, 3, 8, 8))
    activation.float().sum().backward()
    assert layer.weight.grad is not None
    return activation.dtype, layer.weight.dtype, layer.weight.grad.dtype


def test_fp32_changes_nothing() -> None:
    assert _types("fp32") == (torch.float32,) * 3


def test_bf16_computes_in_bfloat16_and_keeps_weights_and_gradients() -> None:
    assert _types("bf16") == (torch.bfloat16, torch.float32, torch.float32)


def test_one_context_serves_every_step() -> None:
    context = autocast("bf16", CPU)
    for _ in range(3):
        with context:
            assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype is torch.bfloat16
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype is torch.float32


def test_an_unknown_precision_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="Did you mean 'bf16'"):
        autocast("bf61", CPU)
    with pytest.raises(UsageError):
        describe("fp64", CPU)
    assert [check_precision(name) for name in PRECISIONS] == list(PRECISIONS)


@pytest.mark.parametrize(("capability", "has"), [((6, 2), False), ((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_bf16_needs_an_ampere_gpu(capability: "tuple[int, int]", has: bool) -> None:
    assert gpu_has_bf16(capability) is has


def test_the_arithmetic_is_named() -> None:
    assert describe("fp32", CPU) == "fp32"
    assert describe("bf16", CPU).startswith("bf16 autocast")


def test_defaults_per_device() -> None:
    assert [default_precision(compute) for compute in ("cpu", "cuda")] == ["fp32", "fp32"]
    assert default_channels_last("cpu", "fp32") and default_channels_last("cpu", "bf16")
    assert default_channels_last("cuda", "bf16") and not default_channels_last("cuda", "fp32")
