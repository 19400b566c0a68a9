"""The bill of training in native FP8, and which share of a network's matrix work really runs in it.

Of layers that run in FP8 (`precision.fp8`) the forward pass is e4m3 and both halves of the backward pass are e5m2;
everything else is as on the bill of bf16. FLOPs are the network's own: what padding to 16 channels adds is not counted.
Bringing tensors into FP8, gathering patches and transposing them are items of the kind "cast": FP8 saves time
where they cost less than the products do in bf16. Bytes follow the rule of `bill`, operator by operator as it runs.
"""

from dataclasses import dataclass, replace
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from torch import nn

from ..models.units import unwrapped
from ..quantities.ledger import MATRIX_KINDS, NetworkBill, WorkItem
from .bill import network_bill
from .layers import LayerShape, layer_shapes

FORWARD, BACKWARD = "fp8_e4m3", "fp8_e5m2"
NATIVE_SHARE = 0.9
# A number into FP8: compared for the least and the greatest, multiplied by the scale.
CAST_FLOPS = 3
# Its extremes 1, the scale of them 7, zeros 1, multiplication 1, rounding into place 1.
CAST_LAUNCHES = 11
_MODULE_OPERATORS = ("_convolution", "_convolution_mode", "linear")
_BF16, _FP32 = 2, 4  # bytes


@dataclass(frozen=True)
class Fp8Share:
    """Shares of the FLOPs of convolutions and linear layers in a training step, forward, input gradient and weight
    gradient counted apart. rest: (layer, share, reason) of what does not run in FP8."""

    e4m3: float
    e5m2: float
    rest: Tuple[Tuple[str, float, str], ...]

    @property
    def total(self) -> float:
        return self.e4m3 + self.e5m2

    @property
    def native(self) -> bool:
        """Whether nearly all of the work, at least 90 %, runs in FP8."""
        return self.total >= NATIVE_SHARE

    def __str__(self) -> str:
        word = "native" if self.native else f"not native, which begins with {NATIVE_SHARE:.0%}"
        return (
            f"FP8 runs {self.total:.1%} of the FLOPs of convolutions and linear layers "
            f"({self.e4m3:.1%} forward in e4m3, {self.e5m2:.1%} backward in e5m2): {word}"
        )


def fp8_share(bill: NetworkBill, layers: Mapping[str, Optional[str]]) -> Fp8Share:
    """What of `bill` (of `fp8_bill`) runs in FP8. layers: by name, None for one that does, else why it does not
    (`precision.fp8.fp8_layers`)."""
    items = [item for item in bill.training if item.kind in MATRIX_KINDS]
    total = sum(item.flops_per_image for item in items) or 1
    by_precision = {FORWARD: 0, BACKWARD: 0}
    rest: Dict[str, int] = {}
    for item in items:
        if item.precision in by_precision:
            by_precision[item.precision] += item.flops_per_image
        else:
            rest[item.layer] = rest.get(item.layer, 0) + item.flops_per_image
    return Fp8Share(
        by_precision[FORWARD] / total,
        by_precision[BACKWARD] / total,
        tuple((name, flops / total, _reason(name, layers)) for name, flops in rest.items()),
    )


def fp8_bill(
    model: nn.Module, input_shape: Sequence[int], layers: Mapping[str, Optional[str]], *, l1: bool = False
) -> NetworkBill:
    """The bill of `model` (`bill.network_bill`) where the `layers` of value None run in FP8; arguments as there."""
    bill = network_bill(model, input_shape, precision="bf16", l1=l1)
    modules = dict(unwrapped(model).named_modules())
    native = {
        shape.name: _native_items(shape, modules[_module(shape.name)])
        for shape in layer_shapes(model, input_shape)
        if shape.operator in _MODULE_OPERATORS and layers.get(_module(shape.name), "") is None
    }
    training: List[WorkItem] = []
    for item in bill.training:
        training.extend(native[item.layer][item.stage] if item.layer in native else [item])
    evaluation: List[WorkItem] = []
    for item in bill.evaluation:
        evaluation.extend(native[item.layer]["forward"] if item.layer in native else [item])
    return replace(bill, training=tuple(training), evaluation=tuple(evaluation))


def _reason(layer: str, layers: Mapping[str, Optional[str]]) -> str:
    return layers.get(_module(layer)) or "it is multiplied outside of any layer's own forward"


def _module(name: str) -> str:
    """The path of the module of a shape; a module that runs more than once has its later runs numbered."""
    return name.partition("#")[0]


def _native_items(shape: LayerShape, layer: nn.Module) -> Dict[str, List[WorkItem]]:
    """What a layer in FP8 does in each of its passes: the product, and what makes its operands."""
    if isinstance(layer, nn.Conv2d):
        outputs, inputs, (height, width) = layer.out_channels, layer.in_channels, layer.kernel_size
        area, strided = height * width, tuple(layer.stride) != (1, 1)
    else:
        assert isinstance(layer, nn.Linear)
        outputs, inputs, area, strided = layer.out_features, layer.in_features, 1, False
    weights, read, written = outputs * inputs * area, shape.inputs[0], shape.outputs
    patches = shape.macs // outputs
    gathered = read + patches if area > 1 or strided else 0
    forward = [
        _cast(shape, "forward", read, weights, gathered, 0, 1 if gathered else 0),
        _product(shape, "forward", FORWARD, patches + _BF16 * written, weights),
    ]
    # The error is cast once for both halves; booked with the weights' gradient, which every trained layer has.
    if strided:  # the gradient of every patch in fp32, added up in place and rounded to bf16
        product = written + _FP32 * patches
        moved, launches = 3 * _FP32 * patches + (_FP32 + _BF16) * read, area + 3
    else:
        errors = read // inputs * outputs * area
        product = errors + _BF16 * read
        moved, launches = (written + errors, 2) if area > 1 else (0, 1)
    input_grad = [
        _cast(shape, "input_grad", 0, 0, moved, 2 * weights, launches),
        _product(shape, "input_grad", BACKWARD, product, weights),
    ]
    moved = gathered + 2 * patches + 2 * written
    weight_grad = [
        _cast(shape, "weight_grad", written, 0, moved, 0, 3 if gathered else 2),
        _product(shape, "weight_grad", BACKWARD, patches + written, _FP32 * weights),
    ]
    return {"forward": forward, "input_grad": input_grad, "weight_grad": weight_grad}


def _product(shape: LayerShape, stage: str, precision: str, image_bytes: int, step_bytes: int) -> WorkItem:
    return WorkItem(
        layer=shape.name,
        kind=shape.kind,
        stage=stage,
        precision=precision,
        flops_per_image=2 * shape.macs,
        bytes_per_image=image_bytes,
        bytes_per_step=step_bytes,
    )


def _cast(
    shape: LayerShape, stage: str, activations: int, weights: int, image_bytes: int, step_bytes: int, launches: int
) -> WorkItem:
    """activations, weights: numbers brought into FP8, an image and a step; the bytes and launches come on top."""
    return WorkItem(
        layer=shape.name,
        kind="cast",
        stage=stage,
        precision="bf16",
        flops_per_image=CAST_FLOPS * activations,
        bytes_per_image=_cast_bytes(_BF16) * activations + image_bytes,
        flops_per_step=CAST_FLOPS * weights,
        bytes_per_step=_cast_bytes(_FP32) * weights + step_bytes,
        launches_per_step=CAST_LAUNCHES * (bool(activations) + bool(weights)) + launches,
    )


def _cast_bytes(element: int) -> int:
    """Read for its extremes; read, scaled and written; read and written as one byte."""
    return element + 2 * element + element + 1
