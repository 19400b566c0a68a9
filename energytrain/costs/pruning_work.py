"""The work of pruning single weights: masking their gradients, ranking them, and SNIP's saliency, as work items."""

from typing import Tuple

from ..quantities.ledger import MATRIX_KINDS, NetworkBill, WorkItem
from .bill import mask_item, sort_levels

# |g w| and its normalisation, FLOPs a weight: product, magnitude, sum, division. Bytes: each of the four reads its
# operands and, but for the sum, writes its result, all fp32.
SALIENCY_FLOPS = 4
SALIENCY_TRAFFIC = 3 + 2 + 1 + 2


def gradient_mask_work(elements: int) -> WorkItem:
    """Multiplying the gradients of `elements` weights by their mask, once a step.

    One multiplication an element. It reads gradient and mask and writes the gradient, all fp32, in one launch.
    """
    return mask_item("gradient mask", elements, 3 * 4 * elements)


def ranking_work(elements: int) -> WorkItem:
    """Ranking `elements` scores over all layers and marking what is kept: spend it with as many steps as rankings.

    As `bill.mask_work` counts it, without the distance: N magnitudes and N log2 N comparisons to sort them (rounded up
    to whole levels), whatever finds the threshold sooner. The sort passes over its keys once a level; a mark is a byte.
    """
    levels = sort_levels(elements)
    return mask_item("ranking", elements * (levels + 1), elements * (4 + 8 * levels + 1), 3)


def saliency_items(bill: NetworkBill) -> Tuple[WorkItem, ...]:
    """What SNIP's look at a batch costs: spend it with the batch's images and one step.

    A forward and a backward pass, so `bill.training` without the update and the L1 penalty; and once |g w| and its
    normalisation for every parameter. Biases and normalisations count among these although none of theirs is ranked:
    they are some thousandths, and a bill does not set them apart.
    """
    passes = tuple(item for item in bill.training if item.kind not in ("optimiser", "l1", "mask"))
    layers = sum(item.kind in MATRIX_KINDS and item.stage == "weight_grad" for item in passes)
    elements = bill.parameters
    scored = mask_item("saliency", SALIENCY_FLOPS * elements, SALIENCY_TRAFFIC * 4 * elements, SALIENCY_FLOPS * layers)
    return (*passes, scored)
