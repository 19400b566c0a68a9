"""The layout of weights follows from the setting, never from where a tensor came from."""

from typing import Tuple

import pytest
import torch
from torch import nn

from energytrain.precision.memory_format import lay_out
from energytrain.training.optimiser import make_sgd

SHAPES = [(8, 4, 3, 3), (8, 1, 3, 3), (8, 4, 1, 1), (1, 4, 3, 3), (8, 4)]


def _histories(shape: Tuple[int, ...]) -> "list[torch.Tensor]":
    """The same numbers, laid out in every way a weight may have come to be."""
    plain = torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape)
    sliced = torch.stack([plain, plain], dim=-1)[..., 0]
    layouts = [plain, plain.t().contiguous().t() if len(shape) == 2 else plain, sliced]
    if len(shape) == 4:
        layouts.append(plain.contiguous(memory_format=torch.channels_last))
        layouts.append(torch.empty(shape, memory_format=torch.channels_last).copy_(plain))
        layouts.append(plain.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0))
    return layouts


def _holder(weight: torch.Tensor) -> nn.Module:
    holder = nn.Module()
    holder.weight = nn.Parameter(weight.clone(memory_format=torch.preserve_format))
    holder.weight.data = weight
    holder.register_buffer("running", weight)
    return holder


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_history_ends_in_the_same_strides_and_numbers(shape: Tuple[int, ...], channels_last: bool) -> None:
    found = set()
    for weight in _histories(shape):
        holder = _holder(weight)
        parameter = holder.weight
        lay_out(holder, channels_last)
        assert holder.weight is parameter
        assert torch.equal(parameter, _histories(shape)[0])
        assert torch.equal(holder.running, _histories(shape)[0])
        found.add((parameter.stride(), holder.running.stride()))
    memory_format = torch.channels_last if channels_last and len(shape) == 4 else torch.contiguous_format
    canonical = torch.empty(shape, memory_format=memory_format).stride()
    assert found == {(canonical, canonical)}


def test_what_lies_right_is_not_copied() -> None:
    layer = nn.Conv2d(3, 4, 3)
    before = layer.weight.data_ptr()
    layer.weight.grad = torch.ones_like(layer.weight)
    lay_out(layer, False)
    assert layer.weight.data_ptr() == before
    assert layer.weight.grad is not None
    lay_out(layer, True)
    assert layer.weight.grad is None


def test_momentum_moves_with_its_weight() -> None:
    """A fused update walks both without looking at strides: laid out apart, channels would be mixed up."""
    updated = []
    for momentum_format in (torch.channels_last, torch.contiguous_format):
        torch.manual_seed(0)
        layer = nn.Conv2d(4, 8, 3, bias=False)
        optimiser = make_sgd(layer, lr=0.1)
        lay_out(layer, True, optimiser)
        gradient = torch.randn(8, 4, 3, 3).to(memory_format=torch.channels_last)
        layer.weight.grad = gradient.clone()
        optimiser.step()
        state = optimiser.state[layer.weight]
        state["momentum_buffer"] = state["momentum_buffer"].contiguous(memory_format=momentum_format)
        lay_out(layer, True, optimiser)
        layer.weight.grad = gradient.clone()
        optimiser.step()
        updated.append(layer.weight.detach().clone())
    assert torch.equal(*updated)
