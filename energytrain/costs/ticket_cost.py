"""Multiply-adds of a network as a function of its kept channels, without building it: what alignment steers by."""

from typing import Callable, Dict, List, Optional, Tuple

from ..models.units import PrunableUnit
from ..quantities.ledger import MATRIX_KINDS, NetworkBill


def macs_by_kept(bill: NetworkBill, units: Tuple[PrunableUnit, ...]) -> Callable[[Dict[str, int]], int]:
    """A function from kept channels by unit to the network's multiply-adds for one image.

    A convolution's multiply-adds are proportional to its input times its output channels; `bill` is the dense
    network's, `units` its prunable units. A unit that the argument leaves out counts whole.
    """
    width = {unit.name: unit.channels for unit in units}
    output = {unit.producer: unit.name for unit in units if unit.producer is not None}
    inputs = {consumer.module: unit.name for unit in units for consumer in unit.consumers}
    layers: List[Tuple[int, Optional[str], Optional[str]]] = [
        (item.flops_per_image // 2, inputs.get(item.layer), output.get(item.layer))
        for item in bill.evaluation
        if item.kind in MATRIX_KINDS
    ]

    def macs(kept: Dict[str, int]) -> int:
        total = 0
        for dense, before, after in layers:
            for unit in (before, after):
                if unit is not None:
                    dense = dense * kept.get(unit, width[unit]) // width[unit]
            total += dense
        return total

    return macs
