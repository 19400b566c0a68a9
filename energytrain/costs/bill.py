"""The training bill: FLOPs and bytes of every layer in every pass, of the update, the L1 penalty and the mask.

FLOPs are exact integers; of convolutions and linear layers 2 x multiply-adds a pass: forward, input gradient (where
one is needed: not in the layer that reads the image) and weight gradient.

Bytes follow one simple rule: an operator reads each of its operands from main memory once and writes its result once,
nothing stays in a cache between two operators. Activations and their gradients count once an image, weights and
their gradients once a step. Not counted: the loss, augmentation, bias additions and views.
"""

from typing import Dict, List, Sequence, Tuple

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import unknown
from ..models.units import declares_units, units_of, unwrapped
from ..quantities.ledger import MATRIX_KINDS, PRECISIONS, NetworkBill, WorkItem
from .layers import LayerShape, layer_shapes, matrix_macs
from .memory import remembered
from .quantise_work import boundary_items, step_item

# Ioffe & Szegedy 2015, algorithm 1, FLOPs an element. Forward: mean 1; variance 3 (subtract, square, add);
# normalise 2; scale and shift 2. With fixed statistics all of it folds into one multiplication and one addition.
NORM_FORWARD = 8
NORM_EVALUATION = 2
# Backward: x^ is computed again (2) in both halves. Parameters: sum of dy (1), sum of dy x^ (2). Input:
# (gamma / sigma) (dy - mean(dy) - x^ mean(dy x^)): two multiplications, two subtractions.
NORM_WEIGHT_GRAD = 2 + 1 + 2
NORM_INPUT_GRAD = 2 + 4

# One parameter, one step of SGD: decay g += d w (2), momentum v = m v + g (2), step w -= lr v (2). Fused, as torch runs
# it where it can, it reads w, g, v and writes w, v, all parameters in one launch.
SGD_FLOPS = 6
SGD_TRAFFIC = 5
# One scale, one step of the L1 subgradient: sign, multiply, add. It reads scale and gradient, writes the gradient.
L1_FLOPS = 3
L1_TRAFFIC = 3
L1_LAUNCHES = 2

INDEX_BYTES = 8  # a maximum pooling keeps where each maximum stood, as int64

# Bytes of an element of a convolution's or linear layer's operands; of every other activation (methods with 8-bit
# block floating point keep normalisation and activation outputs in fp32); of the weights that the update works on
# (bfp8 keeps no fp32 master copy).
_MATRIX_BYTES: Dict[str, int] = {"fp32": 4, "bf16": 2, "bfp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1}
_OTHER_BYTES: Dict[str, int] = {"fp32": 4, "bf16": 2, "bfp8": 4, "fp8_e4m3": 2, "fp8_e5m2": 2}
_FP32_BYTES = 4
_MASTER_BYTES: Dict[str, int] = {"fp32": 4, "bf16": 4, "bfp8": 1, "fp8_e4m3": 4, "fp8_e5m2": 4}
_OTHER_PRECISION = {"fp32": "fp32", "bf16": "bf16", "bfp8": "fp32", "fp8_e4m3": "bf16", "fp8_e5m2": "bf16"}


def network_bill(
    model: nn.Module,
    input_shape: Sequence[int],
    *,
    precision: str = "fp32",
    master_weights: bool = False,
    l1: bool = False,
) -> NetworkBill:
    """What one image and one step of training `model` cost, and one image of evaluating it.

    input_shape: (channels, height, width) of one image. precision: of convolutions and linear layers; statistics of
    normalisations are fp32 in every case. master_weights: with bfp8, the update works on an fp32 copy. l1: adds the
    subgradient of an L1 penalty on the ranked scales.
    Raises UsageError for an unknown precision and for operators whose work is not known. Changes nothing of the model.
    """
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    asked = ("bill", tuple(input_shape), precision, master_weights, l1)
    return remembered(model, asked, lambda: _bill(model, input_shape, precision, master_weights, l1))


def _bill(model: nn.Module, input_shape: Sequence[int], precision: str, master_weights: bool, l1: bool) -> NetworkBill:
    shapes = layer_shapes(model, input_shape)
    training: List[WorkItem] = []
    for shape in shapes:
        training.append(_forward(shape, precision, training=True))
        training.extend(_backward(shape, precision))
    elements = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    training.append(_update(elements, _FP32_BYTES if master_weights else _MASTER_BYTES[precision]))
    if precision == "bfp8":
        training.extend(boundary_items(shapes, ("forward", "input_grad")))
        training.append(step_item(elements, master_weights))
    if l1:
        training.append(_l1_penalty(model))
    evaluation = [_forward(shape, precision, training=False) for shape in shapes if not shape.rule.training_only]
    if precision == "bfp8":
        evaluation.extend(boundary_items(shapes, ("forward",)))
    return NetworkBill(
        training=tuple(training),
        evaluation=tuple(evaluation),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        macs=matrix_macs(shapes),
    )


def mask_work(model: nn.Module) -> WorkItem:
    """Drawing one mask and its distance to the last, once an epoch: spend it with as many steps as masks are drawn.

    For N ranked channels: N magnitudes, N log2 N comparisons to sort them (rounded up to whole levels), N marks
    compared. The sort passes over its keys once a level; the two masks are one byte a channel.
    """
    channels = sum(ranked_channels(model))
    levels = sort_levels(channels)
    return mask_item("mask", channels * (levels + 2), channels * (4 + 8 * levels + 3), 4)


def sort_levels(count: int) -> int:
    """How often sorting `count` keys passes over them: log2, rounded up."""
    return max(count - 1, 0).bit_length()


def mask_item(layer: str, flops: int, moved: int, launches: int = 1) -> WorkItem:
    """Work of choosing or holding a mask, as often as it is spent with a step; `moved` in bytes."""
    return WorkItem(
        layer=layer,
        kind="mask",
        stage="mask",
        precision="fp32",
        flops_per_step=flops,
        bytes_per_step=moved,
        launches_per_step=launches,
    )


def ranked_channels(model: nn.Module) -> Tuple[int, ...]:
    """Channels of each normalisation whose scales a search ranks: the declared units', else every one with scales."""
    network = unwrapped(model)
    if declares_units(network):
        return tuple(unit.channels for unit in units_of(network))
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    return tuple(norm.num_features for norm in norms if norm.affine)


def _forward(shape: LayerShape, precision: str, training: bool) -> WorkItem:
    rule, element = shape.rule, _element_bytes(shape, precision)
    reads, flops, step_bytes, launches = sum(shape.inputs), rule.forward * shape.outputs, 4 * shape.weights, 1
    image_bytes = (reads + shape.outputs) * element
    if rule.family == "matrix":
        flops = 2 * shape.macs
        step_bytes, launches = _weight_read(shape, precision)
    elif rule.family == "norm":
        fresh = training or not rule.batch_statistics
        flops = shape.outputs * (NORM_FORWARD if fresh else NORM_EVALUATION)
        image_bytes = (reads * (2 if fresh else 1) + shape.outputs) * element
        step_bytes += 4 * shape.statistics * (2 if training else 1)
    elif rule.family in ("copy", "gather"):
        image_bytes = (min(reads, shape.outputs) + shape.outputs) * element
    elif rule.family == "window":
        flops = shape.outputs * _window_flops(shape)
        image_bytes += INDEX_BYTES * shape.outputs if training and rule.backward else 0
    elif rule.family == "reduce":
        flops = rule.forward * reads
    return WorkItem(
        layer=shape.name,
        kind=shape.kind,
        stage="forward",
        precision=_precision_of(shape, precision),
        flops_per_image=flops,
        bytes_per_image=image_bytes,
        bytes_per_step=step_bytes,
        launches_per_step=launches,
    )


def _backward(shape: LayerShape, precision: str) -> List[WorkItem]:
    """The items of the backward pass: one for each activation that needs a gradient, one for the weights."""
    if shape.rule.family == "matrix":
        return _matrix_backward(shape, precision)
    if shape.rule.family == "norm":
        return _norm_backward(shape, precision)
    if not any(shape.input_needs_grad):
        return []
    flops, elements, index_bytes = _plain_backward(shape)
    if not elements:
        return []
    image_bytes = elements * _element_bytes(shape, precision) + index_bytes
    return [_item(shape, "input_grad", precision, flops, image_bytes)]


def _matrix_backward(shape: LayerShape, precision: str) -> List[WorkItem]:
    element, items = _element_bytes(shape, precision), []
    for index, needed in enumerate(shape.input_needs_grad):
        if needed:
            others = sum(shape.inputs[:index] + shape.inputs[index + 1 :])
            moved = (shape.outputs + others + shape.inputs[index]) * element
            items.append(_item(shape, "input_grad", precision, 2 * shape.macs, moved, element * shape.weights))
    if shape.weights_need_grad:
        moved = (shape.outputs + sum(shape.inputs)) * element
        # A gradient in a narrower format is written there and then widened to the master's.
        master = _MASTER_BYTES[precision]
        widened = 0 if element == master else element + master
        step_bytes = shape.weights * (element + widened)
        launches = 2 if widened else 1
        items.append(_item(shape, "weight_grad", precision, 2 * shape.macs, moved, step_bytes, launches))
    return items


def _norm_backward(shape: LayerShape, precision: str) -> List[WorkItem]:
    element, items = _element_bytes(shape, precision), []
    both = shape.outputs + sum(shape.inputs)
    if shape.weights_need_grad or any(shape.input_needs_grad):  # the input's gradient needs the same two sums
        flops = NORM_WEIGHT_GRAD * shape.outputs
        items.append(_item(shape, "weight_grad", precision, flops, both * element, 4 * shape.weights))
    if any(shape.input_needs_grad):
        moved = (both + sum(shape.inputs)) * element
        items.append(_item(shape, "input_grad", precision, NORM_INPUT_GRAD * shape.outputs, moved, 4 * shape.weights))
    return items


def _plain_backward(shape: LayerShape) -> Tuple[int, int, int]:
    """FLOPs, elements moved and bytes of indices of an operator without matrix work, for one image."""
    rule, reads, out = shape.rule, sum(shape.inputs), shape.outputs
    wanted = sum(size for size, needed in zip(shape.inputs, shape.input_needs_grad) if needed)
    if rule.family == "map":  # reads the gradient and the saved result, writes the input's gradient
        return rule.backward * out, 2 * out + wanted, 0
    if rule.family == "sum":  # the gradient passes as it is; where the two branches fork, their gradients are added
        return (rule.backward * out, 3 * out, 0) if sum(shape.input_needs_grad) > 1 else (0, 0, 0)
    if rule.family == "product":  # each factor's gradient reads the gradient and the other factor
        factors = sum(shape.input_needs_grad)
        return rule.backward * out * factors, min(len(shape.inputs), 2) * out * factors + wanted, 0
    if rule.family == "copy":
        return 0, min(out, wanted) + wanted, 0
    if rule.family == "gather":  # zeros, then the gradient is added at its places
        return rule.backward * out, wanted + 3 * out, 0
    if rule.family == "window" and rule.backward:
        return rule.backward * out, out + wanted, INDEX_BYTES * out
    return reads, out + wanted, 0


def _update(elements: int, master_bytes: int) -> WorkItem:
    return WorkItem(
        layer="optimiser",
        kind="optimiser",
        stage="update",
        precision="fp32",
        flops_per_step=SGD_FLOPS * elements,
        bytes_per_step=SGD_TRAFFIC * master_bytes * elements,
    )


def _l1_penalty(model: nn.Module) -> WorkItem:
    widths = ranked_channels(model)
    channels = sum(widths)
    return WorkItem(
        layer="l1",
        kind="l1",
        stage="penalty",
        precision="fp32",
        flops_per_step=L1_FLOPS * channels,
        bytes_per_step=L1_TRAFFIC * 4 * channels,
        launches_per_step=L1_LAUNCHES * len(widths),
    )


def _weight_read(shape: LayerShape, precision: str) -> Tuple[int, int]:
    """Bytes and launches a step to bring a matrix layer's weights in; from a wider master they are narrowed first."""
    element, master = _MATRIX_BYTES[precision], _MASTER_BYTES[precision]
    if element == master:
        return element * shape.weights, 1
    return (master + 2 * element) * shape.weights, 2


def _window_flops(shape: LayerShape) -> int:
    """Comparisons, or additions and the division, for one output of a pooling window."""
    return shape.window - 1 if shape.rule.backward else shape.window


def _element_bytes(shape: LayerShape, precision: str) -> int:
    return (_MATRIX_BYTES if shape.kind in MATRIX_KINDS else _OTHER_BYTES)[precision]


def _precision_of(shape: LayerShape, precision: str) -> str:
    if shape.kind in MATRIX_KINDS:
        return precision
    return "fp32" if shape.kind == "norm" else _OTHER_PRECISION[precision]


def _item(
    shape: LayerShape,
    stage: str,
    precision: str,
    flops: int,
    image_bytes: int,
    step_bytes: int = 0,
    launches: int = 1,
) -> WorkItem:
    return WorkItem(
        layer=shape.name,
        kind=shape.kind,
        stage=stage,
        precision=_precision_of(shape, precision),
        flops_per_image=flops,
        bytes_per_image=image_bytes,
        bytes_per_step=step_bytes,
        launches_per_step=launches,
    )
