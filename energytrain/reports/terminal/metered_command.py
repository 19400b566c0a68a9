"""A metered program on the terminal: what it used on each channel, and what is missing."""

import shlex
from typing import Any, Dict, List, Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..format import bounds, joules, provenance, seconds, si
from .metering_lines import condition_words, observer_lines

LONGEST_NAME = 60


def render_command(result: Mapping[str, Any]) -> RenderableType:
    """The table of a metered program and the lines below it, from the JSON form of a `MeteredCommand`."""
    table = Table(title=escape(_title(result)), title_justify="left", pad_edge=False, box=box.SIMPLE_HEAD)
    table.add_column("channel", overflow="fold")
    for column in ("energy", "95 % bounds", "mean power"):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("provenance, scope", overflow="fold")
    for row in _rows(result):
        table.add_row(*row)
    return Group(table, *(Text.from_markup(line) for line in _lines(result)))


def interval_line(end: float, energy: Mapping[str, Any]) -> str:
    """One interval that ended so many seconds after the start, in one line."""
    if energy["joules"] is None:
        return f"{end:.1f} s  missing: {energy['reason']}"
    return f"{end:.1f} s  {joules(energy)} ({bounds(energy)})  {_watts(energy)}"


def _title(result: Mapping[str, Any]) -> str:
    name = " ".join(shlex.quote(part) for part in result["command"])
    name = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 3] + "..."
    return f"{name}\nexit status {result['status']} after {_time(result['seconds'])}"


def _time(value: float) -> str:
    return f"{value:.3g} s" if value < 10 else seconds(value)


def _rows(result: Mapping[str, Any]) -> List[List[str]]:
    """The total first, then what it is made of, then the channels that are not in it."""
    primary: Sequence[str] = result["primary"]
    channels: Dict[str, Mapping[str, Any]] = result["channels"]
    rows = [_row("[bold]total[/bold]" if len(primary) != 1 else escape(primary[0]), result["energy"])]
    if len(primary) > 1:
        rows += [_row(escape(name), channels[name], "in the total") for name in primary if name in channels]
    rows += [_row(escape(name), energy, "not added") for name, energy in channels.items() if name not in primary]
    return rows


def _row(name: str, energy: Mapping[str, Any], note: str = "") -> List[str]:
    words = f"{provenance(energy)}; {note}" if note else provenance(energy)
    return [name, joules(energy), bounds(energy), _watts(energy), words]


def _watts(energy: Mapping[str, Any]) -> str:
    if energy["joules"] is None or energy["seconds"] <= 0:
        return ""
    return si(energy["joules"] / energy["seconds"], "W")


def _lines(result: Mapping[str, Any]) -> List[str]:
    words = condition_words(result["conditions"])
    lines = [f"while it ran: {words}"] if words else []
    lines += observer_lines([result["observer"]])
    lines += [f"note: {escape(note)}" for note in result["notes"]]
    lines += [f"[yellow]incomplete: {escape(problem)}[/yellow]" for problem in result["problems"]]
    missing = result["energy"]["joules"] is None
    if missing and not (result["unavailable"] or result["problems"]):
        lines.append(f"missing: {escape(result['energy']['reason'])}")
    for absent in result["unavailable"]:
        if missing or absent["declared"]:
            lines.append(f"no {escape(absent['meter'])} meter: {escape(' '.join(_why(absent)))}")
    return lines


def _why(absent: Mapping[str, Any]) -> List[str]:
    return [part for part in (absent["why"], absent["fix"]) if part]
