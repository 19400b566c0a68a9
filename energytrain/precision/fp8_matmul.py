"""Matrix products in 8-bit floating point, e4m3 and e5m2, with one scale a tensor (`torch._scaled_mm`).

A scale is the power of two that brings the tensor's largest magnitude near the top of the format, computed anew each
time: nothing is remembered from step to step. Multiplying by a power of two is exact, so what is lost is lost in one
rounding to 3 (e4m3) or 2 (e5m2) bits of mantissa, and is the same on every device.
"""

from typing import Any, NamedTuple, Sequence, Tuple

import torch
from torch.nn import functional

# What cuBLAS wants of both dimensions of the second operand, and so of the shared one of both.
MULTIPLE = 16
# The bits of a float32 that hold its exponent: alone they are the power of two below it, of NaN infinity.
_EXPONENT_BITS = 0x7F800000
# Of tensors below it (zero among them) the scale stays a finite float32; their last digits fall away.
_SMALLEST_POWER = 2.0**-100


class Format(NamedTuple):
    """dtype: torch's name of it. top: scaled tensors have their largest magnitude in [top, 2 top), from where no
    rounding leaves the format (its greatest numbers are 1.75 x 2^8 and 1.75 x 2^15)."""

    dtype: str
    top: float


E4M3 = Format("float8_e4m3fn", 2.0**7)
E5M2 = Format("float8_e5m2", 2.0**14)


class Scaled(NamedTuple):
    """A tensor in FP8. codes: its numbers as bytes (uint8), which every operator can move, unlike torch's FP8 types.
    scale: 0-dimensional float32 that they are multiplied with to have the tensor's values."""

    codes: torch.Tensor
    scale: torch.Tensor
    form: Format


def padded(size: int) -> int:
    """`size` rounded up to what cuBLAS takes."""
    return -(-size // MULTIPLE) * MULTIPLE


def to_fp8(values: torch.Tensor, form: Format, margins: Sequence[Tuple[int, int]]) -> Scaled:
    """`values` in FP8, contiguous, with `margins` (before, after) of zeros around each of its dimensions.

    A tensor that holds an infinity or NaN becomes NaN (its finite numbers times an infinite scale), so that it shows.
    """
    low, high = torch.aminmax(values)
    largest = torch.maximum(-low, high).float()
    power = (largest.view(torch.int32) & _EXPONENT_BITS).view(torch.float32).clamp(min=_SMALLEST_POWER)
    shape = [before + size + after for size, (before, after) in zip(values.shape, margins)]
    codes = torch.zeros(shape, dtype=torch.uint8, device=values.device)
    inner = codes.view(getattr(torch, form.dtype))
    for dimension, (before, _) in enumerate(margins):
        inner = inner.narrow(dimension, before, values.shape[dimension])
    inner.copy_(values * (form.top / power))
    return Scaled(codes, power / form.top, form)


def multiply(a: Scaled, b: Scaled, out_dtype: torch.dtype) -> torch.Tensor:
    """a (M, K) times b (N, K) transposed, as (M, N) bf16 or float32, added up in float32.

    N is a multiple of 16; K is padded to one. Not both may be e5m2.
    """
    missing = -a.codes.shape[1] % MULTIPLE
    left, right = (
        functional.pad(codes, (0, missing)) if missing else codes.contiguous() for codes in (a.codes, b.codes)
    )
    # Without fast accumulation, which on Hopper adds up in fewer bits than float32 has.
    scaled_mm: Any = torch._scaled_mm
    product: torch.Tensor = scaled_mm(
        left.view(getattr(torch, a.form.dtype)),
        right.view(getattr(torch, b.form.dtype)).t(),
        scale_a=a.scale,
        scale_b=b.scale,
        out_dtype=out_dtype,
    )
    return product
