"""Means over runs that differ in the seed alone, their spread, and differences of pairs with an interval.

`judgement` says what such differences mean.
"""

import math
import statistics
from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """n values: mean, standard deviation (of one value there is none), median, the least and the largest; and the
    values themselves in the order in which they came, since of few a mean and a deviation say little."""

    mean: float
    sd: Optional[float]
    n: int
    median: float
    low: float
    high: float
    values: Tuple[float, ...]


@dataclass(frozen=True)
class Difference:
    """The mean of n paired differences, or ratios, and its interval (95 %, Student's t); of one pair there is none."""

    mean: float
    low: Optional[float]
    high: Optional[float]
    n: int


def spread(values: Sequence[float]) -> Optional[Spread]:
    """
    >>> spread([3.0, 1.0, 2.0])
    Spread(mean=2.0, sd=1.0, n=3, median=2.0, low=1.0, high=3.0, values=(3.0, 1.0, 2.0))
    """
    if not values:
        return None
    return Spread(
        mean=statistics.fmean(values),
        sd=statistics.stdev(values) if len(values) > 1 else None,
        n=len(values),
        median=statistics.median(values),
        low=min(values),
        high=max(values),
        values=tuple(values),
    )


def one_a_seed(values: Iterable[Tuple[int, float]]) -> List[float]:
    """The mean of each seed's values, from (seed, value): repeats of a seed are no further sample of seeds.

    >>> one_a_seed([(0, 1.0), (1, 5.0), (0, 3.0)])
    [2.0, 5.0]
    """
    by_seed: Dict[int, List[float]] = {}
    for seed, value in values:
        by_seed.setdefault(seed, []).append(value)
    return [statistics.fmean(found) for found in by_seed.values()]


def paired(values: Sequence[float]) -> Optional[Difference]:
    """The mean of differences (or ratios) of pairs, with Student's t interval."""
    found = spread(values)
    if found is None:
        return None
    if found.sd is None:
        return Difference(found.mean, None, None, 1)
    from scipy.special import stdtrit

    half = float(stdtrit(found.n - 1, (1 + CONFIDENCE) / 2)) * found.sd / math.sqrt(found.n)
    return Difference(found.mean, found.mean - half, found.mean + half, found.n)
