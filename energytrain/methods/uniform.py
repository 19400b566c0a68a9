"""Kept channels where no ticket is known: the same share of every layer. What plans and outlooks assume."""

from typing import Dict, Mapping

from torch import nn

from ..models.units import units_of
from ..pruning.filter_rates import rates_named
from ..pruning.filters import per_layer_counts
from ..runs.spec import RunSpec
from .phases import Prune

BY_LAYER = ("thinet", "l1-filters", "l2-filters")  # criteria that prune every layer by its own share


def uniform_kept(spec: RunSpec, phase: Prune, dense: nn.Module) -> Mapping[str, int]:
    """Kept channels by unit of `dense`: the same share of every layer, which for those that go `BY_LAYER` is what they
    do; or the published rates. What goes by a ranking of the whole network is aligned."""
    ratio = spec.prune_ratio if phase.prune_ratio is None else phase.prune_ratio
    if spec.filter_rates is not None:
        return per_layer_counts(dense, rates_named(spec.model, spec.filter_rates), rounding="up")
    if phase.choose in ("l1-filters", "l2-filters"):
        return per_layer_counts(dense, ratio)
    align = 1 if phase.choose in BY_LAYER else spec.align
    kept: Dict[str, int] = {unit.name: _kept(unit.channels, ratio, align) for unit in units_of(dense)}
    return kept


def _kept(width: int, ratio: float, align: int) -> int:
    """Of one layer, as near to its share as whole multiples of `align` allow."""
    exact = max(1, width - int(ratio * width))
    return max(min(align, width), min(width, round(exact / align) * align))
