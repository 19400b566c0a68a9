"""The controls a ticket is compared with: a random ticket of the same counts, and a uniform width of the same cost."""

from typing import Callable

import torch

from .masks import Mask

_GRID = 1024  # width multipliers are multiples of 1/1024: finer than one channel of the widest layer, and exact floats


def random_mask_like(mask: Mask, seed: int) -> Mask:
    """As many channels a unit as `mask` keeps, drawn at random: the same for the same seed, whatever ran before."""
    generator = torch.Generator().manual_seed(seed)
    drawn: Mask = {}
    for name in sorted(mask):
        width = mask[name].numel()
        positions = torch.randperm(width, generator=generator)[: int(mask[name].sum())]
        drawn[name] = torch.zeros(width, dtype=torch.bool)
        drawn[name][positions] = True
    return {name: drawn[name] for name in mask}


def uniform_width(build_macs: Callable[[float], int], target_macs: int) -> float:
    """The width multiplier in (0, 1] whose network's cost is nearest to `target_macs`.

    `build_macs(width)` gives the cost and must not fall as the width grows. It is called about ten times.
    """
    low, high = 1, _GRID
    while low < high:
        middle = (low + high) // 2
        if build_macs(middle / _GRID) < target_macs:
            low = middle + 1
        else:
            high = middle
    candidates = [steps / _GRID for steps in (low - 1, low) if steps > 0]
    return min(candidates, key=lambda width: abs(build_macs(width) - target_macs))
