"""One SI prefix for all energies of a paper's table and one for all FLOPs, and means over seeds written in them."""

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from ..comparing.spread import Spread, spread
from ..flops import by_precision, paper_count
from ..format import PREFIXES
from .cells import decimals_of, digits
from .sheet import Cell

Result = Mapping[str, Any]

FEW = 5  # of no more seeds every point is shown
_FACTORS = {prefix: factor for factor, prefix in PREFIXES}


@dataclass(frozen=True)
class Unit:
    """A prefix and its factor: what figures are divided by."""

    prefix: str
    factor: float


def unit_for(values: Sequence[float], papers: str) -> Unit:
    """The paper's prefix where the largest of these values is readable in it, else the one that makes it so.

    >>> unit_for([1262.7, 597.0], "k").prefix, unit_for([57.4], "k").prefix, unit_for([], "M").prefix
    ('k', '', 'M')
    """
    largest = max(values, default=0.0)
    if not largest or 0.1 <= largest / _FACTORS[papers] < 1e4:
        return Unit(papers, _FACTORS[papers])
    return next((Unit(prefix, factor) for factor, prefix in PREFIXES if largest >= factor), Unit("", 1.0))


def accuracies(results: Sequence[Result]) -> List[float]:
    """Test accuracies after the last epoch, in percent, of those runs that have one."""
    return [result["accuracy"]["test"] for result in results if result["accuracy"]["test"] is not None]


def accuracy_cell(results: Sequence[Result], points: bool) -> Cell:
    """points: with every seed's, where these are few."""
    return spread_cell(spread(accuracies(results)), lambda value: f"{value:.2f}", points)


def flops_cell(results: Sequence[Result], unit: Unit, points: bool) -> Cell:
    """FLOPs by the paper's count; apart by precision beside the value."""
    found = spread([float(paper_count(result["useful"])) for result in results])
    cell = spread_cell(found, in_unit(unit, found), points)
    parts: Dict[str, List[int]] = {}
    for result in results:
        for precision, flops in by_precision(result["useful"]).items():
            parts.setdefault(precision, []).append(flops)
    return Cell(cell.text, cell.value, {**cell.more, "as_run": {name: sum(v) / len(v) for name, v in parts.items()}})


def spread_cell(found: Optional[Spread], write: Callable[[float], str], points: bool) -> Cell:
    """Mean and standard deviation; points: of few values that differ also median, range and each of them."""
    if found is None:
        return Cell("none")
    text = write(found.mean)
    if found.sd:
        text += f" ± {write(found.sd)}"
        if points and found.n <= FEW:
            text += f"\nmedian {write(found.median)}, {write(found.low)} to {write(found.high)}"
            text += f"\n{', '.join(write(value) for value in found.values)}"
    return Cell(text, found.mean, spread_json(found))


def spread_json(found: Spread) -> Dict[str, Any]:
    return {
        "sd": found.sd,
        "n": found.n,
        "median": found.median,
        "least": found.low,
        "most": found.high,
        "points": list(found.values),
    }


def in_unit(unit: Unit, found: Optional[Spread]) -> Callable[[float], str]:
    """Writes figures in a unit, all with as many decimals as the mean needs."""
    decimals = 0 if found is None else decimals_of(found.mean / unit.factor)
    return lambda value: digits(value / unit.factor, decimals=decimals)
