"""What rounding to block floating point costs beside the training step itself: FLOPs of the kind "quantise".

What `precision.low_precision` rounds: the output of every convolution and linear layer but the last, forward and
backward, and gradients, weights and momentum in each step. It moves no byte of its own, as results are rounded where
they are written; only fp32 master weights are read again to make their 8-bit copy.
"""

from typing import List, Sequence

from ..quantities.ledger import MATRIX_KINDS, WorkItem
from .layers import LayerShape

# Rounding one number: magnitude against the block's maximum (2), scale (1), add the random number (1), floor (1), clip
# (2), scale back (1). Drawing the random number is not counted.
QUANTISE_FLOPS = 8
ROUNDED_A_STEP = 3  # gradients, weights, momentum
COPY_BYTES = 4 + 1  # a master weight read, its 8-bit copy written


def boundary_items(shapes: Sequence[LayerShape], stages: Sequence[str]) -> List[WorkItem]:
    """Rounding of activations ("forward") and errors ("input_grad") where a layer ends."""
    layers = [shape for shape in shapes if shape.kind in MATRIX_KINDS and shape.weights][:-1]
    return [_item(shape.name, stage, per_image=QUANTISE_FLOPS * shape.outputs) for shape in layers for stage in stages]


def step_item(elements: int, master_weights: bool = False) -> WorkItem:
    """Rounding of `elements` gradients, weights and momenta in each step."""
    flops = QUANTISE_FLOPS * ROUNDED_A_STEP * elements
    return _item("optimiser", "update", per_step=flops, moved=COPY_BYTES * elements if master_weights else 0)


def _item(layer: str, stage: str, per_image: int = 0, per_step: int = 0, moved: int = 0) -> WorkItem:
    return WorkItem(
        layer=layer,
        kind="quantise",
        stage=stage,
        precision="fp32",
        flops_per_image=per_image,
        flops_per_step=per_step,
        bytes_per_step=moved,
        launches_per_step=0,
    )
