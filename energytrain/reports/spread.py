"""Means over runs that differ in the seed alone, their spread, and differences of pairs with an interval."""

import math
import statistics
from dataclasses import dataclass
from typing import Optional, Sequence

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of n values; of one value there is no deviation."""

    mean: float
    sd: Optional[float]
    n: int


@dataclass(frozen=True)
class Difference:
    """The mean of n paired differences, or ratios, and its interval (95 %, Student's t); of one pair there is none."""

    mean: float
    low: Optional[float]
    high: Optional[float]
    n: int


def verdict(difference: Difference, margin: float) -> str:
    """What an interval says of a difference of which less than `margin` does not matter: two one-sided tests.

    "same" where all of it lies within the margin, "better" or "worse" where all of it lies on one side of zero, else
    "cannot tell". The 95 % interval makes each of the two tests one at 2.5 %.

    >>> verdict(Difference(0.1, -0.4, 0.6, 5), 1.0), verdict(Difference(-2.0, -3.5, -0.5, 5), 1.0)
    ('same', 'worse')
    """
    if difference.low is None or difference.high is None:
        return "cannot tell"
    if -margin < difference.low and difference.high < margin:
        return "same"
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "cannot tell"


def spread(values: Sequence[float]) -> Optional[Spread]:
    """
    >>> spread([1.0, 2.0, 3.0])
    Spread(mean=2.0, sd=1.0, n=3)
    """
    if not values:
        return None
    return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


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
