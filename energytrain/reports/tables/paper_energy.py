"""Useful energies of one place in a paper's table: means over seeds, kind by kind, with their bounds and sources."""

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ...quantities.energy import Energy, total
from ..comparing.seed_energies import energy_kind, useful_energies
from ..comparing.spread import Spread, spread
from ..what_if import FIGURES, MARK
from .paper_units import Unit, in_unit, spread_cell, spread_json
from .people import one_line
from .sheet import Cell

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """Energies that may be averaged. mark: of a what-if, else empty; source: provenance, scope and device in words;
    low, high: of the mean, by the errors of metering or model (95 %), in joules."""

    joules: Spread
    low: float
    high: float
    mark: str
    source: str
    facts: Mapping[str, Any]


def kinds_of(results: Sequence[Result]) -> Tuple[List[Kind], int]:
    """The energies of some runs by their kind, and how many runs have none."""
    by_kind: Dict[Any, List[Tuple[Result, Energy]]] = {}
    missing = 0
    for result in results:
        energies = useful_energies(result)
        missing += any(energy.joules is None for energy in energies.values())
        for figure, energy in energies.items():
            if energy.joules is not None:
                by_kind.setdefault((energy_kind(result), figure), []).append((result, energy))
    return [_kind(figure, members) for (_, figure), members in by_kind.items()], missing


def _kind(figure: Any, members: Sequence[Tuple[Result, Energy]]) -> Kind:
    values = [energy.joules for _, energy in members if energy.joules is not None]
    found, whole = spread(values), total(energy for _, energy in members)
    assert found is not None and whole.low is not None and whole.high is not None
    result, energy = members[0]
    mark = "" if figure is None else f"{MARK} {FIGURES[figure]}"
    scope = None if energy.scope is None else energy.scope.value
    words = [*[mark] * bool(mark), energy.provenance.value, *([scope] if scope else [])]
    device = str(result["device"]["name"])
    facts = {"provenance": energy.provenance.value, "scope": scope, "device": device, "what_if": figure}
    return Kind(
        found, whole.low / found.n, whole.high / found.n, mark, f"{', '.join(words)} ({one_line(device)})", facts
    )


def energy_columns_of(results: Sequence[Result], unit: Unit, points: bool) -> Tuple[Cell, Cell, Cell, Cell]:
    """Energy, the ends of its bounds, its source: in lines that stand side by side, some for each kind."""
    found, missing = kinds_of(results)
    lines: List[Tuple[str, str, str, str]] = []
    for kind in found:
        texts = _lines(kind, unit, points, len(results))
        write = in_unit(unit, kind.joules)
        lines.append((texts[0], write(kind.low), write(kind.high), kind.source))
        lines += [(text, "", "", "") for text in texts[1:]]
    if missing or not found:
        lines.append((_missing(found, missing), "", "", "missing"))
    alone = found[0] if len(found) == 1 and not missing else None
    return (
        Cell("\n".join(line[0] for line in lines), None if alone is None else alone.joules.mean, _more(found, missing)),
        Cell("\n".join(line[1] for line in lines).rstrip("\n"), None if alone is None else alone.low),
        Cell("\n".join(line[2] for line in lines).rstrip("\n"), None if alone is None else alone.high),
        Cell("\n".join(line[3] for line in lines).rstrip("\n"), None if alone is None else alone.facts["provenance"]),
    )


def energy_cell(results: Sequence[Result], unit: Unit, named: bool) -> Cell:
    """Energies alone; named: with their sources, where those of a row are not all alike."""
    found, missing = kinds_of(results)
    lines = []
    for kind in found:
        text = _lines(kind, unit, False, len(results))[0]
        lines.append(f"{text} {kind.source}" if named else text)
    if missing or not found:
        lines.append(_missing(found, missing))
    alone = found[0] if len(found) == 1 and not missing else None
    return Cell("\n".join(lines), None if alone is None else alone.joules.mean, _more(found, missing))


def sources_of(results: Sequence[Result]) -> Tuple[str, ...]:
    """Where the energies of these runs are from, each once."""
    found, missing = kinds_of(results)
    return tuple(dict.fromkeys([*(kind.source for kind in found), *["missing"] * bool(missing)]))


def _lines(kind: Kind, unit: Unit, points: bool, runs: int) -> List[str]:
    first, *rest = spread_cell(kind.joules, in_unit(unit, kind.joules), points).text.split("\n")
    some = f" (n = {kind.joules.n})" if kind.joules.n < runs else ""
    return [f"{first} {kind.mark}{some}" if kind.mark else f"{first}{some}", *rest]


def _missing(found: Sequence[Kind], missing: int) -> str:
    return f"missing (n = {missing})" if found else "missing"


def _more(found: Sequence[Kind], missing: int) -> Dict[str, Any]:
    kinds = [{**kind.facts, "mean": kind.joules.mean, **spread_json(kind.joules)} for kind in found]
    if len(kinds) == 1 and not missing:
        return {"missing": 0, **{name: value for name, value in kinds[0].items() if name != "mean"}}
    return {"missing": missing, "kinds": kinds}
