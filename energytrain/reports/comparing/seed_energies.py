"""Useful energies of runs that differ in the seed alone: means, and ratios to the runs that they are compared with.

Energies of unlike provenance, scope, device, host or primary channel are kept apart: no mean and no ratio mixes them.
So are what-if energies, but for ratios that are marked so.
"""

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ...quantities.compare import ratio
from ...quantities.energy import Energy, total
from ..what_if import FIGURES, is_what_if, what_if_energies
from .spread import Spread, spread

Result = Mapping[str, Any]


@dataclass(frozen=True)
class EnergySpread:
    """Useful joules of the runs whose energies may be averaged; `what_if`: which figure of a what-if, else None."""

    joules: Spread
    provenance: str
    scope: Optional[str]
    device: str
    what_if: Optional[str] = None


@dataclass(frozen=True)
class EnergyRatio:
    """Useful joules of n runs together over those of their references. The interval (95 %) holds the errors of metering
    or model alone, not the spread over seeds. `what_if`: which figure of a what-if is on one side or on both."""

    value: float
    low: float
    high: float
    provenance: str
    n: int
    what_if: Optional[str] = None


def energy_kind(result: Result) -> Tuple[Any, ...]:
    """What two energies must share to be averaged or divided."""
    energy, device = result["useful"]["energy"], result["device"]
    host = device["host"] if result["headline"] == "measured" else None
    sensors = host, tuple(result["primary"])
    return energy["provenance"], energy["scope"], device["name"], sensors, is_what_if(result), _anchored(result)


def _anchored(result: Result) -> bool:
    """Whether it is a what-if that was scaled by measured joules (`costs.what_if.anchored`)."""
    return is_what_if(result) and result["what_if"].get("anchored") is not None


def useful_energies(result: Result) -> Dict[Optional[str], Energy]:
    """The useful energy, which is no what-if (None), or the figures of a what-if by their names."""
    if is_what_if(result):
        return {name: energy for name, energy in what_if_energies(result).items()}
    return {None: Energy.from_json(result["useful"]["energy"])}


def energy_spreads(results: Sequence[Result]) -> Tuple[Tuple[EnergySpread, ...], int]:
    """Those of each kind, and how many runs have none."""
    by_kind: Dict[Tuple[Any, ...], List[float]] = {}
    missing = 0
    for result in results:
        energies = useful_energies(result)
        missing += any(energy.joules is None for energy in energies.values())
        for figure, energy in energies.items():
            if energy.joules is not None:
                by_kind.setdefault((energy_kind(result), figure), []).append(energy.joules)
    found = []
    for ((provenance, scope, device, *_), figure), values in by_kind.items():
        joules_spread = spread(values)
        assert joules_spread is not None
        found.append(EnergySpread(joules_spread, provenance, scope, device, figure))
    return tuple(found), missing


def energy_ratio(pairs: Sequence[Tuple[Result, Result]]) -> Optional[EnergyRatio]:
    """Of all pairs together; none where an energy is missing or a what-if, or where any two are of unlike kinds."""
    results = [result for pair in pairs for result in pair]
    if not pairs or len({energy_kind(result) for result in results}) != 1 or is_what_if(results[0]):
        return None
    ours, theirs = (total(Energy.from_json(pair[side]["useful"]["energy"]) for pair in pairs) for side in (0, 1))
    return _over(ours, theirs, len(pairs))


def what_if_ratios(pairs: Sequence[Tuple[Result, Result]]) -> Tuple[EnergyRatio, ...]:
    """Where one side or both are a what-if: one for each figure, if all energies are modelled for one device alike.

    A reference that is no what-if stands under each figure with its modelled joules, never with measured ones.
    """
    results = [result for pair in pairs for result in pair]
    if not any(map(is_what_if, results)) or any(result["headline"] != "modelled" for result in results):
        return ()
    if len({(r["useful"]["energy"]["scope"], r["device"]["name"], _anchored(r)) for r in results}) != 1:
        return ()
    found = []
    for figure in FIGURES:
        ours, theirs = (total(_figure(pair[side], figure) for pair in pairs) for side in (0, 1))
        over = _over(ours, theirs, len(pairs), figure)
        found += [] if over is None else [over]
    return tuple(found)


def _figure(result: Result, name: str) -> Energy:
    energies = useful_energies(result)
    return energies[None] if None in energies else energies[name]


def _over(ours: Energy, theirs: Energy, pairs: int, what_if: Optional[str] = None) -> Optional[EnergyRatio]:
    found = ratio(ours, theirs)
    if found is None:
        return None
    return EnergyRatio(found.value, found.low, found.high, found.provenance.value, pairs, what_if)
