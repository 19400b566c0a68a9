"""How images and weights lie in memory: the layout follows from the setting alone, never from a tensor's history.

A weight that was built, loaded, sliced out of a larger one or written by an older torch may hold the same numbers in
another order of strides. That order decides which kernel runs, and so the last bits of the result; and the fused SGD
of torch 2.13 on the CPU walks weight and momentum side by side without looking at their strides, which silently
mixes up channels where they differ. `lay_out` makes every one of them the same before an epoch begins.
"""

import itertools
from typing import Optional

import torch


def image_format(channels_last: bool) -> torch.memory_format:
    return torch.channels_last if channels_last else torch.contiguous_format


def lay_out(model: torch.nn.Module, channels_last: bool, optimiser: Optional[torch.optim.Optimizer] = None) -> None:
    """Give every 4-dimensional weight, buffer and optimiser buffer the canonical strides of the format, in place.

    Other shapes become contiguous. Parameters stay the same objects. A gradient whose weight moved is dropped.
    """
    for parameter in model.parameters():
        laid = _laid(parameter.data, channels_last)
        if laid.stride() != parameter.stride():
            parameter.data = laid
            parameter.grad = None
    for buffer in model.buffers():
        laid = _laid(buffer.data, channels_last)
        if laid.stride() != buffer.stride():
            buffer.data = laid
    if optimiser is None:
        return
    for parameter in itertools.chain.from_iterable(group["params"] for group in optimiser.param_groups):
        state = optimiser.state.get(parameter, {})
        for key, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                state[key] = _laid(value, channels_last)


def _laid(tensor: torch.Tensor, channels_last: bool) -> torch.Tensor:
    """`tensor` itself where its strides are canonical, else a copy that has them.

    Strides are compared, not asked of is_contiguous: with one channel or a 1 x 1 kernel a tensor counts as both
    formats, yet kernels are chosen by its strides.
    """
    order = (0, 2, 3, 1) if channels_last and tensor.dim() == 4 else tuple(range(tensor.dim()))
    strides, step = [0] * tensor.dim(), 1
    for dimension in reversed(order):
        strides[dimension] = step
        step *= max(1, tensor.shape[dimension])
    if tensor.stride() == tuple(strides):
        return tensor
    return torch.empty_strided(tuple(tensor.shape), strides, dtype=tensor.dtype, device=tensor.device).copy_(tensor)
