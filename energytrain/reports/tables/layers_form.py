"""`--form layers`: a row a layer of each phase, with the phase's energy attributed by the layers' modelled shares."""

from typing import Any, Dict, List, Mapping, Optional, Sequence

from ...costs.fp32_twin import EMULATED
from ...runs.layer_costs import PASSES, layer_costs
from ...runs.result import profile_of
from ..flops import cell, precisions, written
from ..format import si
from ..source import Source
from ..what_if import MARK, WHAT_IF_MEANS
from .cells import EMPTY, name, number, row_energy
from .people import one_line
from .sheet import Cell, Column, Row, Sheet

_PASSES = dict(zip(PASSES, ("forward FLOPs", "input gradient", "weight gradient", "update")))
_COLUMNS = (
    Column("run", "run", False),
    Column("phase", "phase", False),
    Column("layer", "layer", False),
    Column("kind", "kind", False),
    Column("kept", "kept"),
    Column("total", "of", joins=" of "),
    Column("unit", "unit", False, joins=" "),
    *(Column(f"{name}_flops", title) for name, title in _PASSES.items()),
    Column("bytes", "bytes"),
    Column("modelled_joules", "modelled energy"),
    Column("share", "share"),
    Column("joules", "energy"),
    Column("provenance", "provenance", False),
)


def layers_sheets(sources: Sequence[Source]) -> List[Sheet]:
    """A sheet for each run."""
    return [_sheet(source, at) for at, source in enumerate(sources)]


def _sheet(source: Source, at: int) -> Sheet:
    result, timeline = source.result, source.timeline
    key, title = f"layers-{at + 1}", f"Layers of {one_line(source.label)} on {one_line(result['device']['name'])}"
    if timeline is None:
        gone = "The marks of this run were not kept, so nothing is known of its layers."
        return Sheet(key, title, _COLUMNS, (), (gone,))
    costs = layer_costs(timeline, result["phases"], profile_of(result["device"]["name"]))
    seen = precisions(costs)
    rows: List[Row] = []
    for phase in result["phases"]:
        layers = [row for row in costs if row["phase"] == phase["phase"]]
        for number_, row in enumerate(layers):
            rows.append(Row(tuple(_cells(source, row, phase, seen)), opens=number_ == 0))
        if layers:
            rows.append(Row(tuple(_total(source, phase, layers, seen)), "total"))
    return Sheet(key, title, _COLUMNS, tuple(rows), tuple(_notes(costs, seen)))


def _cells(source: Source, row: Mapping[str, Any], phase: Mapping[str, Any], seen: List[str]) -> List[Cell]:
    mark = f"{MARK}, " if phase["emulated"] else ""
    modelled, joules = row["modelled_joules"], row["joules"]
    scope = phase["energy"]["scope"]
    source_text = row["provenance"] if joules is None else f"{mark}{row['provenance']}, {scope}"
    more: Dict[str, Any] = {"scope": scope, "of_phase": phase["energy"]["provenance"], "what_if": bool(mark)}
    return [
        name(source.label),
        name(row["phase"]),
        name(row["layer"]),
        Cell(row["kind"], row["kind"]),
        number(row["kept"]),
        number(row["total"]),
        EMPTY if row["unit"] is None else Cell("weights" if row["unit"] == "weights" else "", row["unit"]),
        *(_flops([row["flops"][one]], seen) for one in PASSES),
        number(row["bytes"], si(row["bytes"], "B")),
        _modelled(modelled, phase),
        number(row["share"], "" if row["share"] is None else f"{100 * row['share']:.1f} %"),
        Cell("missing", None, {"reason": row["reason"]}) if joules is None else Cell(si(joules, "J"), joules),
        Cell(source_text, row["provenance"], more),
    ]


def _flops(parts: Sequence[Mapping[str, int]], seen: List[str]) -> Cell:
    """Those of one pass; of several precisions there is a line for each, and no value but theirs."""
    found = {name: sum(part.get(name, 0) for part in parts) for name in seen}
    done = {name: flops for name, flops in found.items() if flops}
    value = None if len(seen) > 1 else sum(done.values()) or None
    return Cell(cell(done, seen, written), value, done if len(seen) > 1 else {})


def _modelled(joules: Optional[float], phase: Mapping[str, Any]) -> Cell:
    """Beside an energy that is the model's own people need not read it again."""
    if joules is None:
        return Cell("missing", None, {"reason": phase["modelled"]["reason"]})
    return Cell("" if phase["energy"]["provenance"] == "modelled" else si(joules, "J"), joules)


def _total(
    source: Source, phase: Mapping[str, Any], layers: Sequence[Mapping[str, Any]], seen: List[str]
) -> List[Cell]:
    energy, low, high, source_cell = row_energy(phase, source.result["headline"])
    bounds = f"\n{low.text} to\n{high.text}" if low.text else ""
    modelled = phase["modelled"]["joules"]
    return [
        name(source.label),
        name(phase["phase"]),
        Cell("all layers"),
        *[EMPTY] * 4,
        *(_flops([row["flops"][one] for row in layers], seen) for one in PASSES),
        number(phase["bytes"], si(phase["bytes"], "B")),
        _modelled(modelled, phase),
        EMPTY,
        Cell(energy.text + bounds, energy.value, {"low": low.value, "high": high.value}),
        source_cell,
    ]


def _notes(costs: Sequence[Mapping[str, Any]], seen: List[str]) -> List[str]:
    notes = ["FLOPs by pass; update: of weights, penalties and masks."]
    notes += [f"All FLOPs are in {seen[0]}."] if len(seen) == 1 else []
    if not costs:
        notes.append("No layer of this run did any work yet.")
    if any(row["provenance"] == "attributed" for row in costs):
        notes.append(
            "attributed: no meter sees a layer. The energy of a phase is divided by the layers' shares of what is "
            "modelled; the bounds are those of the whole phase, of a layer none are known."
        )
    elif any(row["provenance"] == "modelled" for row in costs):
        notes.append("modelled: by the device's profile; the bounds are those of the whole phase.")
    if any(row["kept"] is not None for row in costs):
        notes.append("kept: channels or weights that a layer still has, of those that it had before pruning.")
    return notes + [WHAT_IF_MEANS] * (EMULATED in seen)
