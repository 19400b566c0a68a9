"""Block floating point: the numbers of a block share one power of two, and each keeps a whole number of few bits.

What "8 bits" means in the training of Early-Bird Train's Table 2 (You et al. 2020), which is SWALP's (Yang et al.
2019). Emulated here in float32, on the grid that the integers of such hardware would have. For a word of w bits, its
sign included, and a block whose largest magnitude is m:

    e = floor(log2 m), step = 2^(e - (w - 2)), top = 2^(w - 1) - 1
    q = step * clip(floor(x / step + r), -top, top)

with r = 1/2 for rounding to nearest (ties go up) and r uniform over [0, 1) for stochastic rounding.

Where float32 departs from the formula:
- A step is never below 2^-126, the smallest normal number: a block whose largest magnitude is under 2^(w - 128) is
  coarser than its word allows, and a processor that flushes denormals to zero computes the same.
- A block that holds NaN or an infinity becomes NaN throughout, so that a training that blew up is seen.
- Stochastic rounding has b = min(15, 24 - w) bits of randomness, as many as x / step + r can carry: a value on the
  grid stays where it is, and the chance to round up is the value's fraction of a step to within 0.63 * 2^-b. At 8 bits
  the bias is under 2^-21 of 2^e.
"""

import functools
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import torch

from ..errors import UsageError, unknown

BLOCKS = ("tensor", "channel", "sample")
ROUNDINGS = ("stochastic", "nearest")

# Values taken at a time on the CPU, so that they stay in a core's cache over all the passes.
_CHUNK = 1 << 17
# Below this many values a call costs more than the random numbers that it saves.
_FEW = 4096
# Constants as tensors: for small tensors a Python number costs more than the operation.
_EXPONENT_BITS = torch.tensor(0x7F800000, dtype=torch.int32)
_TWO = torch.tensor(2.0, dtype=torch.float32)
_HALF = torch.tensor(0.5, dtype=torch.float32)
_LEAST_STEP = 2.0**-126


def quantise(
    x: torch.Tensor,
    bits: int = 8,
    *,
    block: str = "tensor",
    rounding: str = "stochastic",
    generator: Optional[torch.Generator] = None,
    out: Optional[torch.Tensor] = None,
) -> torch.Tensor:
    """`x` on the grid of `bits` bits (4 to 16): a new tensor with x's strides, or `out`, which may be x itself.

    block: "tensor" has one exponent in all, "channel" and "sample" one for each index of dimension 0 (of a
    1-dimensional tensor: for each value), the two being the same for weights and for activations.
    rounding: "stochastic" draws from `generator`, or from torch's of x's device; "nearest" draws nothing.
    The same state of the generator gives the same result for the same shape and strides, whatever the number of
    threads; values are drawn for in the order of memory, so channels_last rounds otherwise than contiguous.

    x: float32, on any device, any strides (contiguous and channels_last ones are fastest). out: of x's shape.
    No gradient passes; see `boundary`. UsageError for another type of numbers, for `bits` outside 4 to 16 and for names
    that are not known.
    """
    if not 4 <= bits <= 16:
        raise UsageError(f"block floating point of {bits} bits is not offered.", "Use 4 to 16 bits.")
    if block not in BLOCKS:
        raise unknown("block", block, BLOCKS)
    if rounding not in ROUNDINGS:
        raise unknown("rounding", rounding, ROUNDINGS)
    if x.dtype != torch.float32:
        kind = str(x.dtype).replace("torch.", "")
        raise UsageError(f"block floating point is emulated in float32, and this tensor is {kind}.", "Use float().")
    if out is not None and (out.shape != x.shape or out.dtype != x.dtype):
        raise UsageError("out has another shape or type of numbers than the tensor to quantise.", "Give it x's.")
    source = x.detach()
    result = torch.empty_like(source) if out is None else out.detach()
    if x.numel() > 0:
        blocks = x.shape[0] if block != "tensor" and x.dim() > 0 else 1
        _quantise(source, result, blocks, bits, rounding == "stochastic", generator)
    return result if out is None else out


def quantise_all(
    tensors: Iterable[torch.Tensor],
    bits: int = 8,
    *,
    rounding: str = "stochastic",
    generator: Optional[torch.Generator] = None,
) -> None:
    """Quantise tensors in place, with one exponent for each index of dimension 0 of each.

    The 1-dimensional ones go together: each value is a block of its own there, and a call for every vector of a network
    costs many times what its values do. So the draws are others than those of one `quantise` after the other.
    """
    vectors: Dict[Tuple[torch.device, torch.dtype], List[torch.Tensor]] = {}
    for tensor in tensors:
        if tensor.dim() == 1:
            vectors.setdefault((tensor.device, tensor.dtype), []).append(tensor.detach())
        else:
            quantise(tensor, bits, block="channel", rounding=rounding, generator=generator, out=tensor)
    for alike in vectors.values():
        joined = torch.cat(alike)
        quantise(joined, bits, block="channel", rounding=rounding, generator=generator, out=joined)
        for vector, part in zip(alike, joined.split([vector.numel() for vector in alike])):
            vector.copy_(part)


def boundary(
    x: torch.Tensor, bits: int = 8, rounding: str = "stochastic", generator: Optional[torch.Generator] = None
) -> torch.Tensor:
    """The boundary of a layer: `x` (N, ...) quantised for each sample on the way forward, its error on the way back.

    The gradient of the rounding itself counts as 1. One and the same generator serves both ways.
    """
    apply: Callable[..., torch.Tensor] = _Boundary.apply
    return apply(x, bits, rounding, generator)


class _Boundary(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, bits: int, rounding: str, generator: Optional[torch.Generator]
    ) -> torch.Tensor:
        ctx.settings = bits, rounding, generator
        return quantise(x, bits, block="sample", rounding=rounding, generator=generator)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, error: torch.Tensor) -> Tuple[torch.Tensor, None, None, None]:
        bits, rounding, generator = ctx.settings
        return quantise(error, bits, block="sample", rounding=rounding, generator=generator), None, None, None


def _quantise(
    source: torch.Tensor,
    result: torch.Tensor,
    blocks: int,
    bits: int,
    stochastic: bool,
    generator: Optional[torch.Generator],
) -> None:
    """Quantise `source` into `result`, piece by piece over their memory, or over a copy where that has no order."""
    read, write = _in_memory_order(source, blocks), _in_memory_order(result, blocks)
    if read is None or write is None or source.is_contiguous() != result.is_contiguous():
        copy = source.clone(memory_format=torch.contiguous_format)
        _quantise(copy, copy, blocks, bits, stochastic, generator)
        result.copy_(copy)
        return
    count = read.numel()
    if count <= _CHUNK or not read.is_cpu:
        _round(read, write, _step(_largest(read), bits), bits, stochastic, generator)
        return
    rows = max(1, _CHUNK * blocks // count)
    for sources, results in zip(read.split(rows), write.split(rows)):
        pieces = sources.split(_CHUNK, dim=-1)
        step = _step(functools.reduce(torch.maximum, map(_largest, pieces)), bits)
        for piece, rounded in zip(pieces, results.split(_CHUNK, dim=-1)):
            _round(piece, rounded, step, bits, stochastic, generator)


def _in_memory_order(tensor: torch.Tensor, blocks: int) -> Optional[torch.Tensor]:
    """`tensor` as (blocks, values), or (blocks) with one value each, over the same memory; None where that is neither
    contiguous nor channels_last."""
    if tensor.is_contiguous():
        return tensor if tensor.dim() == 1 and blocks > 1 else tensor.view(blocks, -1)
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor.permute(0, 2, 3, 1).view(blocks, -1)
    return None


def _largest(rows: torch.Tensor) -> torch.Tensor:
    """The largest magnitude of each row, a column; of single values themselves, with their signs."""
    return rows if rows.dim() == 1 else rows.abs().amax(1, keepdim=True)


def _step(largest: torch.Tensor, bits: int) -> torch.Tensor:
    """Exact powers of two, infinite for what is not finite; signs are ignored."""
    power = torch.bitwise_and(largest.view(torch.int32), _EXPONENT_BITS).view(torch.float32)
    return power.mul_(_scale(bits)).clamp_(min=_LEAST_STEP)


@functools.lru_cache(maxsize=None)
def _scale(bits: int) -> torch.Tensor:
    return torch.tensor(2.0 ** (2 - bits), dtype=torch.float32, device="cpu")


def _round(
    piece: torch.Tensor,
    result: torch.Tensor,
    step: torch.Tensor,
    bits: int,
    stochastic: bool,
    generator: Optional[torch.Generator],
) -> None:
    """Round `piece` to whole steps into `result`. An infinite step makes NaN of all, by 0 times infinity."""
    torch.div(piece, step, out=result)
    if stochastic:
        # round(y + s) with s = r - 1/2 rounds as floor(y + r), and r need not be shifted.
        result.add_(_noise(piece, bits, generator), alpha=2.0**-16).round_()
    else:
        # ceil(floor(2 y) / 2) is floor(y + 1/2), but y + 1/2 itself comes out as 1 for the y just below 1/2.
        result.mul_(_TWO).floor_().mul_(_HALF).ceil_()
    top = 2 ** (bits - 1) - 1
    result.clamp_(-top, top).mul_(step)


def _noise(like: torch.Tensor, bits: int, generator: Optional[torch.Generator]) -> torch.Tensor:
    """s = r - 1/2 in units of 2^-16 and in the shape of `like`, symmetric about 0 and within 1/2 - 2^-(b + 1).

    On the CPU four 16-bit integers are taken from each 64-bit one: b bits of them are random, the next is 1, the rest
    0. That takes a third of the time of uniform_. The range of random_ is given because without it the topmost bit,
    the sign of every fourth value, would always be 0.
    """
    last = 1 << (15 - min(15, 24 - bits))
    count = like.numel()
    if count < _FEW or not like.is_cpu:
        return torch.empty_like(like).uniform_(last - 2**15, 2**15 - last, generator=generator)
    words = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    if last > 1:
        words.bitwise_and_(_four_times(0x10000 - 2 * last))
    words.bitwise_or_(_four_times(last))
    return words.view(torch.int16)[:count].view(like.shape)


def _four_times(half_word: int) -> int:
    """The signed 64-bit integer that holds the 16 bits four times."""
    return int.from_bytes(half_word.to_bytes(2, "little") * 4, "little", signed=True)
