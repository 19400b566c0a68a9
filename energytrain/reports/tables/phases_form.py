"""`--form phases`: a row a phase of each run, and below them what does not belong to the method."""

from typing import Any, List, Mapping, Sequence, Tuple

from ..flops import precisions
from ..format import joules, si
from ..source import Source
from ..what_if import WHAT_IF_MEANS, is_what_if
from .cells import EMPTY, energy_columns, flops_cells, flops_columns, flops_notes, name, number, row_energy, time
from .people import one_line
from .sheet import Cell, Column, Row, Sheet

_BESIDE = ("evaluation", "overhead", "baseline", "infer", "lost")


def phases_sheet(sources: Sequence[Source]) -> Sheet:
    """Phases of the method in their order, their sum, evaluation and overheads, all attempts, a dense training."""
    parts = [(source, _rows(source.result)) for source in sources]
    seen = precisions(row for _, rows in parts for _, _, row in rows)
    columns = (
        Column("run", "run", False),
        Column("phase", "phase", False),
        Column("epochs", "epochs"),
        Column("seconds", "time"),
        Column("images", "images"),
        *flops_columns("", "FLOPs", seen),
        Column("bytes", "bytes"),
        *energy_columns("energy", "energy"),
        Column("net_joules", "net energy"),
    )
    rows: List[Row] = []
    for source, found in parts:
        for at, (title, kind, row) in enumerate(found):
            rows.append(Row(tuple(_cells(source, title, row, seen)), kind, opens=at == 0))
    return Sheet("phases", "Phases of each run", columns, tuple(rows), tuple(_notes(sources, seen)))


def _rows(result: Mapping[str, Any]) -> List[Tuple[str, str, Mapping[str, Any]]]:
    """(name, kind, row) of a result."""
    found = [(str(row["phase"]), "run", row) for row in result["phases"]]
    found.append(("useful", "total", result["useful"]))
    for which in _BESIDE:
        row = result.get(which)  # none of inference in a kept result of an older version
        if row is not None and (row["seconds"] > 0 or row["flops"]):
            title = "idle baseline" if which == "baseline" else str(row["phase"])
            found.append((title, "run", row))
    found.append(("spent in all", "run", result["spent"]))
    if result["dense"] is not None:
        found.append(("dense instead", "run", result["dense"]))
    return found


def _cells(source: Source, title: str, row: Mapping[str, Any], seen: List[str]) -> List[Cell]:
    epochs = f"{row['epochs']} of {row['planned_epochs']}" if row["extrapolated"] else str(row["epochs"] or "")
    return [
        name(source.label),
        name(title),
        Cell(epochs, row["epochs"], {"planned": row["planned_epochs"], "extrapolated": row["extrapolated"]}),
        time(row["seconds"]),
        number(row["images"] or None, f"{row['images']:,}"),
        *flops_cells(row, seen),
        number(row["bytes"] or None, si(row["bytes"], "B")),
        *row_energy(row, source.result["headline"]),
        _net(row["net"], source.result["headline"]),
    ]


def _net(net: Mapping[str, Any], headline: str) -> Cell:
    """Without idle power; only what was measured has one."""
    if headline != "measured":
        return EMPTY
    if net["joules"] is None:
        return Cell("missing", None, {"reason": net["reason"]})
    more = {"low": net["low"], "high": net["high"], "provenance": net["provenance"]}
    return Cell(f"{joules(net)}\n{net['provenance']}", net["joules"], more)


def _notes(sources: Sequence[Source], seen: List[str]) -> List[str]:
    notes = [
        "useful: the phases of the method, each epoch once. spent in all: every attempt from its begin to its end."
    ]
    if any(source.result["dense"] is not None for source in sources):
        notes.append("dense instead: the same schedule on the dense network, scaled from its epochs here or modelled.")
    for source in sources:
        idle = source.result["idle"]
        if idle["watts"] is not None and source.result["headline"] == "measured":
            notes.append(f"Net of {si(idle['watts'], 'W')} idle in '{one_line(source.label)}'.")
    notes += flops_notes(seen)
    return notes + [WHAT_IF_MEANS] * any(is_what_if(source.result) for source in sources)
