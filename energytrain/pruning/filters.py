"""Filter norms of the layers behind the prunable units, and masks that prune every layer by a share of its own."""

import math
from typing import Any, Dict, Mapping, Optional, Union

import torch
from torch import Tensor, nn

from ..errors import UsageError, unknown
from ..models.units import units_of, unwrapped
from .masks import Mask, drop_lowest, rankable

Rates = Union[float, Mapping[str, float]]
"""The share of filters to drop: one for all units that have a producer, or by unit."""
ROUNDINGS = ("down", "up")
# n x rate is a whole number for many rates that no binary fraction equals (100 x 0.29); its float may lie just beside.
_SLACK = 1e-9


def filter_norms(model: nn.Module, order: int) -> Dict[str, Tensor]:
    """The L1 (`order` 1) or L2 (`order` 2) norm of every filter, by unit, for the units that have a producer.

    A filter is all the weights of the producer that make one channel; its bias does not count. float32 or wider, on
    the weights' device.
    """
    if order not in (1, 2):
        raise ValueError(f"filters are ranked by their L1 or L2 norm, not by order {order}")
    network = unwrapped(model)
    norms = {}
    for unit in units_of(network):
        if unit.producer is not None:
            weight: Any = network.get_submodule(unit.producer).weight
            flat = weight.detach().flatten(1)
            wide = torch.promote_types(flat.dtype, torch.float32)
            norms[unit.name] = torch.linalg.vector_norm(flat, order, dim=1, dtype=wide)
    return norms


def per_layer_mask(
    scores: Mapping[str, Tensor],
    rates: Rates,
    model: nn.Module,
    *,
    rounding: str = "down",
    of: Optional[Mapping[str, int]] = None,
) -> Mask:
    """Drop the filters with the lowest scores, in each unit as many as `per_layer_counts` says.

    Among equal scores the earlier position is dropped first. Raises UsageError as `per_layer_counts` does, RunFailed
    for a score that is not finite.
    """
    counts = per_layer_counts(model, rates, rounding=rounding, of=of)
    ranked = {}
    if scores:
        sizes = [values.numel() for values in scores.values()]
        ranked = dict(zip(scores, rankable(scores, "filters").split(sizes)))
    mask: Mask = {}
    for unit in units_of(unwrapped(model)):
        drop = unit.channels - counts[unit.name]
        if drop and ranked[unit.name].numel() != unit.channels:
            raise ValueError(f"'{unit.name}' has {unit.channels} filters and {ranked[unit.name].numel()} scores")
        whole = torch.ones(unit.channels, dtype=torch.bool)
        mask[unit.name] = drop_lowest(ranked[unit.name], [unit.channels], drop) if drop else whole
    return mask


def per_layer_counts(
    model: nn.Module, rates: Rates, *, rounding: str = "down", of: Optional[Mapping[str, int]] = None
) -> Dict[str, int]:
    """How many channels each unit keeps when n x rate of its n are dropped; it depends on no weight.

    rounding: of n x rate. "down" drops int(n x rate) (He et al. 2018); "up" keeps int(n x (1 - rate)), which is what
    the published sizes of Li et al. 2017 are (`filter_rates`). of: widths by unit that the rates are shares of, for a
    network that was narrowed before; its own where left out. A unit never loses its last channel, and one without a
    producer or without a rate is kept whole. Raises UsageError for a rate outside [0, 1) or of no unit of the network.
    """
    if rounding not in ROUNDINGS:
        raise unknown("rounding", rounding, ROUNDINGS)
    units = units_of(unwrapped(model))
    by_unit = rates if isinstance(rates, Mapping) else {unit.name: rates for unit in units}
    for name, rate in by_unit.items():
        if not (math.isfinite(rate) and 0.0 <= rate < 1.0):
            raise UsageError(f"the pruning rate of '{name}' is {rate}.", "Give 0 or more, below 1.")
    strangers = sorted(set(by_unit) - {unit.name for unit in units})
    if strangers:
        raise UsageError(f"there is a pruning rate for '{strangers[0]}', which this network does not have.")
    counts = {}
    for unit in units:
        width = unit.channels if of is None else of[unit.name]
        rate = 0.0 if unit.producer is None else by_unit.get(unit.name, 0.0)
        counts[unit.name] = min(unit.channels, max(1, width - _rounded(width * rate, rounding)))
    return counts


def _rounded(exact: float, rounding: str) -> int:
    return math.ceil(exact - _SLACK) if rounding == "up" else math.floor(exact + _SLACK)
