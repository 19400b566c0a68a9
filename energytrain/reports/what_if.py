"""Energies of arithmetic that was emulated: not what the run drew, so they carry a mark wherever they are shown.

A result with such work has a block "what_if" (`costs.what_if`) with two figures for the useful energy. Its rows have
the first of them as their modelled energy; tables of several runs show both.
"""

from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..costs.fp32_twin import EMULATED
from ..quantities.energy import Energy
from .format import bounds, joules, provenance

MARK = "what-if"
FIGURES = {"same_time": "(a)", "paper_convention": "(b)"}  # by their key in the block
WHAT_IF_MEANS = (
    "what-if: 8-bit arithmetic was emulated; these joules are not measured, they follow from 8-bit unit energies: (a) "
    "with the time and static power of fp32, (b) by the paper's convention. Not to be ranked with other joules."
)

Result = Mapping[str, Any]


def is_what_if(result: Result) -> bool:
    return result.get("what_if") is not None


def emulated(row: Mapping[str, Any]) -> bool:
    """Whether a row of a result has work in a precision that was emulated."""
    return bool(row.get("flops_by_precision", {}).get(EMULATED))


def what_if_energies(result: Result) -> Dict[str, Energy]:
    """The useful energies of the block, by the key of the figure; missing where it has none."""
    block = result["what_if"]
    if block["figures"] is None:
        return {name: Energy.missing(str(block["reason"])) for name in FIGURES}
    return {name: Energy.from_json(block["figures"][name]) for name in FIGURES}


def useful_cells(result: Result) -> List[Tuple[str, str, str]]:
    """Useful energy, 95 % interval and provenance in a table of several runs: one line, of a what-if one a figure."""
    useful = result["useful"]["energy"]
    if not is_what_if(result):
        return [(joules(useful), bounds(useful), provenance(useful))]
    lines = []
    for name, energy in what_if_energies(result).items():
        data = energy.to_json()
        figure = joules(data) if energy.joules is None else f"{joules(data)} {MARK}"
        lines.append((figure, bounds(data), f"{MARK} {FIGURES[name]}, {provenance(data)}"))
    return lines


def row_provenance(row: Mapping[str, Any]) -> str:
    """The provenance of a row's modelled energy."""
    return f"{MARK}, {provenance(row['energy'])}" if emulated(row) else provenance(row["energy"])


def meaning(results: Sequence[Result]) -> List[str]:
    """What the mark means, where one of these results carries it."""
    return [WHAT_IF_MEANS] if any(map(is_what_if, results)) else []
