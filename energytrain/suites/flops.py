"""FLOPs of a forecast: those of one precision are never added to those of another, but in the paper's count.

That count is of convolutions and linear layers alone, a multiply-add in any precision counted as one in fp32
(`reports.flops.paper_count`).
"""

from dataclasses import dataclass
from typing import Any, Dict, Iterable, Mapping, Optional, Sequence

from ..quantities.ledger import MATRIX_KINDS, Ledger, in_order

LESS = ", less what it has"  # behind how a figure was made


@dataclass(frozen=True)
class Flops:
    """FLOPs and how they were made, in words. value: all of them; None where they are of several precisions."""

    value: Optional[float]
    source: str
    by_precision: Mapping[str, float]
    paper_count: float


def flops_of(by_precision: Mapping[str, float], paper_count: float, source: str) -> Flops:
    """Precisions without any are left out; the others are in the ledger's order."""
    found = in_order(by_precision)
    return Flops(sum(found.values()) if len(found) < 2 else None, source, found, paper_count)


def planned_flops(ledger: Ledger, source: str) -> Flops:
    return flops_of(ledger.by_precision(), ledger.flops(kinds=MATRIX_KINDS), source)


def mean_flops(rows: Sequence[Mapping[str, Any]], source: str) -> Flops:
    """Of the rows of results."""
    found = sum_of_flops([flops_of(row["flops_by_precision"], row["matrix_flops"], source) for row in rows])
    return flops_of(_scaled(found.by_precision, 1 / len(rows)), found.paper_count / len(rows), source)


def left_of(planned: Flops, row: Mapping[str, Any]) -> Flops:
    """What is left of `planned` behind what a row of a result has."""
    had = row["flops_by_precision"]
    left = {name: max(0.0, flops - had.get(name, 0)) for name, flops in planned.by_precision.items()}
    count = max(0.0, planned.paper_count - row["matrix_flops"])
    # A precision of which nothing is left still makes its figures apart from those of the others.
    value = None if planned.value is None else sum(left.values())
    return Flops(value, f"{planned.source}{LESS}", left, count)


def sum_of_flops(parts: Iterable[Flops], source: str = "") -> Flops:
    sums: Dict[str, float] = {}
    count = 0.0
    for part in parts:
        count += part.paper_count
        for name, flops in part.by_precision.items():
            sums[name] = sums.get(name, 0) + flops
    return flops_of(sums, count, source)


def _scaled(by_precision: Mapping[str, float], factor: float) -> Dict[str, float]:
    return {name: flops * factor for name, flops in by_precision.items()}
