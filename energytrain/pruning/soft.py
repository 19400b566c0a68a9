"""Soft filter pruning: after an epoch the weakest filters of each layer become zero, and the next may revive them.

He, Kang, Dong, Fu and Yang, "Soft Filter Pruning for Accelerating Deep Convolutional Neural Networks", IJCAI 2018,
Section 3.2, and the authors' released code.
"""

from typing import Any, Optional

import torch
from torch import Tensor, nn

from ..models.units import units_of, unwrapped
from .filters import filter_norms, per_layer_mask
from .masks import Mask, check_fits, check_prune_ratio

# How far below zero, as a share of its bias, a silenced channel is put in evaluation: well above rounding errors.
_MARGIN = 1e-3
_LARGEST = 1e30  # a running mean that float32 can still be computed with


def soft_mask(model: nn.Module, ratio: float) -> Mask:
    """Drop the int(n x `ratio`) filters of lowest L2 norm of each of the units that have a producer.

    Raises UsageError for a ratio outside (0, 1), RunFailed for a norm that is not finite.
    """
    check_prune_ratio(ratio)
    return per_layer_mask(filter_norms(model, 2), ratio, model)


def zero_filters(model: nn.Module, mask: Mask) -> None:
    """Set the dropped filters to zero in place, so that in evaluation `model` computes what `rebuild` makes of it.

    Weights and bias of the convolution become 0, as in the authors' code. Behind a normalisation that alone leaves the
    channel at a constant, which a removal would take away. So the running variance becomes 0, as that of a filter of
    zeros is, and the running mean such that the channel ends just below zero, before the ReLU. This shows in
    evaluation only, and the running statistics follow the filter again in the next epoch.

    Scale and bias of the normalisation are learned and stay. In training, where the statistics are the batch's, a
    channel with a positive bias still passes a gradient to its filter. Were the bias 0 as well, the ReLU would pass
    none, and with a scale of 0, no parameter of the channel would ever get one. Only where there is no scale or there
    are no running statistics to work with does the bias become 0.

    The optimiser is not touched: the authors keep the momentum too, and it revives the filters that get no gradient.
    Raises UsageError where the mask is of another network.
    """
    network = unwrapped(model)
    units = units_of(network)
    check_fits({unit.name: unit.channels for unit in units}, {name: kept.numel() for name, kept in mask.items()})
    for unit in units:
        if unit.producer is None or bool(mask[unit.name].all()):
            continue
        producer: Any = network.get_submodule(unit.producer)
        dropped = ~mask[unit.name].to(producer.weight.device)
        with torch.no_grad():
            producer.weight[dropped] = 0.0
            if producer.bias is not None:
                producer.bias[dropped] = 0.0
            _silence(network.get_submodule(unit.bn), dropped)


def _silence(norm: Any, dropped: Tensor) -> None:
    """Let a normalisation give at most 0 in evaluation for channels whose input is 0."""
    mean: Optional[Tensor] = norm.running_mean
    if not norm.affine:
        if mean is not None:
            mean[dropped] = 0.0
        return
    if mean is None:
        norm.bias[dropped] = 0.0
        return
    norm.running_var[dropped] = 0.0
    mean[dropped] = 0.0
    # Where the bias is above 0: scale (0 - mean) / sqrt(0 + eps) + bias = -_MARGIN x bias.
    loud = dropped & (norm.bias > 0.0)
    wanted = norm.bias * (1.0 + _MARGIN) * norm.eps**0.5 / norm.weight
    shifted = loud & (wanted.abs() < _LARGEST)
    mean[shifted] = wanted[shifted].to(mean.dtype)
    norm.bias[loud & ~shifted] = 0.0
