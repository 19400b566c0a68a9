"""The work of pruning filters by their norms: ranking them layer by layer, and setting some to zero, as work items."""

from typing import Mapping, Tuple

from ..quantities.ledger import WorkItem
from .bill import mask_item, sort_levels

# A weight's share of its filter's norm: magnitude (or square) and addition. An L2 norm's root is left out.
NORM_FLOPS = 2
RANKING_LAUNCHES = 3
# Beside its weights a filter that is zeroed has, of its normalisation, the running mean and the running variance.
NORM_VALUES = 2

FilterSizes = Mapping[str, Tuple[int, int]]
"""(filters, weights a filter) of every unit that has a convolution of its own."""


def filter_ranking_work(sizes: FilterSizes) -> Tuple[WorkItem, ...]:
    """Norms of all filters and their ranking, an item a layer: spend it with as many steps as there are rankings.

    For n filters of w weights: 2 n w for the norms, n log2 n comparisons to sort them (rounded up to whole levels), as
    `bill.mask_work` counts it. It reads the weights, writes and reads the norms, passes over the keys once a level and
    writes a mark of one byte a filter. Nothing of this depends on the weights or on how many filters go.
    """
    items = []
    for name, (filters, weights) in sizes.items():
        levels = sort_levels(filters)
        flops, moved = filters * (NORM_FLOPS * weights + levels), filters * (4 * weights + 4 + 8 * levels + 1)
        items.append(mask_item(name, flops, moved, RANKING_LAUNCHES))
    return tuple(items)


def zeroing_work(sizes: FilterSizes, kept: Mapping[str, int]) -> Tuple[WorkItem, ...]:
    """Setting all but `kept` filters of each layer to zero, an item a layer that loses some; no FLOPs.

    It reads the mark of every filter and writes the dropped filters' weights and their normalisation's statistics. A
    layer that `kept` leaves out is kept whole. Spend it with as many steps as there are zeroings.
    """
    items = []
    for name, (filters, weights) in sizes.items():
        dropped = filters - kept.get(name, filters)
        if dropped:
            moved = filters + 4 * dropped * (weights + NORM_VALUES)
            items.append(mask_item(name, 0, moved, 1 + NORM_VALUES))
    return tuple(items)
