"""What changed between two runs: accuracy, work by phase, time, energy, the network, the ticket, the conditions."""

from typing import Any, Dict, List, Mapping, Optional, Tuple

from ...errors import UsageError
from ...quantities.compare import Ratio, ratio
from ...quantities.energy import Energy
from ...runs.masks import distance, ticket_mask
from ..flops import PAPER_COUNT, PAPER_COUNT_MEANS, by_precision, paper_count, precisions, written
from ..format import count, joules, percent, provenance, seconds
from ..source import Source
from ..tables.cells import name
from ..tables.people import one_line
from ..tables.sheet import Cell, Column, Row, Sheet
from ..what_if import FIGURES, MARK, WHAT_IF_MEANS, emulated, is_what_if
from .differences import differences, marks
from .seed_energies import energy_kind, energy_ratio, useful_energies, what_if_ratios

Result = Mapping[str, Any]
EMPTY = Cell("")
KINDS = ("provenance", "scope", "device", "host or primary channel", "what-if or not", "held to measured joules or not")


def run_sheets(first: Source, second: Source, titles: Tuple[str, str]) -> List[Sheet]:
    """Figures side by side, the tickets where there are any, and the conditions where they differ."""
    sheets = [_changes(first.result, second.result, titles)]
    if first.result["ticket"] is not None or second.result["ticket"] is not None:
        sheets.append(_tickets(first, second, titles))
    return sheets


def unlike(first: Result, second: Result) -> str:
    """In what the energies of two results differ so that they are not divided; empty where in nothing."""
    pairs = zip(KINDS, energy_kind(first), energy_kind(second))
    return ", ".join(f"{what} differs" for what, one, other in pairs if one != other)


def same_data(first: Result, second: Result) -> bool:
    """Whether two runs were judged on the same images."""
    return all(
        first["spec"].get(what) == second["spec"].get(what) for what in ("dataset", "image_size", "random_labels")
    )


def columns(titles: Tuple[str, str]) -> Tuple[Column, ...]:
    return (
        Column("figure", "", False),
        Column("first", titles[0]),
        Column("second", titles[1]),
        Column("change", "change"),
        Column("change_low", "95 % bounds"),
        Column("change_high", "to", joins=" to "),
        Column("note", "note", False),
    )


def _changes(first: Result, second: Result, titles: Tuple[str, str]) -> Sheet:
    both = (first, second)
    rows = [_accuracy("test accuracy", "test", both), _accuracy("validation accuracy", "validation", both)]
    if any(result["spec"].get("random_labels") for result in both):
        rows.append(_accuracy("training accuracy", "train", both))
    for what in ("parameters", "flops"):
        sizes = [None if result["network"]["after"] is None else result["network"]["after"][what] for result in both]
        title, key = {"parameters": ("parameters", what), "flops": ("FLOPs an image (forward)", "network_flops")}[what]
        rows.append(_times(title, key, sizes, written if what == "flops" else lambda value: count(round(value))))
    rows += _flops(both) + [_times("useful time", "useful_seconds", [r["useful"]["seconds"] for r in both], seconds)]
    alike = differences(both) == []
    rows += _useful_energy(both, alike) + _phase_energies(both, alike)
    notes = ["change: points of accuracy, else the second over the first."]
    notes += [PAPER_COUNT_MEANS] * (len(precisions(result["useful"] for result in both)) > 1)
    notes += [WHAT_IF_MEANS] * any(map(is_what_if, both))
    for title, told in zip(titles, marks(both)):
        notes += [f"Conditions of {one_line(title)}: {one_line('; '.join(told))}."] if told else []
    notes += [f"Conditions: {one_line(sentence)}." for sentence in differences(both)]
    return Sheet(
        "changes", "What changed", columns(titles), tuple(row for row in rows if row is not None), tuple(notes)
    )


def _row(title: str, key: str, cells: List[Cell], change: Cell, found: Optional[Ratio] = None, note: str = "") -> Row:
    bounds = (EMPTY, EMPTY) if found is None else (_ratio_cell(found.low), _ratio_cell(found.high))
    return Row((Cell(title, key), *cells, change, *bounds, Cell(note, note or None)))


def _accuracy(title: str, key: str, both: Tuple[Result, Result]) -> Optional[Row]:
    values = [result["accuracy"][key] for result in both]
    if values == [None, None]:
        return None
    change, note = EMPTY, "" if same_data(*both) else "not compared: judged on other data"
    if None not in values and not note:
        change = Cell(f"{values[1] - values[0]:+.2f} points", values[1] - values[0])
    cells = [Cell(percent(value), value) for value in values]
    return _row(title, f"{key}_accuracy_percent", cells, change, note=note)


def _times(title: str, key: str, values: List[Any], write: Any) -> Row:
    known = None not in values and values[0] > 0
    change = _ratio_cell(values[1] / values[0]) if known else EMPTY
    return _row(title, key, [Cell("none") if value is None else Cell(write(value), value) for value in values], change)


def _flops(both: Tuple[Result, Result]) -> List[Row]:
    """Of each phase and in all, by precision: those of unlike precision are neither added nor divided."""
    rows = []
    for title, found in [*_phases(both), ("useful", [result["useful"] for result in both])]:
        work = [{} if row is None else by_precision(row) for row in found]
        for precision in precisions(row for row in found if row is not None):
            values = [flops.get(precision) for flops in work]
            key = f"{title}_flops_{precision}"
            rows.append(_times(f"{one_line(title)}: FLOPs in {precision}", key, values, written))
    if len(precisions(result["useful"] for result in both)) > 1:
        counts = [paper_count(result["useful"]) for result in both]
        rows.append(_times(f"useful: {PAPER_COUNT}", "useful_flops_paper_count", counts, written))
    return rows


def _phases(both: Tuple[Result, Result]) -> List[Tuple[str, List[Optional[Mapping[str, Any]]]]]:
    """Each phase that one of them has, with its row of both."""
    rows = [{row["phase"]: row for row in result["phases"]} for result in both]
    return [(name, [of.get(name) for of in rows]) for name in dict.fromkeys([*rows[0], *rows[1]])]


def _useful_energy(both: Tuple[Result, Result], alike: bool) -> List[Row]:
    """One row; of a what-if one for each figure. No ratio of unlike kinds."""
    first, second = both
    pair = [(second, first)]
    ratios: Dict[Optional[str], Any] = {one.what_if: one for one in what_if_ratios(pair)}
    found = energy_ratio(pair)
    if found is not None:
        ratios = {None: found}
    energies = [useful_energies(result) for result in both]
    why = unlike(first, second)
    rows = []
    for figure in ratios or dict.fromkeys([*energies[0], *energies[1]]):
        cells = []
        for of in energies:
            own = figure if figure in of else None if figure in ratios else figure
            cells.append(EMPTY if own not in of else energy_cell(of[own].to_json(), own))
        over = ratios.get(figure)
        note = _note(why if over is None else "", alike, figure is not None)
        title = "useful energy" if figure is None else f"useful energy, {MARK} {FIGURES[figure]}"
        key = "useful_joules" if figure is None else f"useful_joules_{figure}"
        rows.append(_row(title, key, cells, EMPTY if over is None else _ratio_cell(over.value), over, note))
    return rows


def _phase_energies(both: Tuple[Result, Result], alike: bool) -> List[Row]:
    rows = []
    kinds = [energy_kind(result)[2:] for result in both]  # provenance and scope are the phase's own
    found = [*_phases(both), ("evaluation", [result["evaluation"] for result in both])]
    for title, phase in found:
        if all(row is None or row["energy"]["joules"] is None for row in phase):
            continue
        cells = [EMPTY if row is None else energy_cell(row["energy"], emulated(row) or None) for row in phase]
        over, note = None, ""
        if phase[0] is not None and phase[1] is not None:
            ours, theirs = (row["energy"] for row in phase if row is not None)
            like = all(ours[name] == theirs[name] for name in ("provenance", "scope"))
            if like and kinds[0] == kinds[1] and emulated(phase[0]) == emulated(phase[1]):
                over = ratio(Energy.from_json(theirs), Energy.from_json(ours))
            else:
                note = unlike(*both) or "provenance or scope differs"
        mark = any(row is not None and emulated(row) for row in phase)
        change = EMPTY if over is None else _ratio_cell(over.value)
        rows.append(
            _row(f"{one_line(title)}: energy", f"{title}_joules", cells, change, over, _note(note, alike, mark))
        )
    return rows


def energy_cell(energy: Mapping[str, Any], what_if: Any = None) -> Cell:
    """Joules with their provenance and scope; what_if: the figure's name, or True, where they are one."""
    if energy["joules"] is None:
        return Cell(joules(energy), None, {"reason": energy["reason"]})
    more = {name: energy[name] for name in ("low", "high", "provenance", "scope")}
    mark = f" {MARK}" if what_if else ""
    return Cell(f"{joules(energy)}{mark}\n{provenance(energy)}", energy["joules"], {**more, "what_if": bool(what_if)})


def _note(why: str, alike: bool, what_if: bool) -> str:
    told = [f"not compared: {why}"] if why else []
    return "; ".join(told + [MARK] * what_if + ["conditions differ"] * (not alike))


def _ratio_cell(value: float) -> Cell:
    if value == float("inf"):
        return Cell("no upper end")
    return Cell(f"{value:.3f} x" if value >= 0.1 else f"{value:.2g} x", value)


def _tickets(first: Source, second: Source, titles: Tuple[str, str]) -> Sheet:
    tickets = [source.result["ticket"] for source in (first, second)]
    specs = [source.result["spec"] for source in (first, second)]
    rows = []
    asked = [t and t.get("prune_ratio", spec["prune_ratio"]) for t, spec in zip(tickets, specs)]
    rows.append(_pair("prune ratio", "prune_ratio", asked, lambda value: f"{value:g}"))
    rows.append(_pair("drawn after epoch", "draw_epoch", [t and t.get("draw_epoch") for t in tickets], str))
    rows.append(_pair("kept", "kept", [t and t["kept"] for t in tickets], count))
    rows.append(_pair("of", "total", [t and t["total"] for t in tickets], count))
    rows.append(_pair("aligned to", "align", [t and t.get("align") for t in tickets], str))
    units = [t and name(str(t.get("unit", "channels"))) for t in tickets]
    rows.append(_row("unit", "unit", [unit or EMPTY for unit in units], EMPTY))
    apart, why = _mask_distance(first, second)
    cell = EMPTY if apart is None else Cell(f"{apart:.4f}", apart)
    rows.append(_row("mask distance between the two", "mask_distance", [EMPTY, EMPTY], cell, note=why))
    note = "Mask distance: the share of all marks that differ (Hamming), as in the search."
    return Sheet("tickets", "The tickets", columns(titles), tuple(rows), (note,))


def _pair(title: str, key: str, values: List[Any], write: Any) -> Row:
    change = EMPTY
    if None not in values:
        change = Cell(f"{values[1] - values[0]:+g}" if values[0] != values[1] else "", values[1] - values[0])
    return _row(title, key, [EMPTY if value is None else Cell(write(value), value) for value in values], change)


def _mask_distance(first: Source, second: Source) -> Tuple[Optional[float], str]:
    try:
        return distance(ticket_mask(first.path), ticket_mask(second.path)), ""
    except UsageError as error:
        return None, one_line(f"unknown: {error}")
