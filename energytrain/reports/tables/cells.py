"""Cells that several tables have: names, figures, energies with their bounds and where they come from."""

import math
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..flops import PAPER_COUNT, PAPER_COUNT_MEANS, by_precision, paper_count, written
from ..format import joules, provenance, seconds, si
from ..what_if import FIGURES, MARK, emulated, is_what_if, what_if_energies
from .people import one_line
from .sheet import Cell, Column

EMPTY = Cell("")


def name(text: str) -> Cell:
    """What a person called something; for people in one line."""
    return Cell(one_line(text), text)


def number(value: Optional[float], text: Optional[str] = None) -> Cell:
    """A figure, or nothing where there is none."""
    return EMPTY if value is None else Cell(str(value) if text is None else text, value)


def accuracy(value: Optional[float]) -> Cell:
    return Cell("none") if value is None else Cell(f"{value:.2f} %", value)


def time(value: float) -> Cell:
    return Cell(seconds(value) if value else "", value)


def digits(value: float, significant: int = 4, decimals: Optional[int] = None) -> str:
    """A figure in plain digits, never rounded to nothing; decimals: as many, whatever is significant.

    >>> digits(6322.4), digits(0.000056934), digits(0.0)
    ('6322', '0.00005693', '0')
    """
    if not value:
        return "0"
    return f"{value:.{decimals_of(value, significant) if decimals is None else decimals}f}"


def decimals_of(value: float, significant: int = 4) -> int:
    """With how many decimals a figure has that many significant digits."""
    if not value:
        return 0
    place = math.floor(math.log10(abs(value)))
    if round(abs(value), significant - 1 - place) >= 10 ** (place + 1):  # 9.9996 is 10.00
        place += 1
    return max(0, significant - 1 - place)


def energy_columns(key: str, title: str) -> Tuple[Column, ...]:
    """An energy with its 95 % bounds and where it comes from: the columns of `energy_cells`."""
    return (
        Column(f"{key}_joules", title),
        Column(f"{key}_joules_low", "95 % bounds"),
        Column(f"{key}_joules_high", "to", joins=" to "),
        Column(f"{key}_provenance", "provenance", numeric=False),
    )


def energy_cells(energy: Mapping[str, Any], mark: str = "", device: str = "", host: str = "") -> Tuple[Cell, ...]:
    """From an energy's JSON form; mark: stands before its provenance ("what-if")."""
    source = f"{mark}, {provenance(energy)}" if mark else provenance(energy)
    more: Dict[str, Any] = {"scope": energy["scope"], "coverage": energy["coverage"], "what_if": bool(mark)}
    if energy["joules"] is None:
        more["reason"] = energy["reason"]
        if energy["partial"] is not None:
            more["partial_joules"] = energy["partial"]
    known = energy["joules"] is not None
    figure = f"{joules(energy)} {MARK}" if mark and known else joules(energy)
    return (
        Cell(figure, energy["joules"]),
        Cell(si(energy["low"], "J") if known else "", energy["low"]),
        Cell(si(energy["high"], "J") if known else "", energy["high"]),
        Cell(f"{source} ({one_line(device)})" if device else source, energy["provenance"], more),
    )


def useful_energy(result: Mapping[str, Any]) -> Tuple[Cell, ...]:
    """The useful energy of a run; of a what-if both figures, the second as lines below and beside the value."""
    device = result["device"]["name"]
    if not is_what_if(result):
        return energy_cells(result["useful"]["energy"], device=device)
    rows = {
        figure: energy_cells(energy.to_json(), f"{MARK} {FIGURES[figure]}", device)
        for figure, energy in what_if_energies(result).items()
    }
    (_, first), (other, second) = rows.items()
    cells: List[Cell] = []
    for one, two, unit in zip(first, second, ("joules", "joules_low", "joules_high", "")):
        more = {**one.more, **({f"{other}_{unit}": two.value} if unit else {})}
        cells.append(Cell(f"{one.text}\n{two.text}" if two.text else one.text, one.value, more))
    return tuple(cells)


def row_energy(row: Mapping[str, Any], headline: str) -> Tuple[Cell, ...]:
    """The energy of a row of a result; where work that is not modelled has none it says so."""
    if headline == "modelled" and not row["flops"]:
        return EMPTY, EMPTY, EMPTY, Cell("not modelled", "missing", {"reason": row["energy"]["reason"]})
    return energy_cells(row["energy"], MARK if headline == "modelled" and emulated(row) else "")


def flops_columns(prefix: str, title: str, seen: List[str]) -> Tuple[Column, ...]:
    """A column for each precision in which there is work, and where these are several one of the paper's count."""
    columns = [Column(f"{prefix}flops_{precision}", f"{title}, {precision}") for precision in seen]
    return tuple(columns + [Column(f"{prefix}flops_paper_count", PAPER_COUNT)] * (len(seen) > 1))


def flops_cells(row: Mapping[str, Any], seen: List[str]) -> Tuple[Cell, ...]:
    found = by_precision(row)
    cells = [number(found.get(precision), written(found.get(precision, 0))) for precision in seen]
    return tuple(cells + [number(paper_count(row) or None, written(paper_count(row)))] * (len(seen) > 1))


def flops_notes(seen: List[str]) -> List[str]:
    return [PAPER_COUNT_MEANS] if len(seen) > 1 else []
