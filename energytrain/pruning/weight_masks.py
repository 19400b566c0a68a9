"""Single weights, kept or dropped: global masks, and holding what is dropped at exactly zero while training goes on.

Such a mask leaves every layer as wide as it is, so dense hardware saves nothing by it.
"""

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.optim import Optimizer

from ..errors import UsageError
from ..models.units import units_of, unwrapped
from .masks import Mask, check_fits, check_prune_ratio, drop_lowest, rankable

WeightMask = Dict[str, Tensor]
"""By parameter name (of the unwrapped model) a bool tensor of the parameter's shape, on the CPU; True is kept."""

_HINT = "Build the model, width and data set that the mask was drawn with."
_DAMAGED = "Give the bits and shapes that were written together."


def weight_names(model: nn.Module, *, linear: bool = False, skip_ends: bool = False) -> Tuple[str, ...]:
    """The weights of the convolutions and, with `linear`, of the linear layers, in the order of the modules.

    `skip_ends` leaves out the first convolution and the last layer of either kind ("The sooner the better",
    appendix A). Biases and normalisations are never among them.
    """
    network = unwrapped(model)
    own = dict(network.named_parameters())
    layers = []
    for path, layer in network.named_modules():
        name = f"{path}.weight" if path else "weight"
        if isinstance(layer, (_ConvNd, nn.Linear)) and name in own:
            layers.append((name, isinstance(layer, _ConvNd)))
    convolutions = [name for name, convolution in layers if convolution]
    ends = {layers[-1][0], *convolutions[:1]} if skip_ends and layers else set()
    return tuple(name for name, convolution in layers if (convolution or linear) and name not in ends)


def magnitude_mask(
    model: nn.Module, prune_ratio: float, names: Optional[Sequence[str]] = None, within: Optional[WeightMask] = None
) -> WeightMask:
    """`global_weight_mask` of the magnitudes of `names`; by default of all convolutions (Frankle & Carbin 2019, as the
    Early-Bird paper compares with it).

    Raises UsageError for a name that is no parameter of `model`.
    """
    own = dict(unwrapped(model).named_parameters())
    scores = {}
    for name in weight_names(model) if names is None else names:
        if name not in own:
            raise UsageError(f"the network has no weights '{name}'.", _HINT)
        scores[name] = own[name].detach().abs()
    return global_weight_mask(scores, prune_ratio, within)


def global_weight_mask(
    scores: Mapping[str, Tensor], prune_ratio: float, within: Optional[WeightMask] = None
) -> WeightMask:
    """Drop the int(N x `prune_ratio`) weights with the lowest scores of all N, over all layers together.

    Ties and the guard are those of `masks.global_mask`: the earlier of equals goes first, a layer never loses its last
    weight. What `within` has dropped stays dropped and counts among the int(N x `prune_ratio`); nothing comes back
    where it drops more than these. Raises UsageError for a ratio outside (0, 1) or a `within` of other layers,
    RunFailed for a score that is not finite.
    """
    check_prune_ratio(prune_ratio)
    if not scores:
        raise UsageError("the network has no weights that could be pruned.", "Use a network with convolutions.")
    shapes = {name: tuple(values.shape) for name, values in scores.items()}
    sizes = [values.numel() for values in scores.values()]
    flat = rankable(scores, "weights")
    drop = int(flat.numel() * prune_ratio)
    if within is not None:
        _check_shapes(shapes, within, complete=True)
        gone = ~torch.cat([within[name].reshape(-1).cpu() for name in scores])
        flat[gone] = -math.inf
        drop = max(drop, int(gone.sum()))
    kept = drop_lowest(flat, sizes, drop).split(sizes)
    return {name: part.view(shapes[name]) for name, part in zip(scores, kept)}


def channel_weight_mask(model: nn.Module, mask: Mask) -> WeightMask:
    """A channel mask as one of BN scales and biases: held at zero, they silence the channels of a dense network.

    Raises UsageError where the mask is of another network.
    """
    network = unwrapped(model)
    units = units_of(network)
    check_fits({unit.name: unit.channels for unit in units}, {name: kept.numel() for name, kept in mask.items()})
    own = dict(network.named_parameters())
    names = [(f"{unit.bn}.{leaf}", mask[unit.name]) for unit in units for leaf in ("weight", "bias")]
    return {name: kept.cpu().clone() for name, kept in names if name in own}


def apply_weight_mask(model: nn.Module, mask: WeightMask) -> None:
    """Set the dropped weights to zero in place. Raises UsageError where the mask is of another network."""
    check_weights_fit(model, mask)
    own = dict(unwrapped(model).named_parameters())
    with torch.no_grad():
        for name, kept in mask.items():
            own[name].masked_fill_(~kept.to(own[name].device), 0.0)


def clear_momentum(optimiser: Optimizer, model: nn.Module, mask: WeightMask) -> None:
    """Zero what `optimiser` remembers of the dropped weights: every buffer of a parameter's shape, such as momentum.

    Raises UsageError where the mask is of another network.
    """
    check_weights_fit(model, mask)
    own = dict(unwrapped(model).named_parameters())
    for name, kept in mask.items():
        for value in optimiser.state.get(own[name], {}).values():
            if isinstance(value, Tensor) and value.shape == kept.shape:
                value.masked_fill_(~kept.to(value.device), 0.0)


class GradientMask:
    """Called between backward pass and update, it sets the gradients of the dropped weights to zero.

    Weights that `apply_weight_mask` and momentum that `clear_momentum` set to zero then stay exactly zero under SGD
    and Adam: weight decay of zero is zero. One multiplication an element of the mask, in one launch, and no waiting
    for the device. A gradient that is not finite stays so, and the training loop ends on it.

    Raises UsageError where the mask is of another network, and, when called, where no masked weight has a gradient.
    """

    def __init__(self, model: nn.Module, mask: WeightMask) -> None:
        check_weights_fit(model, mask)
        own = dict(unwrapped(model).named_parameters())
        self._parameters = [own[name] for name in mask]
        self._factors = [_as(own[name], kept) for name, kept in mask.items()]

    def __call__(self) -> None:
        gradients: List[Tensor] = []
        factors: List[Tensor] = []
        for index, parameter in enumerate(self._parameters):
            gradient = parameter.grad
            if gradient is None:
                continue
            factor = self._factors[index]
            if (factor.stride(), factor.dtype, factor.device) != (gradient.stride(), gradient.dtype, gradient.device):
                # The network was moved or laid out anew since: a loop does that once, before its first step.
                factor = self._factors[index] = _as(gradient, factor)
            gradients.append(gradient)
            factors.append(factor)
        if not self._parameters:
            return
        if not gradients:
            raise UsageError("no masked weight has a gradient yet.", "Call it after backward(), before the step.")
        torch._foreach_mul_(gradients, factors)


def masked_counts(mask: WeightMask) -> Dict[str, Tuple[int, int]]:
    """(kept, total) weights of every layer."""
    return {name: (int(kept.sum()), kept.numel()) for name, kept in mask.items()}


def pack_mask(mask: WeightMask) -> Tuple[Dict[str, Tensor], Dict[str, List[int]]]:
    """The mask as (uint8 tensors of eight weights a byte, by name; the shapes as JSON), for a safetensors file."""
    bits = {name: torch.from_numpy(np.packbits(kept.cpu().reshape(-1).numpy())) for name, kept in mask.items()}
    return bits, {name: list(kept.shape) for name, kept in mask.items()}


def unpack_mask(bits: Mapping[str, Tensor], shapes: Any) -> WeightMask:
    """What `pack_mask` gave, back as a mask. Raises UsageError where the two do not belong together."""
    if not isinstance(shapes, dict) or set(shapes) != set(bits):
        raise UsageError("the weight mask is unsound: its shapes name other layers than its bits.", _DAMAGED)
    mask = {}
    for name, shape in shapes.items():
        if not (isinstance(shape, list) and shape and all(type(size) is int and size > 0 for size in shape)):
            raise UsageError(f"the weight mask is unsound: '{name}' has the shape {shape}.", _DAMAGED)
        packed, count = bits[name], math.prod(shape)
        if packed.dtype != torch.uint8 or tuple(packed.shape) != (-(-count // 8),):
            raise UsageError(f"the weight mask is unsound: '{name}' is not {count} packed bits.", _DAMAGED)
        unpacked = np.unpackbits(packed.cpu().numpy())
        if unpacked[count:].any():
            raise UsageError(f"the weight mask is unsound: '{name}' has more than {count} bits.", _DAMAGED)
        mask[name] = torch.from_numpy(unpacked[:count].astype(bool)).view(shape)
    return mask


def check_weights_fit(model: nn.Module, mask: WeightMask) -> None:
    """Raise UsageError unless every entry of `mask` is a bool tensor of the shape of a parameter of `model`."""
    _check_shapes({name: tuple(own.shape) for name, own in unwrapped(model).named_parameters()}, mask, complete=False)


def _check_shapes(network: Mapping[str, Tuple[int, ...]], mask: WeightMask, complete: bool) -> None:
    for name, kept in mask.items():
        if network.get(name) != tuple(kept.shape) or kept.dtype != torch.bool:
            have = f"weights of shape {network[name]}" if name in network else "no such weights"
            raise UsageError(
                f"the weight mask does not fit this network: at '{name}' the network has {have}, "
                f"the mask {kept.dtype} of shape {tuple(kept.shape)}.",
                _HINT,
            )
    for name in network if complete else ():
        if name not in mask:
            raise UsageError(f"the weight mask does not fit this network: it has no '{name}'.", _HINT)


def _as(tensor: Tensor, kept: Tensor) -> Tensor:
    """`kept` as factors in the type, on the device and with the strides of `tensor`."""
    return torch.empty_like(tensor, requires_grad=False).copy_(kept)
