"""Which torch operators do what kind of work: how many FLOPs an element, and which move nothing at all.

Names are those of a traced graph without `aten::` and without the trailing underscore of in-place forms. Counting
rules: an addition, a multiplication, a comparison and an elementary function (exp, sqrt, ...) are one FLOP each.
An operator that stands in none of the tables, nor in fvcore's own list of those that only move or compare whole
numbers, is an error, never a silent zero.
"""

from dataclasses import dataclass
from typing import Dict, FrozenSet


@dataclass(frozen=True)
class Operator:
    """How one operator is counted.

    kind: the `WorkItem.kind` it is booked under: conv, linear, norm, elementwise or pool.
    family: the rule that `bill` applies: matrix, norm, map (one output element for one input element), sum, product,
        copy, gather (copies by index), window (pooling by a kernel) or reduce (pooling over everything).
    forward, backward: FLOPs an element, as the family reads them.
    batch_statistics: a normalisation whose statistics are fixed at evaluation.
    training_only: an operator that does nothing at evaluation (dropout).
    """

    kind: str
    family: str
    forward: int = 0
    backward: int = 0
    batch_statistics: bool = False
    training_only: bool = False


def _map(forward: int, backward: int, training_only: bool = False) -> Operator:
    return Operator("elementwise", "map", forward, backward, training_only=training_only)


OPERATORS: Dict[str, Operator] = {
    "_convolution": Operator("conv", "matrix"),
    "_convolution_mode": Operator("conv", "matrix"),
    "linear": Operator("linear", "matrix"),
    "addmm": Operator("linear", "matrix"),
    "mm": Operator("linear", "matrix"),
    "bmm": Operator("linear", "matrix"),
    "matmul": Operator("linear", "matrix"),
    "einsum": Operator("linear", "matrix"),
    "batch_norm": Operator("norm", "norm", batch_statistics=True),
    "group_norm": Operator("norm", "norm"),
    "layer_norm": Operator("norm", "norm"),
    "relu": _map(1, 1),
    "relu6": _map(2, 2),
    "hardtanh": _map(2, 2),
    "leaky_relu": _map(2, 2),
    "threshold": _map(1, 1),
    "clamp": _map(2, 2),
    "neg": _map(1, 1),
    "abs": _map(1, 1),
    "exp": _map(1, 1),
    "log": _map(1, 1),
    "sqrt": _map(1, 2),
    "rsqrt": _map(1, 3),
    "pow": _map(1, 2),
    "tanh": _map(1, 3),
    "sigmoid": _map(4, 3),
    "silu": _map(5, 6),
    "gelu": _map(8, 12),
    "elu": _map(3, 3),
    "hardswish": _map(4, 4),
    "hardsigmoid": _map(3, 2),
    "softplus": _map(3, 3),
    "softmax": _map(5, 4),
    "log_softmax": _map(5, 3),
    "dropout": _map(2, 1, training_only=True),
    "feature_dropout": _map(2, 1, training_only=True),
    "add": Operator("elementwise", "sum", 1, 1),
    "sub": Operator("elementwise", "sum", 1, 1),
    "rsub": Operator("elementwise", "sum", 1, 1),
    "mul": Operator("elementwise", "product", 1, 1),
    "div": Operator("elementwise", "product", 1, 2),
    "cat": Operator("elementwise", "copy"),
    "stack": Operator("elementwise", "copy"),
    "constant_pad_nd": Operator("elementwise", "copy"),
    "pad": Operator("elementwise", "copy"),
    "repeat": Operator("elementwise", "copy"),
    "clone": Operator("elementwise", "copy"),
    "copy": Operator("elementwise", "copy"),
    "masked_fill": Operator("elementwise", "copy"),
    "roll": Operator("elementwise", "copy"),
    "channel_shuffle": Operator("elementwise", "copy"),
    "pixel_shuffle": Operator("elementwise", "copy"),
    "upsample_nearest2d": Operator("elementwise", "copy"),
    "index_select": Operator("elementwise", "gather", 0, 1),
    "index": Operator("elementwise", "gather", 0, 1),
    "gather": Operator("elementwise", "gather", 0, 1),
    "max_pool2d": Operator("pool", "window", backward=1),
    "avg_pool2d": Operator("pool", "window"),
    "adaptive_avg_pool2d": Operator("pool", "reduce", 1, 1),
    "adaptive_max_pool2d": Operator("pool", "reduce", 1, 1),
    "mean": Operator("pool", "reduce", 1, 1),
    "sum": Operator("pool", "reduce", 1, 1),
    "max": Operator("pool", "reduce", 1, 1),
}

# Shapes, views and constants: no arithmetic, and nothing that has to cross the memory bus.
FREE: FrozenSet[str] = frozenset(
    """
    Bool Float Int IntImplicit NumToTensor ScalarImplicit __and__ alias arange as_strided bitwise_not chunk contiguous
    detach dim empty eq expand expand_as feature_alpha_dropout flatten floor floor_divide full full_like ge gt item le
    len lt lift_fresh movedim narrow ne new_empty new_full new_ones new_zeros numel ones ones_like permute remainder
    reshape select size slice split split_with_sizes squeeze swapaxes t tensor to transpose type_as unbind unflatten
    unsqueeze view view_as zeros zeros_like
    """.split()
)


def base_name(node_kind: str) -> str:
    """The table's name of a graph node: `aten::relu_` is "relu", `aten::__and__` stays "__and__"."""
    name = node_kind.split("::")[-1]
    return name if name.endswith("__") else name.rstrip("_")
