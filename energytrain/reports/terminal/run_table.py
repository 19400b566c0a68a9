"""One run on the terminal: what each phase cost, what it bought, what a dense training would have cost."""

from typing import Any, List, Mapping, Tuple

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ...quantities.compare import ratio
from ...quantities.energy import Energy
from ..flops import (
    PAPER_COUNT,
    PAPER_COUNT_MEANS,
    by_precision,
    cell,
    in_words,
    paper_count,
    precisions,
    written,
)
from ..format import bounds, count, joules, percent, provenance, si
from ..what_if import MARK, emulated, is_what_if, row_provenance
from .inference_table import inference_parts
from .metering_lines import metering_lines
from .what_if_lines import what_if_lines


def render_run(result: Mapping[str, Any]) -> RenderableType:
    """The table of a run and the lines below it, from its result."""
    parts: List[RenderableType] = [_table(result), Text()]
    parts.extend(Text.from_markup(line) for line in summary_lines(result))
    parts.extend(inference_parts(result))
    return Group(*parts)


def _table(result: Mapping[str, Any]) -> Table:
    spec = result["spec"]
    headline = result["headline"]
    title = f"{result['name']}\n{spec['method']} of {spec['model']} on {spec['dataset']}, {_where(result)}"
    rows = _rows(result)
    seen = precisions(row for part in rows for _, row in part)
    table = Table(
        title=escape(title), title_justify="left", pad_edge=False, collapse_padding=len(seen) > 1, box=box.SIMPLE_HEAD
    )
    flops = [f"FLOPs,\n{seen[0]}"] if len(seen) == 1 else ["FLOPs", *[PAPER_COUNT] * bool(seen)]
    # In a narrow terminal cells are folded: a figure that is cut is worse than a tall table.
    table.add_column("phase", overflow="fold")
    for column in ("epochs", "seconds", *flops, "energy", "95 % bounds"):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("provenance", overflow="fold")
    for part in rows:
        for name, row in part:
            cells = _cells(headline, row, seen)
            table.add_row(name, *cells, style="bold" if name == "useful" else None)
        if part is not rows[-1]:
            table.add_section()
    return table


def _rows(result: Mapping[str, Any]) -> List[List[Tuple[str, Mapping[str, Any]]]]:
    """The rows and their names, in the parts between which the table has a gap."""
    names = ("evaluation", "overhead", "baseline", "infer", "lost")
    others = [result[name] for name in names if result.get(name) and result[name]["seconds"] > 0]
    parts = [
        [(str(row["phase"]), row) for row in result["phases"]],
        [("useful", result["useful"])],
        [*((_name(row), row) for row in others), ("spent in all", result["spent"])],
    ]
    return parts if result["dense"] is None else [*parts, [("dense instead", result["dense"])]]


def _cells(headline: str, row: Mapping[str, Any], seen: List[str]) -> List[str]:
    """One row, but for its name; `seen`: the precisions of the whole table."""
    energy = row["energy"]
    epochs = str(row["epochs"]) if row["epochs"] else ""
    if row["extrapolated"]:
        epochs = f"{row['epochs']} of {row['planned_epochs']}"
    unmodelled = headline == "modelled" and not row["flops"]
    counts = [_exact(paper_count(row)) if paper_count(row) else ""] * (len(seen) > 1)
    return [
        epochs,
        f"{row['seconds']:.1f}" if row["seconds"] else "",
        cell(by_precision(row), seen, _exact),
        *counts,
        "" if unmodelled else joules(energy),
        bounds(energy),
        "not modelled" if unmodelled else row_provenance(row) if headline == "modelled" else provenance(energy),
    ]


def _exact(flops: float) -> str:
    return written(flops, 4)


def _name(row: Mapping[str, Any]) -> str:
    return "idle baseline" if row["phase"] == "baseline" else str(row["phase"])


def _where(result: Mapping[str, Any]) -> str:
    device = result["device"]
    if result["headline"] == "measured":
        return f"measured by {', '.join(result['primary'])} ({device['name']})"
    known = "missing" if device["profile"] is None else MARK if is_what_if(result) else "modelled"
    if device["here"]:
        return f"trained on {device['name']}, energy {known}"
    return f"trained on this machine, energy {known.upper()} for {device['name']}"


def summary_lines(result: Mapping[str, Any]) -> List[str]:
    """What the run bought, and how it was metered, as sentences in rich markup."""
    return training_lines(result) + metering_lines(result)


def training_lines(result: Mapping[str, Any]) -> List[str]:
    """What the run bought, as sentences in rich markup."""
    lines = [_status_line(result)] if result["status"] != "done" else []
    lines.extend(_accuracy_lines(result))
    lines.extend(_network_lines(result))
    lines.extend(_dense_lines(result))
    lines.extend([PAPER_COUNT_MEANS] * (len(precisions(row for part in _rows(result) for _, row in part)) > 1))
    lines.extend(what_if_lines(result))
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
            cost = f"{_elsewhere_flops(there)}, {joules(there['energy'])} {row_provenance(there)}"
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


def _elsewhere_flops(there: Mapping[str, Any]) -> str:
    """Of a search that ran elsewhere; where only their sum was kept, it does not say of which precision."""
    return in_words(there) if "flops_by_precision" in there else si(there["flops"], "FLOPs")


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
    if len(precisions([dense, useful])) == 1:
        line = f"against dense training: {useful['flops'] / dense['flops']:.2f} x its FLOPs"
    else:
        line = f"against dense training: {paper_count(useful) / paper_count(dense):.2f} x its FLOPs by {PAPER_COUNT}"
    ours, theirs = useful["energy"], dense["energy"]
    if ours["joules"] is not None and theirs["joules"]:
        saved = ratio(Energy.from_json(ours), Energy.from_json(theirs))
        if saved is not None:
            source = MARK if emulated(useful) else saved.provenance.value
            line += f", {saved.value:.2f} x its energy ({saved.low:.2f} to {saved.high:.2f}, {source})"
    return [line]
