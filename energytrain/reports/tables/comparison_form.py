"""Several runs side by side, a row each: what `report`, `runs` and `bench` show where no form is asked for."""

from typing import Any, List, Mapping, Sequence, Tuple

from ..bills import HEADINGS, billed
from ..flops import precision_line, precisions
from ..format import count, si
from ..what_if import meaning
from .cells import (
    EMPTY,
    accuracy,
    energy_columns,
    flops_cells,
    flops_columns,
    name,
    number,
    time,
    useful_energy,
)
from .sheet import Cell, Column, Row, Sheet

Result = Mapping[str, Any]


def comparison_sheet(results: Sequence[Result], bill: str = "as-run") -> Sheet:
    """FLOPs are those on `bill`, by default those that were done: a column for each precision, and of several the
    paper's count, in which runs can be compared."""
    memorised = any_memorised(results)
    seen = precisions(result["useful"] for result in results)
    if bill == "as-run":
        heading, notes = flops_columns("useful_", "useful FLOPs", seen), precision_line(seen)
    else:
        heading, notes = (Column("billed_flops", f"FLOPs on {HEADINGS[bill]}, not as run"),), []
    rows = []
    for result in results:
        flops = flops_cells(result["useful"], seen) if bill == "as-run" else (_billed(result, bill),)
        rows.append(Row(run_cells(result["name"], result, memorised, flops)))
    return Sheet("comparison", "", run_columns(memorised, heading), tuple(rows), tuple(notes + meaning(results)))


def any_memorised(results: Sequence[Result]) -> bool:
    """Whether a run was trained on random labels: it is judged by how much of them it took in."""
    return any(result["spec"].get("random_labels") for result in results)


def run_columns(memorised: bool, flops: Sequence[Column]) -> Tuple[Column, ...]:
    """The columns of `run_cells`."""
    return (
        Column("run", "run", False),
        Column("method", "method", False),
        Column("prune_ratio", "p"),
        Column("status", "status", False),
        Column("train_accuracy_percent", "train acc.") if memorised else Column("test_accuracy_percent", "test acc."),
        Column("draw_epoch", "draw epoch"),
        Column("parameters", "parameters"),
        *flops,
        Column("useful_seconds", "useful time"),
        *energy_columns("useful", "useful energy"),
    )


def run_cells(label: str, result: Result, memorised: bool, flops: Sequence[Cell]) -> Tuple[Cell, ...]:
    """What a run cost and bought; `flops`: the cells of the columns that were given to `run_columns`."""
    spec, ticket, after = result["spec"], result["ticket"], result["network"]["after"]
    ratio = None if ticket is None else ticket.get("prune_ratio", spec["prune_ratio"])
    cells: List[Cell] = [
        name(label),
        name(spec["method"]),
        number(ratio, "" if ratio is None else f"{ratio:g}"),
        Cell(result["status"], result["status"]),
        accuracy(result["accuracy"]["train" if memorised else "test"]),
        number(None if ticket is None else ticket["draw_epoch"]),
        number(after["parameters"], count(after["parameters"])) if after else EMPTY,
        *flops,
        time(result["useful"]["seconds"]),
        *useful_energy(result),
    ]
    return tuple(cells)


def _billed(result: Result, bill: str) -> Cell:
    flops = billed(result, bill).flops
    return Cell("none") if flops is None else Cell(si(flops, ""), flops)
