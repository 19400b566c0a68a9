"""How a figure came about, in words: who read it or from what it was computed, and what its bounds consist of."""

from typing import Any, List, Mapping

from ...quantities.energy import Energy, ErrorTerm, Provenance
from ..format import share_of_time, si
from ..what_if import emulated

TERMS = 4  # of the error terms, the largest

SCOPES = {
    "chip": "one card or processor package",
    "rail": "one supply line of the board",
    "module": "the compute module without its carrier board",
    "board": "the whole board",
    "wall": "everything behind the socket",
}


def origin(row: Mapping[str, Any]) -> str:
    """Of the energy of a row of a result (`runs.rows.Row.to_json`): sentences."""
    energy = Energy.from_json(row["energy"])
    return " ".join([*_source(energy, row), *_covers(energy), *_bounds(energy)])


def _source(energy: Energy, row: Mapping[str, Any]) -> List[str]:
    channel, seconds = energy.channel, f"{energy.seconds:,.1f} s"
    if energy.provenance is Provenance.MISSING:
        known = [] if energy.partial is None else [f"{si(energy.partial, 'J')} of it are known, which is no total."]
        return [f"Missing: {energy.reason}.", *known]
    if energy.provenance is Provenance.MODELLED:
        words = [
            f"Computed from the counted FLOPs and bytes of this work and a device's profile ({channel}), not read."
        ]
        if emulated(row):
            words.append("What-if: some of the work was emulated 8-bit arithmetic, at published unit energies.")
        return words
    if energy.provenance is Provenance.EXTRAPOLATED:
        return [f"Some measured epochs ({channel}) times the planned number."]
    if energy.provenance is Provenance.DERIVED:
        return [f"Arithmetic on measured values ({channel})."]
    return [
        f"Integrated from the readings of {channel} over {seconds}, {share_of_time(energy.coverage)} of it covered."
    ]


def _covers(energy: Energy) -> List[str]:
    if energy.joules is None or energy.scope is None:
        return []
    return [f"Scope {energy.scope.value}: {SCOPES[energy.scope.value]}."]


def _bounds(energy: Energy) -> List[str]:
    if energy.joules is None:
        return []
    terms = [term for term in energy.lasting_errors() if max(term.below, term.above) > 0]
    if not terms:
        return ["No error is known of it."] if energy.joules else []
    terms.sort(key=lambda term: -max(term.below, term.above))
    more = len(terms) - TERMS
    words = [_term(term) for term in terms[:TERMS]] + [f"{more} smaller ones"] * (more > 0)
    return [f"Error terms: {', '.join(words)}."]


def _term(term: ErrorTerm) -> str:
    below, above = si(term.below, "J", 2), si(term.above, "J", 2)
    return f"{term.source} ±{above}" if below == above else f"{term.source} -{below} / +{above}"
