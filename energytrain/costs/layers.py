"""What every layer of a network computes and touches for one image: multiply-adds, elements read and written.

One traced forward pass of one zero image (fvcore's graph, evaluation mode, on a shallow copy): the model's mode,
statistics, gradients and random state stay as they were.
"""

import copy
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Sequence, Set, Tuple

import torch
from fvcore.nn import FlopCountAnalysis
from fvcore.nn.jit_handles import (
    addmm_flop_jit,
    batchnorm_flop_jit,
    bmm_flop_jit,
    conv_flop_count,
    conv_flop_jit,
    einsum_flop_jit,
    elementwise_flop_counter,
    linear_flop_jit,
    matmul_flop_jit,
    norm_flop_counter,
)
from torch import nn

from ..errors import UsageError
from ..models.units import unwrapped
from .memory import remembered
from .operators import FREE, OPERATORS, Operator, base_name

Values = Sequence[Any]  # torch._C.Value: torch gives the values of a traced graph no public type


@dataclass(frozen=True)
class LayerShape:
    """One operator of a network, for one image.

    name: path of the module that runs it; an operator that a module with children runs itself has its own name
        appended ("layer1.0.add"), a second use "#2".
    macs: multiply-adds, of matrix kinds only (bias additions are not counted, as in fvcore and torch).
    fvcore_count: what fvcore counts for it in evaluation mode (normalisation and global pooling included).
    inputs, input_needs_grad: elements of each activation read, and whether a gradient flows back into it.
    weights: elements of the parameters read, which do not grow with the images.
    statistics: elements of the running statistics of a batch normalisation.
    window: elements of a pooling kernel.
    """

    name: str
    kind: str
    operator: str
    macs: int
    fvcore_count: int
    inputs: Tuple[int, ...]
    input_needs_grad: Tuple[bool, ...]
    outputs: int
    weights: int
    weights_need_grad: bool
    statistics: int = 0
    window: int = 1

    @property
    def rule(self) -> Operator:
        return OPERATORS[self.operator]


def layer_shapes(model: nn.Module, input_shape: Sequence[int]) -> Tuple[LayerShape, ...]:
    """The operators of `model` in the order they run; `input_shape` is (channels, height, width) of one image.

    Raises UsageError for an operator whose work is not known: what cannot be counted is never counted as nothing.
    """
    shape = tuple(input_shape)
    return remembered(model, ("shapes", shape), lambda: _traced(unwrapped(model), shape))


def _traced(model: nn.Module, input_shape: Tuple[int, ...]) -> Tuple[LayerShape, ...]:
    first = next(model.parameters(), torch.zeros(()))
    recorder = _Recorder()
    devices = [first.device] if first.is_cuda else []
    with torch.random.fork_rng(devices=devices), torch.inference_mode(False), torch.enable_grad():
        image = torch.zeros(1, *input_shape, dtype=first.dtype, device=first.device)
        analysis = FlopCountAnalysis(_shallow_copy(model).eval(), image)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        analysis.clear_op_handles().set_op_handle(**recorder.handles())
        counts = analysis.by_module_and_operator()
    _refuse_uncounted(analysis, counts)
    owners = _owners(counts)
    parents = {name for name, module in model.named_modules() if next(module.children(), None) is not None}
    shapes: List[LayerShape] = []
    uses: Dict[str, int] = {}
    for number, shape in enumerate(recorder.shapes):
        owner = owners[str(number)]
        name = f"{owner}.{shape.operator}".lstrip(".") if owner in parents or not owner else owner
        uses[name] = uses.get(name, 0) + 1
        shapes.append(replace(shape, name=name if uses[name] == 1 else f"{name}#{uses[name]}"))
    return tuple(shapes)


def matrix_macs(shapes: Sequence[LayerShape]) -> int:
    """Multiply-adds of convolutions and fully connected layers for one image."""
    return sum(shape.macs for shape in shapes)


def fvcore_total(shapes: Sequence[LayerShape]) -> int:
    """What `fvcore.nn.FlopCountAnalysis(...).total()` says in evaluation mode."""
    return sum(shape.fvcore_count for shape in shapes)


def _shallow_copy(model: nn.Module) -> nn.Module:
    """A copy whose modules are its own (mode, hooks) and whose tensors are the model's: 0.2 GB are not copied."""
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def _owners(counts: Dict[str, "Counter[str]"]) -> Dict[str, str]:
    """The deepest module that ran each recorded operator; fvcore books it under every ancestor too."""
    owners: Dict[str, str] = {}
    for module in sorted(counts, key=lambda name: name.count(".") + bool(name)):
        for key in counts[module]:
            owners[key] = module
    return owners


def _refuse_uncounted(analysis: Any, counts: Dict[str, Any]) -> None:
    unknown = {op for op in analysis.unsupported_ops() if not (op.startswith("aten::") and base_name(op) in FREE)}
    if unknown:
        operator = sorted(unknown)[0]
        where = max((name for name in counts if analysis.unsupported_ops(name)[operator]), key=len)
        raise UsageError(
            f"the work of the operator '{operator}' in module '{where}' of this network is not known.",
            "Use a layer that energytrain.costs.operators lists, or add the operator there.",
        )


class _Recorder:
    """Notes every operator of the graph as fvcore walks it, first to last."""

    def __init__(self) -> None:
        self.shapes: List[LayerShape] = []
        self._differentiable: Set[str] = set()

    def handles(self) -> Dict[str, Callable[[Values, Values], "Counter[str]"]]:
        names = [name for op in OPERATORS for name in (f"aten::{op}", f"aten::{op}_")]
        return {name: self._handle(base_name(name)) for name in names}

    def _handle(self, operator: str) -> Callable[[Values, Values], "Counter[str]"]:
        def note(inputs: Values, outputs: Values) -> "Counter[str]":
            self.shapes.append(self._shape(operator, inputs, outputs))
            if any(self._needs_grad(value) for value in _tensors(inputs)):
                self._differentiable.update(value.debugName() for value in outputs)
            # The count itself is kept in the shape: fvcore only has to say which module the number belongs to.
            return Counter({str(len(self.shapes) - 1): 1})

        return note

    def _shape(self, operator: str, inputs: Values, outputs: Values) -> LayerShape:
        rule = OPERATORS[operator]
        count = _FVCORE_COUNTS[operator](inputs, outputs) if operator in _FVCORE_COUNTS else 0
        counted = int(sum(count.values()) if isinstance(count, Counter) else count)
        tensors = _tensors(inputs)
        if operator in _PARAMETER_OPERANDS:  # by place, as a weight may itself be computed (weight normalisation)
            activations, parameters = _tensors(inputs[:1]), _tensors(_PARAMETER_OPERANDS[operator](inputs))
        else:
            parameters = [value for value in tensors if _is_parameter(value)]
            activations = [value for value in tensors if not _is_parameter(value)]
        return LayerShape(
            name="",
            kind=rule.kind,
            operator=operator,
            macs=counted if rule.family == "matrix" else 0,
            fvcore_count=counted,
            inputs=tuple(_elements(value) for value in activations),
            input_needs_grad=tuple(self._needs_grad(value) for value in activations),
            outputs=_elements(outputs[0]),
            weights=sum(_elements(value) for value in parameters),
            weights_need_grad=any(self._needs_grad(value) for value in parameters),
            statistics=sum(_elements(v) for v in _tensors(inputs[3:5])) if rule.batch_statistics else 0,
            window=_window(inputs, outputs) if rule.family == "window" else 1,
        )

    def _needs_grad(self, value: Any) -> bool:
        """Whether a gradient flows into a value: it is, or was computed from, a trained parameter.

        The graph's own flag is not asked for results: the tracer notes some before autograd has marked them.
        """
        node = value.node()
        if node.kind() == "prim::Param":
            return bool(value.requires_grad())
        if value.debugName() in self._differentiable:
            return True
        if node.kind() == "aten::detach" or base_name(node.kind()) in OPERATORS:
            return False
        return any(self._needs_grad(source) for source in _tensors(list(node.inputs())))


def _mode_convolution(inputs: Values, outputs: Values) -> int:
    """fvcore has no handle for a convolution with padding="same"; the count is the same."""
    return int(conv_flop_count(_sizes(inputs[0]), _sizes(inputs[1]), _sizes(outputs[0])))


_PARAMETER_OPERANDS: Dict[str, Callable[[Values], Values]] = {
    "_convolution": lambda inputs: inputs[1:3],
    "_convolution_mode": lambda inputs: inputs[1:3],
    "linear": lambda inputs: inputs[1:3],
    "batch_norm": lambda inputs: inputs[1:3],
    "group_norm": lambda inputs: inputs[2:4],
    "layer_norm": lambda inputs: inputs[2:4],
}

_FVCORE_COUNTS: Dict[str, Callable[[Any, Any], Any]] = {
    "_convolution": conv_flop_jit,
    "_convolution_mode": _mode_convolution,
    "linear": linear_flop_jit,
    "addmm": addmm_flop_jit,
    "mm": matmul_flop_jit,
    "bmm": bmm_flop_jit,
    "matmul": matmul_flop_jit,
    "einsum": einsum_flop_jit,
    "batch_norm": batchnorm_flop_jit,
    "group_norm": norm_flop_counter(2),
    "layer_norm": norm_flop_counter(2),
    "upsample_nearest2d": elementwise_flop_counter(0, 1),
    "adaptive_avg_pool2d": elementwise_flop_counter(1, 0),
}


def _sizes(value: Any) -> List[int]:
    return list(value.type().sizes())


def _elements(value: Any) -> int:
    product = 1
    for size in _sizes(value):
        product *= size
    return product


def _tensors(values: Values) -> List[Any]:
    """The floating-point tensors among an operator's operands, those inside a list included."""
    found: List[Any] = []
    for value in values:
        if value.isCompleteTensor():
            if value.type().scalarType() in ("Float", "Double", "Half", "BFloat16"):
                found.append(value)
        elif value.node().kind() == "prim::ListConstruct":
            found.extend(_tensors(list(value.node().inputs())))
    return found


def _is_parameter(value: Any) -> bool:
    """Whether a value is a parameter, perhaps transposed or reshaped: then it does not grow with the images."""
    node = value.node()
    if node.kind() == "prim::Param":
        return bool(value.debugName() != _image_name(node))
    sources = _tensors(list(node.inputs()))
    return base_name(node.kind()) in FREE and len(sources) == 1 and _is_parameter(sources[0])


def _image_name(param_node: Any) -> str:
    """The name of the image in a traced graph: its first input; parameters and buffers follow."""
    return str(next(iter(param_node.outputs())).debugName())


def _window(inputs: Values, outputs: Values) -> int:
    """Elements of the kernel of a pooling operator (its second operand, a list of sizes)."""
    sizes = inputs[1].toIValue() or [element.toIValue() for element in inputs[1].node().inputs()]
    if None in sizes:  # the kernel is computed from the map's size, as in global pooling: it divides the map
        return _elements(inputs[0]) // _elements(outputs[0])
    product = 1
    for size in sizes:
        product *= int(size)
    return product
