"""One run on the terminal: what each phase cost, what it bought, what a dense training would have cost."""

from typing import Any, List, Mapping, Optional

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..quantities.compare import ratio
from ..quantities.energy import Energy
from .format import bounds, count, joules, percent, provenance, si
from .metering_lines import metering_lines


def render_run(result: Mapping[str, Any]) -> RenderableType:
    """The table of a run and the lines below it, from its result."""
    parts: List[RenderableType] = [_table(result), Text()]
    parts.extend(Text.from_markup(line) for line in summary_lines(result))
    return Group(*parts)


def _table(result: Mapping[str, Any]) -> Table:
    spec = result["spec"]
    headline = result["headline"]
    title = f"{result['name']}\n{spec['method']} of {spec['model']} on {spec['dataset']}, {_where(result)}"
    table = Table(title=escape(title), title_justify="left", pad_edge=False, box=box.SIMPLE_HEAD)
    # In a narrow terminal cells are folded: a figure that is cut is worse than a tall table.
    table.add_column("phase", overflow="fold")
    for column in ("epochs", "seconds", "FLOPs", "energy", "95 % bounds"):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("provenance", overflow="fold")
    for row in result["phases"]:
        _add(table, headline, row)
    table.add_section()
    _add(table, headline, result["useful"], "useful", style="bold")
    table.add_section()
    for name in ("evaluation", "overhead", "baseline", "lost"):
        if result[name]["seconds"] > 0:
            _add(table, headline, result[name])
    _add(table, headline, result["spent"], "spent in all")
    if result["dense"] is not None:
        table.add_section()
        _add(table, headline, result["dense"], "dense instead")
    return table


def _add(
    table: Table, headline: str, row: Mapping[str, Any], name: Optional[str] = None, style: Optional[str] = None
) -> None:
    energy = row["energy"]
    epochs = str(row["epochs"]) if row["epochs"] else ""
    if row["extrapolated"]:
        epochs = f"{row['epochs']} of {row['planned_epochs']}"
    unmodelled = headline == "modelled" and not row["flops"]
    cells = [
        name or _name(row),
        epochs,
        f"{row['seconds']:.1f}" if row["seconds"] else "",
        si(row["flops"], "", 4).strip() if row["flops"] else "",
        "" if unmodelled else joules(energy),
        bounds(energy),
        "not modelled" if unmodelled else provenance(energy),
    ]
    table.add_row(*cells, style=style)


def _name(row: Mapping[str, Any]) -> str:
    return "idle baseline" if row["phase"] == "baseline" else str(row["phase"])


def _where(result: Mapping[str, Any]) -> str:
    device = result["device"]
    if result["headline"] == "measured":
        return f"measured by {', '.join(result['primary'])} ({device['name']})"
    known = "missing" if device["profile"] is None else "modelled"
    if device["here"]:
        return f"trained on {device['name']}, energy {known}"
    return f"trained on this machine, energy {known.upper()} for {device['name']}"


def summary_lines(result: Mapping[str, Any]) -> List[str]:
    """What the run bought, as sentences in rich markup."""
    lines = [_status_line(result)] if result["status"] != "done" else []
    lines.extend(_accuracy_lines(result))
    lines.extend(_network_lines(result))
    lines.extend(_dense_lines(result))
    lines.extend(metering_lines(result))
    return lines


def _status_line(result: Mapping[str, Any]) -> str:
    if result["status"] == "running":
        return "[yellow]status: running now; this is what it has so far[/yellow]"
    return f"[yellow]status: {result['status']}; the same command continues this run[/yellow]"


def _accuracy_lines(result: Mapping[str, Any]) -> List[str]:
    accuracy = result["accuracy"]
    if result["spec"]["measure_epochs"] is not None:
        return ["test accuracy: none, since only some epochs of each phase were trained and measured"]
    if accuracy["test"] is None:
        return [f"test accuracy: not finished (so far {percent(accuracy['test_so_far'])})"]
    best = f"best on test data {percent(accuracy['test_best'])}, which chooses by the test data"
    return [f"test accuracy: [bold]{percent(accuracy['test'])}[/bold] after the last epoch ({best})"]


def _network_lines(result: Mapping[str, Any]) -> List[str]:
    lines = []
    ticket, network = result["ticket"], result["network"]
    if ticket is not None:
        how = "given" if ticket.get("given") else f"drawn after epoch {ticket['draw_epoch']}"
        if result["spec"]["measure_epochs"] is not None:
            how = f"assumed to be drawn after epoch {ticket['draw_epoch']}"
        elif ticket.get("forced"):
            how += " because the search ended there; its mask had not settled"
        lines.append(f"ticket: {how}, {_kept(ticket)}")
        lines.extend(_checks(ticket))
        if ticket.get("elsewhere"):
            there = ticket["elsewhere"]
            where = f"{escape(there['run'])} for {there['device']} on {escape(str(there['host']))}"
            cost = f"{si(there['flops'], 'FLOPs')}, {joules(there['energy'])} {provenance(there['energy'])}"
            lines.append(f"its search ran elsewhere ({where}): {cost}; not in the totals above")
    before, after = network["before"], network["after"]
    if before and after and before != after:
        lines.append(
            f"network: {count(before['parameters'])} -> {count(after['parameters'])} parameters, "
            f"{si(before['flops'], 'FLOPs')} -> {si(after['flops'], 'FLOPs')} an image (forward)"
        )
    elif after:
        flops = si(after["flops"], "FLOPs")
        lines.append(f"network: {count(after['parameters'])} parameters, {flops} an image (forward)")
    return lines


def _checks(ticket: Mapping[str, Any]) -> List[str]:
    """By which checks a prune ratio was chosen."""
    checks = ticket.get("checks") or []
    if not checks:
        return []
    rows = [f"{percent(row['accuracy'])} at {row['prune_ratio']:g}" for row in checks[1:]]
    lines = [
        f"prune ratio {ticket['prune_ratio']:g} was chosen on validation data: after short checks "
        f"{percent(checks[0]['accuracy'])} dense, {', '.join(rows)}"
    ]
    return lines + [f"[yellow]{ticket['over_budget']}[/yellow]"] * bool(ticket.get("over_budget"))


def _kept(ticket: Mapping[str, Any]) -> str:
    kept, total = count(ticket["kept"]), count(ticket["total"])
    if ticket.get("unit") == "weights":
        return f"{kept} of {total} weights kept; masked ones cost what they did, so they save no FLOPs and no energy"
    return f"{kept} of {total} prunable channels kept, aligned to {ticket['align']}"


def _dense_lines(result: Mapping[str, Any]) -> List[str]:
    dense, useful = result["dense"], result["useful"]
    if dense is None or not dense["flops"]:
        return []
    line = f"against dense training: {useful['flops'] / dense['flops']:.2f} x its FLOPs"
    ours, theirs = useful["energy"], dense["energy"]
    if ours["joules"] is not None and theirs["joules"]:
        saved = ratio(Energy.from_json(ours), Energy.from_json(theirs))
        if saved is not None:
            line += f", {saved.value:.2f} x its energy ({saved.low:.2f} to {saved.high:.2f}, {saved.provenance.value})"
    return [line]
