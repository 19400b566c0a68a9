"""SNIP: how much the loss of one batch hangs on each weight or channel, before any training (Lee et al. 2019)."""

import copy
import math
from typing import Dict

import torch
from torch import Tensor, nn

from ..errors import RunFailed
from ..models.units import PrunableUnit, units_of, unwrapped
from .weight_masks import weight_names


def snip_scores(
    model: nn.Module, images: Tensor, labels: Tensor, *, linear: bool = True, skip_ends: bool = False
) -> Dict[str, Tensor]:
    """The connection sensitivities |g w| of `weight_names(model, ...)`, divided by their sum (Lee et al. 2019, Eq. 6).

    g is the gradient of the mean cross-entropy of one batch, with batch statistics: images (N, C, H, W), labels (N,).
    All is computed on a copy, so that weights, gradients, running statistics and mode of `model` stay. The scores are
    of the weights' shapes, type and device. Raises RunFailed where no weight matters to the loss or the loss is not
    finite.
    """
    network = copy.deepcopy(unwrapped(model))
    weights = dict(network.named_parameters())
    names = weight_names(network, linear=linear, skip_ends=skip_ends)
    for name in names:
        weights[name].requires_grad_(True)
    network.train()
    device = next(network.parameters()).device
    with torch.enable_grad():
        logits = network(images.to(device))
        nn.functional.cross_entropy(logits.float(), labels.to(device)).backward()
    return _normalised({name: _sensitivity(weights[name]) for name in names})


def snip_channel_scores(model: nn.Module, images: Tensor, labels: Tensor) -> Dict[str, Tensor]:
    """The sensitivities of all weights of each channel, summed, by prunable unit; they sum to 1 as well.

    A channel's weights are the filter that makes it; where a unit selects from a stream, what its readers have for it.
    The magnitudes are summed: in front of a normalisation with batch statistics the loss does not change with a
    filter's scale, so that the signed g w of a filter sum to about 0, however much it matters.
    Raises as `snip_scores`, and UsageError where the network declares no units.
    """
    units = units_of(unwrapped(model))
    scores = snip_scores(model, images, labels)
    return _normalised({unit.name: _of_channels(unit, scores) for unit in units})


def _of_channels(unit: PrunableUnit, scores: Dict[str, Tensor]) -> Tensor:
    if unit.producer is not None:
        return scores[f"{unit.producer}.weight"].reshape(unit.channels, -1).sum(1)
    read = [scores[f"{consumer.module}.weight"].transpose(0, 1) for consumer in unit.consumers]
    return torch.stack([inputs.reshape(unit.channels, -1).sum(1) for inputs in read]).sum(0)


def _sensitivity(weight: Tensor) -> Tensor:
    """|g w|; zeros for a weight that the loss does not hang on."""
    if weight.grad is None:
        return torch.zeros_like(weight, requires_grad=False)
    return (weight.grad * weight.detach()).abs_()


def _normalised(scores: Dict[str, Tensor]) -> Dict[str, Tensor]:
    total = float(torch.stack([values.sum(dtype=torch.float64) for values in scores.values()]).sum()) if scores else 0.0
    if not math.isfinite(total):
        raise RunFailed("weights cannot be ranked: a saliency is not finite.", "Look at the start and the images.")
    if total == 0.0:
        raise RunFailed("weights cannot be ranked: the loss of the batch hangs on none of them.", "Start afresh.")
    return {name: values / total for name, values in scores.items()}
