"""Cutting tensors and layers: which entries of which parameter a ticket keeps, and making a network that narrow.

A plan maps a state_dict key to its cuts. The same plan narrows weights, running statistics, a selection's index and the
optimiser's momentum.
"""

from typing import Any, Dict, List, Mapping, Tuple

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..models.units import PrunableUnit, units_of

Cut = Tuple[int, Tensor]
"""(dimension, kept positions as int64)."""
Plan = Dict[str, List[Cut]]


def plan_cuts(model: nn.Module, kept: Mapping[str, Tensor]) -> Plan:
    """The cuts that keep positions `kept` of every unit of `model`; units kept whole have none.

    Raises UsageError where a layer's shape contradicts its unit, or a convolution is grouped.
    """
    plan: Plan = {}
    for unit in units_of(model):
        positions = kept[unit.name]
        if positions.numel() == unit.channels:
            continue
        own = [(unit.bn, leaf) for leaf in ("weight", "bias", "running_mean", "running_var")]
        if unit.producer is not None:
            own += [(unit.producer, "weight"), (unit.producer, "bias")]
        if unit.select is not None:
            own.append((unit.select, "index"))
        for path, leaf in own:
            _add_cut(plan, model, unit, path, leaf, 0, positions, 1)
        for consumer in unit.consumers:
            _add_cut(plan, model, unit, consumer.module, "weight", 1, positions, consumer.repeat)
    return plan


def cut(tensor: Tensor, cuts: List[Cut]) -> Tensor:
    """A copy of the kept entries, in the tensor's own memory format."""
    kept = tensor.detach()
    for dimension, positions in cuts:
        kept = kept.index_select(dimension, positions.to(kept.device))
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        kept = kept.contiguous(memory_format=torch.channels_last)
    return kept


def narrow(model: nn.Module, plan: Plan) -> None:
    """Carry the plan out in place: narrower parameters and buffers (gradients dropped), and the layers' own sizes."""
    for key, cuts in plan.items():
        path, _, leaf = key.rpartition(".")
        layer: Any = model.get_submodule(path)
        old = getattr(layer, leaf)
        new = cut(old, cuts)
        setattr(layer, leaf, nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new)
        if leaf == "weight":
            _set_sizes(layer)


def _set_sizes(layer: Any) -> None:
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
    elif hasattr(layer, "num_features"):
        layer.num_features = layer.weight.shape[0]
    else:
        layer.out_channels, layer.in_channels = layer.weight.shape[:2]


def _add_cut(
    plan: Plan, model: nn.Module, unit: PrunableUnit, path: str, leaf: str, dimension: int, kept: Tensor, repeat: int
) -> None:
    layer: Any = model.get_submodule(path)
    tensor = getattr(layer, leaf, None)
    if not isinstance(tensor, Tensor):
        return  # no bias, no affine parameters or no running statistics
    if getattr(layer, "groups", 1) != 1:
        raise UsageError(f"'{path}' is a grouped convolution and cannot be narrowed.", f"Take unit '{unit.name}' out.")
    if tensor.shape[dimension] != unit.channels * repeat:
        raise UsageError(
            f"unit '{unit.name}' declares {unit.channels} channels, but '{path}' has {tensor.shape[dimension]}.",
            "Correct the network's prunable_units().",
        )
    if repeat > 1:
        kept = (kept.unsqueeze(1) * repeat + torch.arange(repeat)).flatten()
    plan.setdefault(f"{path}.{leaf}", []).append((dimension, kept))
