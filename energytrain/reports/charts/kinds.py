"""Runs divided by what they learnt and by the kind of their useful energy: only inside a part may one be ranked."""

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ...quantities.energy import Energy
from ..comparing.seed_energies import energy_kind, useful_energies
from ..source import Source
from ..what_if import FIGURES, MARK, is_what_if
from .words import task


@dataclass(frozen=True)
class Part:
    """Runs of one task whose useful energies are of one kind (`seed_energies.energy_kind`).

    words: that kind; what_if: which figure of a what-if, None for others; energies: one a source, none missing.
    """

    task: str
    words: str
    what_if: Optional[str]
    sources: Tuple[Source, ...]
    energies: Tuple[Energy, ...]


def parts(sources: Sequence[Source]) -> List[Part]:
    """Every run that has a useful energy, once (a what-if once a figure), the kind with most runs first."""
    found: Dict[Any, List[Tuple[Source, Energy]]] = {}
    for source in sources:
        for figure, energy in useful_energies(source.result).items():
            if energy.joules is not None:
                key = task(source.result), energy_kind(source.result), figure
                found.setdefault(key, []).append((source, energy))
    return [
        Part(
            key[0],
            _words(members[0][0], members[0][1], key[2]),
            key[2],
            tuple(source for source, _ in members),
            tuple(energy for _, energy in members),
        )
        for key, members in sorted(found.items(), key=lambda kind: -len(kind[1]))
    ]


def without_energy(sources: Sequence[Source]) -> List[Tuple[str, str]]:
    """(label, reason) of every run without a useful energy."""
    found = []
    for source in sources:
        missing = [e for e in useful_energies(source.result).values() if e.joules is None]
        found += [(source.label, f"the useful energy is missing ({missing[0].reason})")] if missing else []
    return found


def by_task(sources: Sequence[Source]) -> Dict[str, List[Source]]:
    found: Dict[str, List[Source]] = {}
    for source in sources:
        found.setdefault(task(source.result), []).append(source)
    return found


def _words(source: Source, energy: Energy, figure: Optional[str]) -> str:
    result = source.result
    words = [f"{MARK} {FIGURES[figure]}"] if figure is not None else []
    if is_what_if(result) and result["what_if"].get("anchored") is not None:
        words.append("scaled by measured joules")
    scope = f" ({energy.scope.value})" if energy.scope is not None else ""
    if result["headline"] == "measured":
        by = f" by {' + '.join(result['primary'])}{scope} on {result['device']['host']}"
    else:
        by = f" for {result['device']['name']}{scope}"
    return ", ".join([*words, energy.provenance.value + by])
