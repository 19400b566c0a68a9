"""The order of an epoch and each rank's share of its batches, the same for data in memory and on disk."""

from typing import List, Tuple

import torch

from ..errors import UsageError
from .hashing import SHUFFLE, key_of, words


def steps(images: int, batch_size: int, drop_last: bool = False) -> int:
    """Batches an epoch, which is the same on every rank."""
    return images // batch_size if drop_last else -(-images // batch_size)


def epoch_size(images: int, batch_size: int) -> Tuple[int, int, bool]:
    """(images, steps, drop_last) of one training epoch.

    A last batch of a single image is dropped: batch normalisation over one value has no variance.
    """
    drop_last = images > batch_size and images % batch_size == 1
    return images - drop_last, steps(images, batch_size, drop_last), drop_last


def shuffled(ids: torch.Tensor, seed: int, epoch: int) -> torch.Tensor:
    """Positions (N,) int64 of one epoch's order, from the images' ids (N,) int64: ids are sorted by their words."""
    return torch.argsort(words(ids, key_of(SHUFFLE, seed, epoch)))


def shares(images: int, batch_size: int, rank: int, world: int, drop_last: bool) -> List[Tuple[int, int]]:
    """(start, stop) of this rank's part of each batch.

    `batch_size` counts the images of one step over all ranks, so the batches are the same for any `world`. Every rank
    gets as many parts as there are batches; parts of one batch differ by one image at most, and may be empty when the
    last batch has fewer images than there are ranks (`drop_last` avoids it).
    """
    parts = []
    for start in range(0, steps(images, batch_size, drop_last) * batch_size, batch_size):
        size = min(batch_size, images - start)
        parts.append((start + size * rank // world, start + size * (rank + 1) // world))
    return parts


def check_request(images: int, batch_size: int, train: bool, rank: int, world: int) -> None:
    """Raise UsageError for a batch that cannot be made."""
    if batch_size < 1:
        raise UsageError(f"a batch size of {batch_size} is not possible.", "Give --batch-size at least 1.")
    if train and batch_size > images:
        raise UsageError(
            f"the batch size {batch_size} is larger than the {images} training images.",
            "Lower --batch-size, or raise --limit.",
        )
    if not 0 <= rank < world or (train and batch_size < world):
        raise UsageError(
            f"a batch of {batch_size} cannot be shared as rank {rank} of {world}.",
            "Raise --batch-size or use fewer ranks.",
        )
