"""What fits into a budget of joules, best first, and why whole schedules do not: the tables of `plan --budget`."""

from typing import Any, List, Mapping, Optional, Sequence

from ..format import si
from ..what_if import MARK
from .cells import EMPTY, energy_cells, energy_columns, name, number
from .sheet import Cell, Column, Row, Sheet


def budget_sheets(
    budget: float, best: Sequence[Mapping[str, Any]], refused: Sequence[Mapping[str, Any]], more: int, rule: str
) -> List[Sheet]:
    """What fits into `budget` joules, and why the rest does not.

    best: "method", "prune_ratio", "epochs", "whole_epochs", "energy" (as JSON), "what_if", "verdict", "accuracy"
    (measured, as JSON, or None), in their order; more: how many such there are beside them. refused: "method",
    "prune_ratio", "energy", "what_if", "verdict", "why".
    """
    columns = (
        Column("rank", ""),
        Column("method", "method", False),
        Column("prune_ratio", "p"),
        Column("epochs", "schedule, epochs"),
        *energy_columns("useful", "energy"),
        Column("verdict", "verdict", False),
        Column("measured_accuracy_percent", "measured test acc."),
    )
    rows = [
        Row(
            (
                number(rank),
                name(one["method"]),
                number(one["prune_ratio"]),
                Cell(f"{one['epochs']} of {one['whole_epochs']}", one["epochs"], {"whole_epochs": one["whole_epochs"]}),
                *energy_cells(one["energy"], MARK if one["what_if"] else ""),
                Cell(one["verdict"], one["verdict"]),
                accuracy_cell(one["accuracy"]),
            )
        )
        for rank, one in enumerate(best, start=1)
    ]
    notes = [
        rule,
        "fits: the upper 95 % bound is inside the budget; may fit: only the lower one is. A shorter schedule keeps the "
        "shape of the whole one: draw and drops of the rate at the same shares.",
    ]
    if more:
        notes.append(f"{more} more that fit or may fit are not shown.")
    if not best:
        notes.insert(0, "Nothing fits.")
    title = f"What fits into {si(budget, 'J')}"
    sheets = [Sheet("budget", title, columns, tuple(rows), tuple(notes))]
    if refused:
        told = (
            Column("method", "method", False),
            Column("prune_ratio", "p"),
            Column("verdict", "whole schedule", False),
            *energy_columns("useful", "energy"),
            Column("why", "why", False),
        )
        lines = tuple(
            Row(
                (
                    name(one["method"]),
                    number(one["prune_ratio"]),
                    Cell(one["verdict"], one["verdict"]),
                    *energy_cells(one["energy"], MARK if one["what_if"] else ""),
                    Cell(one["why"], one["why"]),
                )
            )
            for one in refused
        )
        sheets.append(Sheet("budget_refused", "Whole schedules that do not surely fit", told, lines))
    return sheets


def accuracy_cell(measured: Optional[Mapping[str, Any]]) -> Cell:
    """Of `planning.measured.Measured` as JSON."""
    if measured is None:
        return EMPTY
    spread = "" if measured["deviation"] is None else f" ± {measured['deviation']:.2f}"
    mark = " *" if measured["differs"] else ""
    more = {key: measured[key] for key in ("deviation", "n", "seeds", "differs")}
    return Cell(f"{measured['mean']:.2f}{spread} % (n = {measured['n']}){mark}", measured["mean"], more)
