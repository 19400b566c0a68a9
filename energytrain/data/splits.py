"""Which images belong to which part: class-balanced choices that depend on labels and a seed alone. Torch-free."""

from typing import Tuple

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from .hashing import LIMIT, key_of, words

Indices = npt.NDArray[np.int64]


def ranks_in_class(labels: Indices, seed: int, purpose: int) -> Tuple[Indices, Indices]:
    """A random order within each class: (rank of each image in its class, the random word of each image)."""
    draws = np.asarray(words(np.arange(len(labels), dtype=np.int64), key_of(purpose, seed)))
    order = np.lexsort((draws, labels))
    sizes = np.bincount(labels) if len(labels) else np.zeros(0, dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1])) if len(sizes) else sizes
    ranks = np.empty(len(labels), dtype=np.int64)
    ranks[order] = np.arange(len(labels)) - starts[labels[order]]
    return ranks, draws


def limited(labels: Indices, limit: int) -> Indices:
    """Sorted positions of `limit` images with equal class counts (to one, while the classes last).

    The choice has a seed of its own, not the run's: all seeds of a comparison see the same images, and a smaller
    limit is a subset of a larger one.
    """
    if limit < 1:
        raise UsageError(f"--limit {limit} leaves no image to train on.", "Give at least 1.")
    if limit > len(labels):
        raise UsageError(
            f"--limit {limit} is more than the {len(labels)} training images there are.", "Lower it or leave it out."
        )
    ranks, draws = ranks_in_class(labels, 0, LIMIT)
    return np.sort(np.lexsort((draws, ranks))[:limit])


def held_out_count(images: int, fraction: float) -> int:
    """How many of `images` a fraction in [0, 1) holds out: rounded to nearest, a half upwards."""
    if not 0.0 <= fraction < 1.0:
        raise UsageError(f"the held-out share {fraction} is outside [0, 1).", "Give for instance 0.1, or 0 for none.")
    count = int(np.floor(fraction * images + 0.5))
    if fraction > 0 and not 0 < count < images:
        raise UsageError(
            f"a held-out share of {fraction} leaves one part of {images} images empty.", "Give another share."
        )
    return count


def stratified(labels: Indices, count: int, seed: int, purpose: int) -> Tuple[Indices, Indices]:
    """Sorted positions (kept, held out) with exactly `count` held out, each class in proportion.

    Quotas are rounded by largest remainder, among equals the lower class first.
    """
    sizes = np.bincount(labels)
    shares = sizes * count  # in units of 1 / len(labels): integer remainders are exact
    quotas = shares // max(len(labels), 1)
    remainders = shares - quotas * len(labels)
    for label in np.argsort(-remainders, kind="stable")[: count - int(quotas.sum())]:
        quotas[label] += 1
    ranks, _ = ranks_in_class(labels, seed, purpose)
    held = ranks < quotas[labels]
    return np.flatnonzero(~held), np.flatnonzero(held)
