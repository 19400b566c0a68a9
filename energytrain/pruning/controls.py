"""The controls a ticket is compared with: a random ticket of the same counts, and a uniform width of the same cost."""

import math
from typing import Callable, Dict

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

    `build_macs(width)` gives the cost and must not fall as the width grows. It is called about eight times.
    """
    known: Dict[int, int] = {}

    def macs(steps: int) -> int:
        if steps not in known:
            known[steps] = build_macs(steps / _GRID)
        return known[steps]

    low, high = 1, _GRID  # the first width that costs as much or more is one of low .. high, or there is none
    guess = math.isqrt(_GRID * _GRID * target_macs // max(1, macs(_GRID)))  # cost grows with about the width squared
    reach = 2
    while low < high:
        middle = min(max(guess, low), high - 1)
        if macs(middle) < target_macs:
            low, guess = middle + 1, middle + reach
        else:
            high, guess = middle, middle - reach
        if reach < _GRID:
            reach *= 4
        else:
            guess = (low + high) // 2
    candidates = [steps for steps in (low - 1, low) if steps > 0]
    return min(candidates, key=lambda steps: abs(macs(steps) - target_macs)) / _GRID
