"""Joules of single operations in 8 bits and in fp32, as published, and what an 8-bit FLOP costs beside one in fp32.

Block floating point has no unit energies of its own in print. Inside a block its numbers are integers under one common
exponent, so those of INT8 stand in for it: a multiplication of 8 bits, and an addition of 8 bits (as they are mostly
quoted) or of 32 (which a sum of many products needs, if it is not to overflow). What the exponents cost, once a block,
is left out, and so are sums in fp32, which some accelerators make.

The Early-Bird paper takes the joules of its 8-bit rows from "real-measured unit energy" of Yang et al. 2019
(arXiv:1909.02384), which are those of 8-bit integers too; that paper's values could not be checked and are not used.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Dict, Tuple


@dataclass(frozen=True)
class UnitEnergies:
    """One publication's picojoules of an operation; `process` is the chip's, in nm."""

    name: str
    source: str
    date: str
    process: int
    fp32_multiply: float
    fp32_add: float
    int8_multiply: float
    int8_add: float
    int32_add: float

    def ratios(self) -> Tuple[float, float]:
        """A multiply-add of 8 bits over one of fp32: with a sum of 8 bits, and with one of 32 bits."""
        fp32 = self.fp32_multiply + self.fp32_add
        return (self.int8_multiply + self.int8_add) / fp32, (self.int8_multiply + self.int32_add) / fp32

    def to_json(self) -> Dict[str, Any]:
        """Its values in pJ, and the two ratios."""
        data = asdict(self)
        about = {key: data.pop(key) for key in ("name", "source", "date", "process")}
        return {**about, "picojoules": data, "ratios": list(self.ratios())}


# Both tables are of bare arithmetic: no registers, no caches, no instructions. That of Jouppi et al. repeats Horowitz's
# in its 45 nm column, so only its 7 nm column is a second source.
SOURCES = (
    UnitEnergies(
        name="Horowitz 2014",
        source="M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014: 45 nm, 0.9 V",
        date="2014",
        process=45,
        fp32_multiply=3.7,
        fp32_add=0.9,
        int8_multiply=0.2,
        int8_add=0.03,
        int32_add=0.1,
    ),
    UnitEnergies(
        name="Jouppi 2021",
        source="N. Jouppi et al., Ten lessons from three generations shaped Google's TPUv4i, ISCA 2021, table 2: 7 nm",
        date="2021",
        process=7,
        fp32_multiply=1.31,
        fp32_add=0.38,
        int8_multiply=0.07,
        int8_add=0.007,
        int32_add=0.03,
    ),
)


@dataclass(frozen=True)
class Interval:
    """A ratio of two energies and what it may be at least and at most."""

    value: float
    low: float
    high: float


def unit_ratio(sources: Tuple[UnitEnergies, ...] = SOURCES) -> Interval:
    """Joules of an 8-bit FLOP over those of one in fp32.

    The geometric mean of all ratios of all sources, between the least and the greatest of them.

    >>> ratio = unit_ratio()
    >>> f"{ratio.value:.4f} ({ratio.low:.4f} to {ratio.high:.4f})"
    '0.0545 (0.0456 to 0.0652)'
    """
    ratios = [ratio for source in sources for ratio in source.ratios()]
    middle = math.exp(math.fsum(math.log(ratio) for ratio in ratios) / len(ratios))
    return Interval(middle, min(ratios), max(ratios))
