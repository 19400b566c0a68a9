"""How far apart two ticket masks are."""

import torch

from .masks import Mask, check_fits


def mask_distance(first: Mask, second: Mask) -> float:
    """The share of channels in which two masks of one network differ: Hamming distance, 0 to 1 (paper, Section 3.3).

    Two masks of prune ratio p are at most 2 min(p, 1 - p) apart. Raises UsageError for masks of different networks.
    """
    check_fits({name: kept.numel() for name, kept in first.items()}, {n: kept.numel() for n, kept in second.items()})
    ours = torch.cat([first[name] for name in first])
    theirs = torch.cat([second[name] for name in first])
    return int((ours != theirs).sum()) / ours.numel()
