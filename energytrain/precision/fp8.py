"""What `--precision fp8` means: convolutions and linear layers in native FP8, all else as with `--precision bf16`.

Each such layer computes its forward pass from inputs and weights in e4m3, its backward pass from errors in e5m2 and
what it had in e4m3, with one scale a tensor taken from the tensor itself (`fp8_matmul`, `fp8_convolution`); sums are in
float32, activations between layers in bf16. Weights, their gradients, the optimiser and the loss stay float32.

Layers that cannot run so compute in bf16, with the reason: grouped and transposed convolutions, those with padding that
is not zeros, layers of a class with a forward of its own, and those whose channels, padded to multiples of 16, more
than double their multiply-adds: FP8 has at most twice the rate of bf16, so nothing would be left of it. The first layer
of a network for colour images is one (3 channels become 16), and so are all of very narrow networks.
"""

import contextlib
import functools
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Optional, Tuple

import torch
from torch import nn

from ..errors import UsageError
from ..models.matrix_layers import matrix_layers
from ..models.units import unwrapped
from .autocast import autocast
from .fp8_convolution import Geometry, fp8_conv2d, fp8_linear
from .fp8_matmul import padded

# How much more a GPU computes in FP8 than in bf16 in the same time, by the data sheets of Ada, Hopper and Blackwell.
RATE_OVER_BF16 = 2
# Before it, torch._scaled_mm returned something else.
_FIRST_TORCH = (2, 5)
_FIRST_CAPABILITY = (8, 9)


def fp8_unavailable(device: torch.device) -> Optional[str]:
    """Why `device` has no native FP8, as a sentence for the user; None where it has."""
    if device.type != "cuda":
        return f"'{device.type}' has no FP8 arithmetic; NVIDIA GPUs from Ada and Hopper on have it."
    if torch.version.hip is not None:
        return "FP8 on AMD GPUs is not supported here: their formats are others."
    capability = torch.cuda.get_device_capability(device)
    if capability < _FIRST_CAPABILITY:
        return (
            f"the GPU {torch.cuda.get_device_name(device)} has no FP8 arithmetic: its compute capability is "
            f"{capability[0]}.{capability[1]}, and FP8 begins with {_FIRST_CAPABILITY[0]}.{_FIRST_CAPABILITY[1]}."
        )
    return torch_lacks_fp8()


def torch_lacks_fp8() -> Optional[str]:
    """Why this torch has no FP8 matrix product that can be used here, as a sentence; None where it has."""
    version = tuple(int(part) for part in str(torch.__version__).split(".")[:2])
    if version < _FIRST_TORCH or not hasattr(torch, "_scaled_mm"):
        first = ".".join(str(part) for part in _FIRST_TORCH)
        return f"this torch ({torch.__version__}) has no FP8 matrix products that can be used: they begin with {first}."
    return None


def native_fp8(model: nn.Module, device: torch.device, *, allow_cpu: bool = False) -> ContextManager[object]:
    """A context for the forward passes of `model` in FP8; it may be entered any number of times, also for evaluation.

    It holds autocast to bf16. While it is entered, the layers that can (`fp8_layers`, asked here and now) have a
    `forward` of their own as an instance attribute; after it, also after an exception, nothing is left. The backward
    pass needs no context. Parameters, their gradients and the state_dict are as ever. One device only.

    allow_cpu: also on a CPU, where torch computes FP8 products by way of wider ones: for tests, not for speed.
    Raises UsageError where the device has no native FP8.
    """
    reason = torch_lacks_fp8() if allow_cpu and device.type == "cpu" else fp8_unavailable(device)
    if reason is not None:
        raise UsageError(reason, "Use --precision bf16 or fp32.")
    return _NativeFp8(model, device)


def fp8_layers(model: nn.Module) -> Dict[str, Optional[str]]:
    """Every convolution and linear layer by its name: None for one that runs in FP8, else why it does not."""
    return {name: _why_not(layer) for name, layer in matrix_layers(unwrapped(model)).items()}


class _NativeFp8:
    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self._device = device
        layers = matrix_layers(unwrapped(model)).values()
        self._forwards = [(layer, _forward_of(layer)) for layer in layers if _why_not(layer) is None]
        self._entered: List[contextlib.ExitStack] = []

    def __enter__(self) -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(autocast("bf16", self._device))
            for layer, forward in self._forwards:
                stack.enter_context(_instead(layer, forward))
            self._entered.append(stack.pop_all())

    def __exit__(self, *_: object) -> None:
        self._entered.pop().close()


@contextlib.contextmanager
def _instead(layer: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """`layer` calls `forward` for its own; what it had as an instance attribute before comes back."""
    attributes = vars(layer)
    before = attributes.get("forward")
    attributes["forward"] = forward
    try:
        yield
    finally:
        if before is None:
            del attributes["forward"]
        else:
            attributes["forward"] = before


def _why_not(layer: nn.Module) -> Optional[str]:
    kind = type(layer).__name__
    if isinstance(layer, nn.Conv2d):
        inputs, outputs, usual = layer.in_channels, layer.out_channels, type(layer).forward is nn.Conv2d.forward
        if layer.groups != 1:
            return f"its channels are convolved in {layer.groups} groups"
        if layer.padding_mode != "zeros":
            return f"it pads its input by '{layer.padding_mode}', not with zeros"
    elif isinstance(layer, nn.Linear):
        inputs, outputs, usual = layer.in_features, layer.out_features, type(layer).forward is nn.Linear.forward
    else:
        return f"{kind} has no FP8 form here"
    if not usual or "forward" in vars(layer):
        return f"{kind} has a forward of its own"
    factor = padded(inputs) * padded(outputs) / (inputs * outputs)
    if factor > RATE_OVER_BF16:
        return (
            f"{inputs} channels in and {outputs} out, padded to multiples of 16, are {factor:.1f} times the work, "
            f"and FP8 is at most {RATE_OVER_BF16} times as fast as bf16"
        )
    return None


def _forward_of(layer: nn.Module) -> Callable[..., torch.Tensor]:
    # A partial, so that a copy of the network made meanwhile has the copied layer in it.
    if isinstance(layer, nn.Conv2d):
        return functools.partial(_convolve, layer, _geometry(layer))
    assert isinstance(layer, nn.Linear)
    return functools.partial(_project, layer)


def _convolve(layer: nn.Conv2d, geometry: Geometry, images: torch.Tensor) -> torch.Tensor:
    if images.dim() == 3:
        return fp8_conv2d(images[None], layer.weight, layer.bias, geometry)[0]
    return fp8_conv2d(images, layer.weight, layer.bias, geometry)


def _project(layer: nn.Linear, inputs: torch.Tensor) -> torch.Tensor:
    return fp8_linear(inputs, layer.weight, layer.bias)


def _geometry(layer: nn.Conv2d) -> Geometry:
    padding: List[Tuple[int, int]] = []
    for i in range(2):
        if layer.padding == "same":
            reach = layer.dilation[i] * (layer.kernel_size[i] - 1)
            padding.append((reach // 2, reach - reach // 2))
        elif layer.padding == "valid":
            padding.append((0, 0))
        else:
            padding.append((int(layer.padding[i]), int(layer.padding[i])))
    stride, dilation = (layer.stride[0], layer.stride[1]), (layer.dilation[0], layer.dilation[1])
    return Geometry(stride, (padding[0], padding[1]), dilation)
