"""A suite on the terminal: a row for each group of seeds, and what its runs will take before they are begun."""

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ...quantities.ledger import PRECISIONS
from ..comparing.judgement import MOST_SEEDS
from ..comparing.seed_energies import EnergyRatio, EnergySpread
from ..comparing.seed_groups import SeedGroup
from ..comparing.spread import Difference, Spread
from ..flops import PAPER_COUNT, cell, precision_line, written
from ..format import seconds, si
from ..what_if import FIGURES, MARK, WHAT_IF_MEANS


def suite_table(groups: Sequence[SeedGroup], reference: Optional[str]) -> Table:
    """Means over the seeds, with their standard deviations; differences from `reference`, a name, by seed.

    Where a margin was stated there is a column of verdicts.

    Where all energies are of one kind, `table_lines` says it; else a column does. Where FLOPs are of several precisions
    they stand apart, and the ratio is that of the paper's count.
    """
    seen = _precisions(groups)
    apart = len(seen) > 1
    table = Table(pad_edge=False, collapse_padding=apart, box=box.SIMPLE_HEAD)
    than = reference or "reference"
    mixed = len(_kinds(groups)) > 1
    judged = any(group.verdict is not None for group in groups)
    table.add_column("runs", overflow="fold")
    for column in (
        "n",
        "p",
        "test acc., %",
        f"points over {than}",
        *["verdict"] * judged,
        "parameters",
        "FLOPs an image",
        "useful FLOPs",
        *[PAPER_COUNT] * apart,
        f"x {than} ({PAPER_COUNT})" if apart else f"x {than}",
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
            *[_verdict(group)] * judged,
            _parameters(group),
            _spread(group.network_flops, _flops),
            cell(group.flops_by_precision, seen, lambda found: _spread(found, written)),
            *[_spread(group.flops_paper_count, written)] * apart,
            _times(group.paper_count_ratio if apart else group.flops_ratio),
        ]
        # An energy, its ratio and its provenance stand in one line.
        first, *more = _energy_lines(group, mixed)
        table.add_row(*cells, *first)
        for line in more:
            table.add_row(*[""] * len(cells), *line)
    return table


def table_lines(groups: Sequence[SeedGroup], margin: Optional[float] = None) -> List[str]:
    """What the table's figures mean, as sentences; margin: of equivalence, in points."""
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
            "Differences are paired by seed; [a, b] is the 95 % interval of their mean (Student's t, of each row for "
            "itself); one seed, and differences that are all equal, have none."
        )
    if margin is not None:
        lines.append(
            "verdict: 'same' where that interval, widened for the number of rows (Holm), lies within "
            f"{margin:g} points either way, the margin of the suite; 'better' or 'worse' where it leaves out zero; "
            "else 'cannot tell', with the number of seeds that would, if mean and deviation stay as they are, where "
            f"{MOST_SEEDS} or fewer would."
        )
    lines += precision_line(_precisions(groups))
    if any(one.what_if for group in groups for one in group.energies):
        lines.append(WHAT_IF_MEANS)
    if len(_kinds(groups)) == 1:
        lines.append(f"Every energy is {next(iter(_kinds(groups)))}.")
    if any(group.energy_ratio is not None or group.what_if_ratios for group in groups):
        lines.append("The interval of an energy ratio is that of metering or model, not of the seeds.")
    return lines


def _spread(found: Optional[Spread], write: Callable[[float], str]) -> str:
    if found is None:
        return ""
    return write(found.mean) if not found.sd else f"{write(found.mean)} +- {write(found.sd)}"


def _verdict(group: SeedGroup) -> str:
    """A verdict, and how many seeds would bring one."""
    return (group.verdict or "") + (f" ({group.seeds_needed} seeds)" if group.seeds_needed else "")


def _parameters(group: SeedGroup) -> str:
    whole = _spread(group.parameters, _flops)
    return whole if group.not_masked is None else f"{_spread(group.not_masked, _flops)} of {whole}"


def _points(found: Optional[Difference]) -> str:
    if found is None:
        return ""
    if found.low is None or found.high is None:
        return f"{found.mean:+.2f}"
    return f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]".replace("[", r"\[")


def _energy_lines(group: SeedGroup, mixed: bool) -> List[List[str]]:
    """(useful energy, its ratio to the reference's, with `mixed` its provenance) of each kind of energy."""
    ratios = {one.what_if: _energy_ratio(one) for one in (*filter(None, [group.energy_ratio]), *group.what_if_ratios)}
    lines = []
    for one in group.energies:
        joules = _spread(one.joules, lambda value: si(value, "J")) + _mark(one.what_if)
        some = f" (n = {one.joules.n})" if one.joules.n < len(group.seeds) else ""
        lines.append([joules + some, ratios.get(one.what_if, ""), _kind(one)])
    if group.missing or not lines:
        lines.append(["missing" if not lines else f"missing (n = {group.missing})", "", ""])
    return [line if mixed else line[:2] for line in lines]


def _energy_ratio(found: EnergyRatio) -> str:
    return f"{found.value:.3f} ({found.low:.3g} to {found.high:.3g}){'' if found.what_if is None else f' {MARK}'}"


def _mark(figure: Optional[str]) -> str:
    return "" if figure is None else f" {MARK} {FIGURES[figure]}"


def _times(found: Optional[Difference]) -> str:
    return "" if found is None else f"{found.mean:.3f}"


def _precisions(groups: Sequence[SeedGroup]) -> List[str]:
    """Those in which any of these groups has work, in the ledger's order."""
    return [name for name in PRECISIONS if any(name in group.flops_by_precision for group in groups)]


def _kind(one: EnergySpread) -> str:
    return f"{one.provenance}{'' if one.scope is None else f', {one.scope}'} ({one.device})"


def _kinds(groups: Sequence[SeedGroup]) -> Dict[str, None]:
    return dict.fromkeys(_kind(one) for group in groups for one in group.energies)


def plan_table(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """What each run will take, each figure with the number of the note below that says how it was made.

    A row: run, do, and flops, seconds and joules, each with value and source, or None where nothing is to be done;
    flops also by precision and by the paper's count.
    """
    done_in = {name for row in rows if row["flops"] is not None for name in row["flops"]["by_precision"]}
    seen = [name for name in PRECISIONS if name in done_in]
    apart = len(seen) > 1
    table = Table(pad_edge=False, box=box.SIMPLE_HEAD)
    table.add_column("run", overflow="fold")
    table.add_column("")
    for column in ("useful FLOPs", *[PAPER_COUNT] * apart, "time", "useful energy"):
        table.add_column(column, justify="right", overflow="fold")
    notes: Dict[str, int] = {}
    for row in rows:
        flops = row["flops"]
        found = "" if flops is None else cell(flops["by_precision"], seen, written) or "0"
        cells = [found and f"{found} ({_note(flops, notes)})"]
        cells += ["" if flops is None else written(flops["paper_count"])] * apart
        cells += [_noted(row[key], write, notes) for key, write in (("seconds", seconds), ("joules", _joules))]
        table.add_row(escape(row["run"]), row["do"], *cells)
    lines = [f"({number}) {source}" for source, number in notes.items()]
    return Group(table, *map(Text, [*lines, *precision_line(seen)]))


def _noted(figure: Optional[Mapping[str, Any]], write: Callable[[float], str], notes: Dict[str, int]) -> str:
    if figure is None:
        return ""
    number = _note(figure, notes)
    value = "missing" if figure["value"] is None else write(figure["value"])
    provenance = "" if figure["provenance"] is None else f" {figure['provenance']}"
    return f"{value}{provenance} ({number})"


def _note(figure: Mapping[str, Any], notes: Dict[str, int]) -> int:
    """The number of the note on how a figure was made."""
    return notes.setdefault(figure["source"], len(notes) + 1)


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
        f"in all {whole['runs']} runs: {_flops_in_all(whole)}, {time}; energy {', '.join(parts)}",
        "Time holds set-up and evaluation; FLOPs and energy are those of training.",
    ]


def _flops_in_all(whole: Mapping[str, Any]) -> str:
    found = whole["flops_by_precision"].items()
    parts = [f"{written(flops)} {'' if at else 'useful FLOPs '}in {name}" for at, (name, flops) in enumerate(found)]
    one_count = f" ({written(whole['flops_paper_count'])} by {PAPER_COUNT})" if len(parts) > 1 else ""
    return " and ".join(parts) + one_count if parts else "no useful FLOPs"
