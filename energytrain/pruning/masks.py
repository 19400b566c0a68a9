"""Which channels are kept: the mask by BN scales over the whole network, its counts, and masking in place."""

import itertools
import math
from typing import Dict, List, Mapping, Sequence, Tuple

import torch
from torch import Tensor, nn

from ..errors import RunFailed, UsageError
from ..models.units import units_of

Mask = Dict[str, Tensor]
"""One bool vector a unit, by its name, on the CPU; True is kept."""


def bn_scores(model: nn.Module) -> Dict[str, Tensor]:
    """The magnitudes of the BN scales of every prunable unit, by unit: what the paper ranks channels by."""
    return {unit.name: scale_of(model, unit.bn).detach().abs() for unit in units_of(model)}


def bn_scale_mask(model: nn.Module, prune_ratio: float) -> Mask:
    """The paper's ticket mask (Section 3.3): `global_mask` of the network's BN scales."""
    return global_mask(bn_scores(model), prune_ratio)


def global_mask(scores: Mapping[str, Tensor], prune_ratio: float) -> Mask:
    """Drop the int(N x `prune_ratio`) channels with the lowest scores of all N, over all units together.

    Among equal scores the earlier position is dropped first. A unit never loses its last channel: it keeps its highest
    score (the first of equals), and the next lowest of the others is dropped instead; fewer than int(N x `prune_ratio`)
    are dropped only where every unit is down to one. Raises UsageError for a ratio outside (0, 1),
    RunFailed for a score that is not finite.
    """
    check_prune_ratio(prune_ratio)
    if not scores:
        raise UsageError("the network has no channels that could be pruned.")
    sizes = [scores[name].numel() for name in scores]
    flat = rankable(scores, "channels")
    kept = drop_lowest(flat, sizes, int(flat.numel() * prune_ratio))
    return dict(zip(scores, kept.split(sizes)))


def rankable(scores: Mapping[str, Tensor], what: str) -> Tensor:
    """All scores one after another in a new vector on the CPU; float32 stays, other types become float64.

    Raises RunFailed, naming `what` they are scores of, where one is not finite.
    """
    flat = torch.cat([scores[name].detach().reshape(-1) for name in scores]).cpu()
    if flat.dtype not in (torch.float32, torch.float64):
        flat = flat.double()
    if not bool(torch.isfinite(flat).all()):
        raise RunFailed(f"{what} cannot be ranked: a score is not finite.", "The training diverged; lower its rate.")
    return flat


def drop_lowest(scores: Tensor, sizes: Sequence[int], drop: int) -> Tensor:
    """Which scores of a vector are kept when the `drop` lowest go, the earlier of equals first.

    The vector is made of parts of `sizes`. A part never loses its last score, as `global_mask` says, unless all of it
    is -inf. `scores` is overwritten.
    """
    kept = ~_lowest(scores, drop)
    free = scores.numel()
    emptied = _emptied(scores, kept, sizes)
    while emptied:
        for start, size in emptied:
            scores[start + int(torch.argmax(scores[start : start + size]))] = math.inf
        free -= len(emptied)
        kept = ~_lowest(scores, min(drop, free))
        emptied = _emptied(scores, kept, sizes)
    return kept


def apply_mask(model: nn.Module, mask: Mask) -> None:
    """Mask in place: BN scale and bias of dropped channels become 0, so behind the ReLU the channel is silent.

    Raises UsageError where the mask is of another network.
    """
    units = units_of(model)
    check_fits({unit.name: unit.channels for unit in units}, {name: kept.numel() for name, kept in mask.items()})
    with torch.no_grad():
        for unit in units:
            norm = model.get_submodule(unit.bn)
            dropped = ~mask[unit.name].to(scale_of(model, unit.bn).device)
            for parameter in (norm.weight, norm.bias):
                if isinstance(parameter, Tensor):
                    parameter.masked_fill_(dropped, 0.0)


def kept_counts(mask: Mask) -> Dict[str, int]:
    """How many channels each unit keeps."""
    return {name: int(kept.sum()) for name, kept in mask.items()}


def kept_indices(mask: Mask) -> Dict[str, List[int]]:
    """The positions each unit keeps, rising."""
    return {name: torch.nonzero(kept).flatten().tolist() for name, kept in mask.items()}


def mask_from_indices(kept: Mapping[str, Sequence[int]], widths: Mapping[str, int]) -> Mask:
    """The mask that keeps the given positions of units of the given widths."""
    mask = {}
    for name, width in widths.items():
        mask[name] = torch.zeros(width, dtype=torch.bool)
        mask[name][list(kept[name])] = True
    return mask


def check_prune_ratio(prune_ratio: float) -> None:
    if not (math.isfinite(prune_ratio) and 0.0 < prune_ratio < 1.0):
        raise UsageError(f"the prune ratio is {prune_ratio}.", "Give a number above 0 and below 1, such as 0.5.")


def check_fits(network: Mapping[str, int], mask: Mapping[str, int]) -> None:
    """Raise UsageError unless both have the same units with the same number of channels."""
    for name in list(network) + [name for name in mask if name not in network]:
        if network.get(name) != mask.get(name):
            have = f"{network[name]} channels" if name in network else "no such unit"
            want = f"{mask[name]}" if name in mask else "none"
            raise UsageError(
                f"the ticket does not fit this network: at '{name}' the network has {have}, the ticket {want}.",
                "Build the model, width and data set that the ticket was drawn with.",
            )


def scale_of(model: nn.Module, path: str) -> Tensor:
    """The scales of the normalisation at `path`. Raises UsageError where it has none (affine=False)."""
    scale = model.get_submodule(path).weight
    if not isinstance(scale, Tensor):
        raise UsageError(f"the batch normalisation '{path}' has no scales.", "Build it with affine=True.")
    return scale


def _lowest(scores: Tensor, count: int) -> Tensor:
    """Which `count` entries are lowest, the earlier of equals first. One selection, no sort."""
    if count == 0:
        return torch.zeros(scores.shape, dtype=torch.bool)
    threshold = torch.kthvalue(scores, count).values
    lowest = scores < threshold
    ties = torch.nonzero(scores == threshold).flatten()
    lowest[ties[: count - int(lowest.sum())]] = True
    return lowest


def _emptied(scores: Tensor, kept: Tensor, sizes: Sequence[int]) -> List[Tuple[int, int]]:
    """(start, size) of every part that keeps nothing and has a score above -inf."""
    starts = itertools.accumulate([0, *sizes])
    parts = [(start, size) for start, size, part in zip(starts, sizes, kept.split(list(sizes))) if not bool(part.any())]
    return [(start, size) for start, size in parts if bool((scores[start : start + size] > -math.inf).any())]
