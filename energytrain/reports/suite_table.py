"""A suite on the terminal: a row for each group of seeds, and what its runs will take before they are begun."""

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from .format import seconds, si
from .seed_groups import Difference, EnergyRatio, EnergySpread, SeedGroup, Spread


def suite_table(groups: Sequence[SeedGroup], reference: Optional[str]) -> Table:
    """Means over the seeds, with their standard deviations; differences from `reference`, a name, by seed.

    Where all energies are of one kind, `table_lines` says it; else a column does.
    """
    table = Table(pad_edge=False, box=box.SIMPLE_HEAD)
    than = reference or "reference"
    mixed = len(_kinds(groups)) > 1
    table.add_column("runs", overflow="fold")
    for column in (
        "n",
        "p",
        "test acc., %",
        f"points over {than}",
        "parameters",
        "FLOPs an image",
        "useful FLOPs",
        f"x {than}",
        "useful energy",
        f"x {than}",
    ):
        table.add_column(column, justify="right", overflow="fold")
    if mixed:
        table.add_column("provenance", overflow="fold")
    for group in groups:
        cells = [
            escape(group.name),
            str(len(group.seeds)),
            _spread(group.prune_ratio, lambda value: f"{value:.3g}"),
            _spread(group.accuracy, lambda value: f"{value:.2f}") or "none",
            _points(group.more_accurate),
            _parameters(group),
            _spread(group.network_flops, _flops),
            _spread(group.flops, _flops),
            "" if group.flops_ratio is None else f"{group.flops_ratio.mean:.3f}",
            _energies(group),
            _energy_ratio(group.energy_ratio),
        ]
        if mixed:
            cells.append("\n".join(_kind(one) for one in group.energies))
        table.add_row(*cells)
    return table


def table_lines(groups: Sequence[SeedGroup]) -> List[str]:
    """What the table's figures mean, as sentences."""
    if not groups:
        return []
    lines = []
    if any(len(group.seeds) > 1 for group in groups):
        lines.append("a +- b: mean and standard deviation over seeds.")
    if any(group.not_masked is not None for group in groups):
        lines.append(
            "a of b parameters: those that no mask holds at zero, of all; masked ones are computed all the same."
        )
    if any(group.more_accurate is not None for group in groups):
        lines.append(
            "Differences are paired by seed; [a, b] is the 95 % interval of their mean (Student's t, not corrected for "
            "the number of rows); one seed has none."
        )
    if len(_kinds(groups)) == 1:
        lines.append(f"Every energy is {next(iter(_kinds(groups)))}.")
    if any(group.energy_ratio is not None for group in groups):
        lines.append("The interval of an energy ratio is that of metering or model, not of the seeds.")
    return lines


def _spread(found: Optional[Spread], write: Callable[[float], str]) -> str:
    if found is None:
        return ""
    return write(found.mean) if not found.sd else f"{write(found.mean)} +- {write(found.sd)}"


def _parameters(group: SeedGroup) -> str:
    whole = _spread(group.parameters, _flops)
    return whole if group.not_masked is None else f"{_spread(group.not_masked, _flops)} of {whole}"


def _points(found: Optional[Difference]) -> str:
    if found is None:
        return ""
    if found.low is None or found.high is None:
        return f"{found.mean:+.2f}"
    return f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]".replace("[", r"\[")


def _energies(group: SeedGroup) -> str:
    cells = [
        _spread(one.joules, lambda value: si(value, "J"))
        + (f" (n = {one.joules.n})" if one.joules.n < len(group.seeds) else "")
        for one in group.energies
    ]
    if group.missing:
        cells.append("missing" if not cells else f"missing (n = {group.missing})")
    return "\n".join(cells)


def _energy_ratio(found: Optional[EnergyRatio]) -> str:
    return "" if found is None else f"{found.value:.3f} ({found.low:.3g} to {found.high:.3g})"


def _kind(one: EnergySpread) -> str:
    return f"{one.provenance}{'' if one.scope is None else f', {one.scope}'} ({one.device})"


def _kinds(groups: Sequence[SeedGroup]) -> Dict[str, None]:
    return dict.fromkeys(_kind(one) for group in groups for one in group.energies)


def plan_table(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """What each run will take, each figure with the number of the note below that says how it was made.

    A row: run, do, and flops, seconds and joules, each with value and source, or None where nothing is to be done.
    """
    table = Table(pad_edge=False, box=box.SIMPLE_HEAD)
    table.add_column("run", overflow="fold")
    table.add_column("")
    for column in ("useful FLOPs", "time", "useful energy"):
        table.add_column(column, justify="right", overflow="fold")
    notes: Dict[str, int] = {}
    for row in rows:
        cells = [
            _noted(row.get(key), write, notes)
            for key, write in (("flops", _flops), ("seconds", seconds), ("joules", _joules))
        ]
        table.add_row(escape(row["run"]), row["do"], *cells)
    return Group(table, *(Text(f"({number}) {source}") for source, number in notes.items()))


def _noted(figure: Optional[Mapping[str, Any]], write: Callable[[float], str], notes: Dict[str, int]) -> str:
    if figure is None:
        return ""
    number = notes.setdefault(figure["source"], len(notes) + 1)
    value = "missing" if figure["value"] is None else write(figure["value"])
    provenance = "" if figure["provenance"] is None else f" {figure['provenance']}"
    return f"{value}{provenance} ({number})"


def _flops(value: float) -> str:
    return si(value, "").strip()


def _joules(value: float) -> str:
    return si(value, "J")


def sum_lines(whole: Mapping[str, Any]) -> List[str]:
    """All runs of a plan together, as sentences."""
    if not whole["runs"]:
        return ["nothing is left to be done"]
    parts = [f"{_joules(joules)} {provenance}" for provenance, joules in whole["joules"].items()]
    if whole["without_joules"]:
        parts.append(f"{whole['without_joules']} of {whole['runs']} runs missing")
    time = seconds(whole["seconds"])
    if whole["without_seconds"]:
        time += f" ({whole['without_seconds']} of {whole['runs']} runs missing)"
    return [
        f"in all {whole['runs']} runs: {_flops(whole['flops'])} useful FLOPs, {time}; energy {', '.join(parts)}",
        "Time holds set-up and evaluation; FLOPs and energy are those of training.",
    ]
