"""ThiNet: drop, layer by layer, the channels that the next layer misses least, and rescale it (Luo, Wu & Lin 2017).

A value y of the next layer's output, its bias left out, is a sum over that layer's input channels: y = sum_c x_c, each
x_c the products of one channel with its slice of the filter. Random values of the output, from given images, give
rows x. Channels join the removed set T one by one, always the one that keeps sum over rows (sum_{c in T} x_c)^2
least (Algorithm 1). The kept ones are then scaled by least squares so that they add up to y again (Eq. 7), and
the scales go into the next layer's weights. As y is the sum of the x_c, the Gram matrix of the rows says all of this.

Two things are ours. The authors train for an epoch or two after each layer; here the caller retrains once, after the
last. And where the rows do not determine the scales (silent or equal channels, fewer rows than channels), Eq. 7 has no
single answer and the authors' inverse fails: the answer nearest to 1, which changes the network least, is taken.
"""

import copy
import itertools
import zlib
from typing import Any, Dict, Iterator, List, Mapping, Tuple, Union

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import RunFailed, UsageError
from ..models.units import PrunableUnit, units_of, unwrapped
from .masks import Mask, check_prune_ratio
from .surgery import plan_cuts

Reader = Union[nn.Conv2d, nn.Linear]

# Singular values of the rows below this share of the largest are taken for 0: activations are float32, summed over
# thousands of terms a layer, and scales that rest on less than this would rest on their rounding.
_RESOLUTION = 1e-5


def layer_counts(model: nn.Module, prune_ratio: float) -> Dict[str, int]:
    """How many channels each unit keeps when every layer loses the same share, known beforehand: for `thinet`.

    A unit loses int(channels x `prune_ratio`), never its last. Units without a convolution of their own (they select
    from a residual stream) or with more than one consumer are kept whole. Raises UsageError for a ratio outside (0, 1).
    """
    check_prune_ratio(prune_ratio)
    units = units_of(unwrapped(model))
    return {u.name: u.channels - (int(u.channels * prune_ratio) if _can_lose(u) else 0) for u in units}


def thinet(
    model: nn.Module, images: Tensor, kept: Mapping[str, int], *, locations: int = 10, batch_size: int, seed: int
) -> Tuple[nn.Module, Mask]:
    """A copy of `model`, of the same widths, whose layers read the kept channels alone, and the mask of those.

    `rebuild(copy, mask)` is the pruned network and computes what the copy computes. `model` is left as it is.

    images: (N, channels, H, W), prepared as for evaluation; the paper takes 10 of each class. kept: channels that a
    unit keeps (`layer_counts`); one that is left out is kept whole. locations: values of the output sampled an image
    (the paper's 10), each at a random channel and position. batch_size: images a pass, for memory alone.
    seed: the same choices for the same seed and unit, whatever ran before. The paper's 1000 classes give 100,000 rows;
    with less than about five rows a kept channel the scales fit the sample and serve other images worse than none.

    Each layer's input comes from one pass through the network as pruned and rescaled so far; it ends at the layer, as
    y needs no more. Passes are in evaluation mode, as in the authors' code (Caffe's TEST phase): with running
    statistics and no dropout, y depends on its own image alone and is what the pruned network must give when used.
    Raises UsageError for counts or a network with which this cannot be done, RunFailed where activations overflow.
    """
    network = unwrapped(model)
    if min(len(images), locations, batch_size) < 1:
        raise UsageError("ThiNet needs at least one image, one location and a batch of one.")
    thinned = copy.deepcopy(network).eval()
    mask = {unit.name: torch.ones(unit.channels, dtype=torch.bool) for unit in units_of(network)}
    for unit in _narrowed_units(network, kept):
        reader = thinned.get_submodule(unit.consumers[0].module)
        if not isinstance(reader, (nn.Conv2d, nn.Linear)):
            raise UsageError(f"'{unit.consumers[0].module}' is no convolution or linear layer.", _KEEP_WHOLE)
        draws = torch.rand(len(images), locations, 2, dtype=torch.float64, generator=_generator(seed, unit))
        gram = torch.zeros(unit.channels, unit.channels, dtype=torch.float64)
        for batch, drawn in zip(images.split(batch_size), draws.split(batch_size)):
            rows = contributions(reader, _input_of(thinned, reader, batch), drawn, unit.channels)
            gram += rows.t() @ rows
        if not bool(torch.isfinite(gram).all()):
            raise RunFailed(f"the input of '{unit.consumers[0].module}' is not finite.", "The training diverged.")
        mask[unit.name][greedy_removal(gram, unit.channels - kept[unit.name])] = False
        _rescale(reader, reconstruction_scales(gram, mask[unit.name]))
    for ours, theirs in zip(thinned.modules(), network.modules()):
        ours.training = theirs.training
    return thinned, mask


def contributions(reader: Reader, maps: Tensor, draws: Tensor, channels: int) -> Tensor:
    """What each input channel adds to sampled values of a layer's output: (images x locations, `channels`) float64.

    maps: the layer's input. draws: (images, locations, 2) in [0, 1): which output channel, and which position.
    On the CPU and in double precision, whatever the network's.
    """
    outputs = (draws[..., 0].flatten() * len(reader.weight)).to(torch.int64)
    image = torch.arange(len(draws)).repeat_interleave(draws.shape[1])
    slices = reader.weight.detach().reshape(len(reader.weight), channels, -1).permute(2, 0, 1).contiguous()
    outputs, image = outputs.to(slices.device), image.to(maps.device)
    rows = torch.zeros(len(image), channels, dtype=torch.float64)
    for weight, values in zip(slices, _read_values(reader, maps, image, draws[..., 1].flatten(), channels)):
        rows.addcmul_(values.to("cpu", torch.float64), weight[outputs].to("cpu", torch.float64))
    return rows


def _read_values(reader: Reader, maps: Tensor, image: Tensor, drawn: Tensor, channels: int) -> Iterator[Tensor]:
    """The values of every channel that each weight of a filter meets at the sampled places: (rows, channels) each."""
    if isinstance(reader, nn.Linear):
        maps = maps.reshape(len(maps), -1, channels, reader.weight.shape[1] // channels)
        position = (drawn * maps.shape[1]).to(torch.int64).to(maps.device)
        for part in maps.unbind(3):
            yield part[image, position]
        return
    # torch's own list of what a convolution of any padding mode adds to each side, in the order that `pad` takes.
    sides: List[int] = reader._reversed_padding_repeated_twice
    maps = functional.pad(maps, sides, mode="constant" if reader.padding_mode == "zeros" else reader.padding_mode)
    maps = maps.permute(0, 2, 3, 1).contiguous()  # all channels of a place side by side, as they are taken together
    (high, wide), (down, right), (row_gap, column_gap) = reader.kernel_size, reader.stride, reader.dilation
    columns = (maps.shape[2] - column_gap * (wide - 1) - 1) // right + 1
    positions = ((maps.shape[1] - row_gap * (high - 1) - 1) // down + 1) * columns
    position = (drawn * positions).to(torch.int64).to(maps.device)
    top, left = torch.div(position, columns, rounding_mode="floor") * down, position % columns * right
    for row, column in itertools.product(range(high), range(wide)):
        yield maps[image, top + row_gap * row, left + column_gap * column]


def greedy_removal(gram: Tensor, count: int) -> List[int]:
    """The `count` channels that go, in order: each makes the removed ones' summed square least (Algorithm 1).

    gram: (channels, channels) float64, x^T x of the rows. Of equals the earlier one goes.
    """
    added = gram.diagonal().clone()  # what the sum of squares grows by when a channel joins: G_jj + 2 sum_{t in T} G_jt
    removed: List[int] = []
    for _ in range(count):
        channel = int(torch.argmin(added))
        removed.append(channel)
        added += 2.0 * gram[channel]
        added[channel] = float("inf")
    return removed


def reconstruction_scales(gram: Tensor, kept: Tensor) -> Tensor:
    """The factors of all channels: those of the kept ones by which they reproduce y best (Eq. 7), 0 for the others.

    Written as 1 + d, where the kept channels times d come nearest to what the removed ones added up to, with the least
    d that does so; the squared error is never above that of scales of 1.
    """
    missing = gram[kept][:, ~kept].sum(1)
    values, vectors = torch.linalg.eigh(gram[kept][:, kept])
    inverse = values.reciprocal().masked_fill(values <= _RESOLUTION**2 * values[-1], 0.0)
    scales = torch.zeros(len(kept), dtype=gram.dtype)
    scales[kept] = 1.0 + vectors @ (inverse * (vectors.t() @ missing))
    return scales


_KEEP_WHOLE = "Let this unit keep all its channels."


class _Reached(Exception):
    """A pass has come to the layer whose input is wanted."""


def _input_of(network: nn.Module, reader: nn.Module, images: Tensor) -> Tensor:
    """The input of `reader`; the pass ends there."""
    found: List[Tensor] = []

    def stop(_module: nn.Module, inputs: Tuple[Any, ...]) -> None:
        found.append(inputs[0])
        raise _Reached

    handle = reader.register_forward_pre_hook(stop)
    try:
        with torch.no_grad():
            network(images.to(next(network.parameters()).device))
    except _Reached:
        return found[0]
    finally:
        handle.remove()
    raise UsageError("a layer that the network declares as a consumer is never run.", "Correct its prunable_units().")


def _rescale(reader: Reader, scales: Tensor) -> None:
    repeat = reader.weight.shape[1] // len(scales)
    shape = (1, -1) + (1,) * (reader.weight.dim() - 2)
    factors = scales.repeat_interleave(repeat).view(shape)
    with torch.no_grad():
        reader.weight.mul_(factors.to(reader.weight.device, reader.weight.dtype))


def _narrowed_units(network: nn.Module, kept: Mapping[str, int]) -> List[PrunableUnit]:
    """The units that lose channels, from the front. Raises UsageError for counts that cannot be carried out."""
    units = {unit.name: unit for unit in units_of(network)}
    for name, count in kept.items():
        if name not in units:
            raise UsageError(f"the network has no unit '{name}'.", f"It has {', '.join(units)}.")
        if not 1 <= count <= units[name].channels:
            raise UsageError(f"'{name}' cannot keep {count} of {units[name].channels} channels.", "Keep at least one.")
        if count < units[name].channels and not _can_lose(units[name]):
            raise UsageError(f"ThiNet cannot prune '{name}': it needs one producer and one consumer.", _KEEP_WHOLE)
    narrowed = [unit for name, unit in units.items() if kept.get(name, unit.channels) < unit.channels]
    # Shapes that contradict the declaration and grouped convolutions are refused here, before the work.
    plan_cuts(network, {name: torch.arange(kept.get(name, unit.channels)) for name, unit in units.items()})
    return narrowed


def _can_lose(unit: PrunableUnit) -> bool:
    return unit.producer is not None and len(unit.consumers) == 1


def _generator(seed: int, unit: PrunableUnit) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(f"thinet {seed} {unit.name}".encode()))
