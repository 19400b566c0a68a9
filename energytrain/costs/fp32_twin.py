"""Work in emulated block floating point (bfp8) as it would be in fp32: what its time and its ratio are taken from.

No chip of a profile computes in bfp8. Its work differs from that in fp32 in four things: one byte for four in the
operands of convolutions and linear layers, the same in what the update reads and writes (unless the weights have an
fp32 master copy), FLOPs of another kind, and the rounding that fp32 does without. Needs no torch.
"""

from dataclasses import replace
from typing import Iterable, Tuple

from ..quantities.ledger import WorkItem

EMULATED = "bfp8"
ROUNDING = "quantise"  # the kind of the items that round
WIDER = 4  # bytes in fp32 for each byte in bfp8


def is_emulated(items: Iterable[WorkItem]) -> bool:
    """Whether some of the work is in emulated precision."""
    return any(item.precision == EMULATED for item in items)


def fp32_twin(items: Iterable[WorkItem]) -> Tuple[WorkItem, ...]:
    """The same work in fp32, to the FLOP and the byte: of a bfp8 bill that of `network_bill(precision="fp32")`.

    `items` are those of one network, as one bill has them: its optimiser's items are of bfp8 where others are. Work
    that is not emulated is returned as it is.
    """
    items = tuple(items)
    if not is_emulated(items):
        return items
    # Rounding moves no bytes of its own but where it makes the 8-bit copy of fp32 master weights.
    masters = any(item.kind == ROUNDING and item.bytes_per_step for item in items)
    return tuple(_widened(item, masters) for item in items if item.kind != ROUNDING)


def _widened(item: WorkItem, masters: bool) -> WorkItem:
    if item.precision != EMULATED and (item.kind != "optimiser" or masters):
        return item
    return replace(
        item,
        precision="fp32" if item.precision == EMULATED else item.precision,
        bytes_per_image=WIDER * item.bytes_per_image,
        bytes_per_step=WIDER * item.bytes_per_step,
    )
