"""A run by layer: what the ticket kept of it, and which part of a phase's energy is attributed to it."""

from typing import Any, Dict, List, Mapping, Tuple

from ...errors import UsageError
from ...runs.layer_costs import layer_costs
from ...runs.result import profile_of
from ..format import joules, si
from ..source import Source
from ..what_if import MARK, is_what_if, meaning
from .chart import Axis, Chart, Series


def kept_by_layer(source: Source) -> List[Chart]:
    """What the ticket kept beside all that there was; nothing without a ticket."""
    ticket = source.result["ticket"]
    widths: Mapping[str, Tuple[int, int]] = (ticket or {}).get("widths") or {}
    if ticket is None or not widths:
        return []
    unit = str(ticket.get("unit", "channels"))
    layers = tuple(widths)
    kept, every = [widths[layer][0] for layer in layers], [widths[layer][1] for layer in layers]
    hover = [f"{layer}\n{k:,} of {n:,} {unit} kept ({k / n:.0%})" for layer, k, n in zip(layers, kept, every)]
    rounds = [] if source.timeline is None else list(source.timeline.tickets)
    return [
        Chart(
            key="kept-by-layer",
            title=f"{unit.capitalize()} kept by layer: {source.label}",
            x=Axis("layer", categories=layers),
            y=Axis(unit),
            series=(
                Series("dense", "bars", layers, every, hover=hover),
                Series("kept", "bars", layers, kept, hover=hover),
            ),
            notes=(
                f"{sum(kept):,} of {sum(every):,} {unit} kept ({sum(kept) / sum(every):.1%}).",
                *([f"After the last of {len(rounds)} prunings."] if len(rounds) > 1 else []),
            ),
        )
    ]


def energy_by_layer(source: Source) -> List[Chart]:
    """The energy of the phases of training by layer, stacked by phase; nothing where no profile models a layer."""
    result, timeline = source.result, source.timeline
    if timeline is None:
        return []
    rows = [row for row in layer_costs(timeline, result["phases"], _profile(source)) if row["joules"] is not None]
    layers = tuple(dict.fromkeys(row["layer"] for row in rows))
    by_phase: Dict[str, Dict[str, Dict[str, Any]]] = {}
    for row in rows:
        by_phase.setdefault(row["phase"], {})[row["layer"]] = row
    if not layers:
        return []
    mark = f"{MARK} (a), " if is_what_if(result) else ""
    scopes = dict.fromkeys(str(row["energy"]["scope"]) for row in result["phases"] if row["energy"]["scope"])
    scope = "".join(f", {name}" for name in scopes)
    word = "modelled" if all(row["provenance"] == "modelled" for row in rows) else "attributed"
    series = [
        Series(
            name=phase,
            kind="bars",
            x=[layer for layer in layers if layer in found],
            y=[found[layer]["joules"] for layer in layers if layer in found],
            hover=[
                f"{layer} in {phase}\n{si(found[layer]['joules'], 'J')}, {mark}{found[layer]['provenance']}{scope}"
                f"\n{found[layer]['share']:.1%} of the phase"
                for layer in layers
                if layer in found
            ],
            family=phase,
        )
        for phase, found in by_phase.items()
    ]
    return [
        Chart(
            key="energy-by-layer",
            title=f"Energy by layer ({word}): {source.label}",
            x=Axis("layer", categories=layers),
            y=Axis("energy (J)"),
            series=tuple(series),
            notes=(
                f"Energies by layer are {mark}{word}{scope}: no meter sees a layer; the energy of each phase is "
                "divided in the proportions of the model.",
                *_phases_left_out(source, by_phase),
                *meaning([result]),
            ),
            stacked=True,
        )
    ]


def _profile(source: Source) -> Any:
    try:
        return profile_of(source.result["spec"]["device"])
    except UsageError:  # a device of another version, or of a setup file that is not here
        return None


def _phases_left_out(source: Source, shown: Mapping[str, Any]) -> List[str]:
    return [
        f"Left out: {row['phase']}, {joules(row['energy'])} ({row['energy']['reason']})."
        for row in source.result["phases"]
        if row["phase"] not in shown and row["energy"]["joules"] is None
    ]
