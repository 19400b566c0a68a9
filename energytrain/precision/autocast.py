"""What `--precision fp32|bf16` means on each device; bfp8 and fp8 have files of their own.

fp32: weights, activations and gradients in float32. On a GPU of compute capability 8.0 and up PyTorch lets cuDNN run
float32 convolutions on TF32 tensor cores (10 bits of mantissa) unless told otherwise; that switch is left as the user
has it, and `describe` says how it stands.
bf16: torch's autocast to bfloat16 around the forward pass (PyTorch's own list of operators). Weights, their
gradients, the optimiser, the logits that the loss sees and the loss itself stay float32, so no loss scaling is needed.
"""

import contextlib
from typing import Any, ContextManager, Tuple

import torch

from ..errors import UsageError
from .defaults import check_precision


def autocast(precision: str, device: torch.device) -> ContextManager[Any]:
    """A context for the forward pass in fp32 or bf16 that may be entered once a step.

    UsageError for an unknown precision, and for bf16 on a GPU that has no bfloat16 arithmetic.
    """
    if check_precision(precision) == "fp32":
        return contextlib.nullcontext()
    if device.type == "cuda" and not gpu_has_bf16(torch.cuda.get_device_capability(device)):
        raise UsageError(
            f"the GPU {torch.cuda.get_device_name(device)} has no bfloat16 arithmetic.", "Use --precision fp32."
        )
    return torch.autocast(device.type, dtype=torch.bfloat16)


def gpu_has_bf16(capability: Tuple[int, int]) -> bool:
    """Whether a GPU of that compute capability computes in bfloat16: from 8.0 (Ampere) up.

    torch.cuda.is_bf16_supported says yes to older ones too since torch 2.1, where it is emulated and slow.
    """
    return capability >= (8, 0)


def describe(precision: str, device: torch.device) -> str:
    """The arithmetic in words for a report, for instance "fp32 (convolutions in TF32)"."""
    if check_precision(precision) == "bf16":
        return "bf16 autocast (weights, optimiser and loss in fp32)"
    if precision == "bfp8":
        return "8-bit block floating point, emulated in fp32"
    if precision == "fp8":
        return "FP8 (e4m3 forward, e5m2 backward), the rest in bf16"
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        tf32 = [
            what
            for what, on in (
                ("convolutions", torch.backends.cudnn.allow_tf32),
                ("matrix products", torch.backends.cuda.matmul.allow_tf32),
            )
            if on
        ]
        if tf32:
            return f"fp32 ({' and '.join(tf32)} in TF32)"
    return "fp32"
