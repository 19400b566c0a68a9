"""Fewer points of a long series for display: every peak, both ends and every stretch without values stay."""

from typing import Any, Tuple

import numpy as np

Array = Any
MOST = 4000
_A_BUCKET = 3  # its least, its greatest, and one gap


def downsample(x: Array, y: Array, most: int = MOST) -> Tuple[Array, Array, int]:
    """(x, y, left out): at most about `most` of the points of a series.

    x: shape (n,), not decreasing; y: shape (n,), nan in a gap. A series of `most` points or fewer stays whole. Else its
    x range is divided in equal buckets, of each of which the first of its least values, the first of its greatest and,
    where it has a gap, the first nan stay; so do the first and the last point.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"a series needs one y an x: {x.shape} and {y.shape}")
    if len(x) <= most:
        return x, y, 0
    starts = _starts(x, max(1, (most - 2) // _A_BUCKET))
    sizes = np.diff(np.append(starts, len(x)))
    gap = np.isnan(y)
    least = np.minimum.reduceat(np.where(gap, np.inf, y), starts)
    greatest = np.maximum.reduceat(np.where(gap, -np.inf, y), starts)
    kept = [[0, len(x) - 1]]
    for here in (y == np.repeat(least, sizes), y == np.repeat(greatest, sizes), gap):
        kept.append(_first_in_each(here, starts))
    indices = np.unique(np.concatenate(kept))
    return x[indices], y[indices], len(x) - len(indices)


def _starts(x: Array, buckets: int) -> Array:
    """The index at which each bucket that has points begins."""
    edges = np.linspace(x[0], x[-1], buckets + 1)[:-1]
    return np.unique(np.append(0, np.searchsorted(x, edges[1:])))


def _first_in_each(here: Array, starts: Array) -> Array:
    """The first index of each bucket at which `here` is true, of those that have one."""
    at = np.flatnonzero(here)
    bucket = np.searchsorted(starts, at, side="right")
    _, first = np.unique(bucket, return_index=True)
    return at[first]
