"""`--form table2` and `--form table3`: runs in the form of Tables 2 and 3 of the Early-Bird paper (You et al. 2020).

Table 2 has a row a method and a column a prune ratio, and below each setting how much better each Early-Bird variant
is than its strongest rival; a second sheet has every place by itself, with bounds and seeds. Table 3 is of that kind.
"""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ...papers.tables import paper_notes
from ..comparing.differences import differences
from ..flops import paper_count
from ..given_tickets import given_tickets
from ..source import Source
from ..what_if import WHAT_IF_MEANS, is_what_if
from .cells import EMPTY, digits, name
from .paper_energy import energy_cell, kinds_of, sources_of
from .paper_improvements import APART, UNPAIRED, Improvement, improvements
from .paper_places import places_sheet
from .paper_published import FLAG, Published, published, published_notes, stitched, table_notes
from .paper_runs import MethodRow, Ratio, Setting, percent_of, settings_of
from .paper_units import Unit, accuracy_cell, flops_cell, unit_for
from .people import one_line
from .runs_form import mixed_energies
from .sheet import Cell, Column, Row, Sheet

Papers = Dict[int, Dict[Tuple[str, Ratio], Published]]  # by the number of the setting


def table2(sources: Sequence[Source], with_published: bool, margin: Optional[float]) -> List[Sheet]:
    settings, notes = settings_of(sources)
    papers = _papers("eb-table2", settings, with_published)
    energy, flops = _units(settings, papers, "k", "P")
    ratios = sorted({ratio for setting in settings for ratio in setting.ratios()}, key=lambda ratio: ratio or 0.0)
    rows: List[Row] = []
    better = [improvements(setting, margin) for setting in settings]
    for at, setting in enumerate(settings):
        rows += _setting_rows(setting, ratios, better[at], papers.get(at), energy, flops)
    notes += _table_notes(sources, settings, margin, any(better))
    notes += _paper_notes("eb-table2", settings, papers)
    if with_published and any(map(stitched, settings)):
        notes += [f"The published row of improvements: {note}" for note in paper_notes("eb-table2-improvements")]
    title = (
        f"Retrained accuracy (%), energy ({energy.prefix}J) / FLOPs ({flops.prefix}FLOPs) by prune ratio, in the form "
        "of Table 2 of You et al. 2020"
    )
    main = Sheet("table2", title, _columns(ratios, energy, flops), tuple(rows), tuple(notes))
    return [main, places_sheet("table2-cells", "Each place of it by itself", settings, papers, energy, flops, margin)]


def table3(sources: Sequence[Source], with_published: bool, margin: Optional[float]) -> List[Sheet]:
    settings, notes = settings_of(sources)
    papers = _papers("eb-table3", settings, with_published)
    energy, flops = _units(settings, papers, "M", "P")
    notes += _table_notes(sources, settings, margin, False) + _paper_notes("eb-table3", settings, papers)
    title = (
        f"Accuracy (%), FLOPs ({flops.prefix}FLOPs) and energy ({energy.prefix}J) beside the unpruned network, in the "
        "form of Table 3 of You et al. 2020"
    )
    return [places_sheet("table3", title, settings, papers, energy, flops, margin, notes)]


def _papers(table: str, settings: Sequence[Setting], wanted: bool) -> Papers:
    """What the paper has where we have runs."""
    if not wanted:
        return {}
    found: Papers = {}
    for at, setting in enumerate(settings):
        ours = {(row.method, ratio) for row in setting.rows for ratio in row.cells}
        found[at] = {place: row for place, row in published(table, setting).items() if place in ours}
    return found


def _units(settings: Sequence[Setting], papers: Papers, joules: str, flops: str) -> Tuple[Unit, Unit]:
    groups = [results for setting in settings for row in setting.rows for results in row.cells.values()]
    theirs = [row for rows in papers.values() for row in rows.values()]
    return (
        unit_for(
            [kind.joules.mean for results in groups for kind in kinds_of(results)[0]]
            + [row["joules"] for row in theirs if row["joules"]],
            joules,
        ),
        unit_for(
            [float(paper_count(result["useful"])) for results in groups for result in results]
            + [row["flops"] for row in theirs if row["flops"]],
            flops,
        ),
    )


def _columns(ratios: Sequence[Ratio], energy: Unit, flops: Unit) -> Tuple[Column, ...]:
    columns = [
        Column("model", "model", False),
        Column("dataset", "data set", False),
        Column("setting", "setting", False),
        Column("method", "method", False),
        Column("seeds", "seeds"),
    ]
    columns += [Column(f"retrained_accuracy_percent{_key(r)}", f"acc., {_at(r)}") for r in ratios]
    for r in ratios:
        columns += [
            Column(f"energy_joules{_key(r)}", f"{energy.prefix}J / {flops.prefix}FLOPs, {_at(r)}"),
            Column(f"flops{_key(r)}", f"{flops.prefix}FLOPs, {_at(r)}", joins=" / "),
        ]
    return (*columns, Column("provenance", "energy is", False))


def _key(ratio: Ratio) -> str:
    return "_unpruned" if ratio is None else f"_p{ratio:g}"


def _at(ratio: Ratio) -> str:
    return "unpruned" if ratio is None else f"p = {percent_of(ratio)}"


def _setting_rows(
    setting: Setting,
    ratios: Sequence[Ratio],
    better: Mapping[str, Mapping[Ratio, Improvement]],
    papers: Optional[Mapping[Tuple[str, Ratio], Published]],
    energy: Unit,
    flops: Unit,
) -> List[Row]:
    names = (name(setting.model), name(setting.dataset), Cell(setting.label, setting.label or None))
    rows: List[Row] = []
    for row, last in setting.by_method():
        rows.append(Row((*names, *_method_cells(row, ratios, energy, flops)), "group", opens=not rows))
        theirs = {ratio: (papers or {}).get((row.method, ratio)) for ratio in ratios}
        if last and any(theirs.values()):
            rows.append(Row((*names, *_published_cells(row, theirs, energy, flops)), "published"))
    for row in setting.rows:
        if row.label in better:
            rows.append(Row((*names, *_improvement_cells(row, better[row.label], ratios)), "improvement"))
    paper_row = stitched(setting) if papers is not None else {}
    if any(ratio in paper_row for ratio in ratios):
        rows.append(Row((*names, *_stitched_cells(paper_row, ratios)), "published"))
    return rows


def _method_cells(row: MethodRow, ratios: Sequence[Ratio], energy: Unit, flops: Unit) -> List[Cell]:
    sources = sources_of(row.results())
    named = len(sources) > 1 and not all(source.startswith("what-if") for source in sources)
    counts = [len({result["spec"]["seed"] for result in results}) for results in row.cells.values()]
    seeds = str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
    cells = [Cell(row.label, row.label), Cell(seeds, max(counts))]
    cells += [accuracy_cell(row.cells[r], False) if r in row.cells else EMPTY for r in ratios]
    for r in ratios:
        there = row.cells.get(r)
        cells += [energy_cell(there, energy, named), flops_cell(there, flops, False)] if there else [EMPTY, EMPTY]
    return [*cells, Cell("\n".join(sources), "; ".join(sources))]


def _published_cells(
    row: MethodRow, theirs: Mapping[Ratio, Optional[Published]], energy: Unit, flops: Unit
) -> List[Cell]:
    cells = [Cell(f"{row.method}, as published", row.method), EMPTY]
    cells += [EMPTY if one is None else _figure(one["accuracy"], 1.0, one["flag"]) for one in theirs.values()]
    for one in theirs.values():
        if one is None:
            cells += [EMPTY, EMPTY]
        else:
            cells += [_figure(one["joules"], energy.factor, one["flag"]), _figure(one["flops"], flops.factor, None)]
    return [*cells, Cell("as published", "published")]


def _figure(value: Optional[float], factor: float, flag: Optional[str]) -> Cell:
    """A figure of the paper with all of its digits; a mark where its row contradicts itself."""
    if value is None:
        return EMPTY
    return Cell(f"{value / factor:.6g}{FLAG if flag else ''}", value, {"flag": flag} if flag else {})


def _improvement_cells(row: MethodRow, cells: Mapping[Ratio, Improvement], ratios: Sequence[Ratio]) -> List[Cell]:
    found = [Cell(f"improvement by {row.label}", row.label), EMPTY]
    found += [cells[r].accuracy if r in cells else EMPTY for r in ratios]
    for r in ratios:
        found += [cells[r].energy, cells[r].flops] if r in cells else [EMPTY, EMPTY]
    sources = sources_of(row.results())
    return [*found, Cell("\n".join(sources), "; ".join(sources))]


def _stitched_cells(paper_row: Mapping[Ratio, Published], ratios: Sequence[Ratio]) -> List[Cell]:
    def figure(ratio: Ratio, what: str) -> Cell:
        if ratio not in paper_row:
            return EMPTY
        one: Mapping[str, Any] = paper_row[ratio]
        text = f"{one[what]:+.2f}" if what == "points" else f"{digits(one[what], 2)} x"
        flagged = bool(one["flag"]) and str(one["flag"]).startswith({"points": "accuracy"}.get(what, what))
        return Cell(text + (FLAG if flagged else ""), None, {what: one[what], "flag": one["flag"]})

    cells = [Cell("improvement, as published: the best of different variants", "published"), EMPTY]
    cells += [figure(r, "points") for r in ratios]
    for r in ratios:
        cells += [figure(r, "energy"), figure(r, "flops")]
    return [*cells, Cell("as published", "published")]


def _paper_notes(table: str, settings: Sequence[Setting], papers: Papers) -> List[str]:
    notes = []
    for at, rows in papers.items():
        notes += published_notes(table, settings[at], rows)
    if papers and not any(papers.values()):
        return ["The paper has no cell of this model, data set, method and prune ratio."]
    return notes + (table_notes(table) if papers else [])


def _table_notes(
    sources: Sequence[Source], settings: Sequence[Setting], margin: Optional[float], improved: bool
) -> List[str]:
    results = [result for setting in settings for row in setting.rows for result in row.results()]
    notes = []
    if any(len(cell) > 1 for setting in settings for row in setting.rows for cell in row.cells.values()):
        notes.append("a ± b: mean and standard deviation over seeds.")
    notes.append(
        "Accuracy: on test data after the last epoch. FLOPs: the paper's count, of convolutions and linear layers as "
        "they were run, a multiply-add in any precision counted as one in fp32."
    )
    if improved:
        notes.append(
            "improvement by a variant: points of accuracy, times less energy and times fewer FLOPs of the same runs, "
            "each against the strongest rival, which is named; paired by seed, with a 95 % interval of the mean "
            "(Student's t); the interval of energies is that of metering or model, not of the seeds. "
            f"'{UNPAIRED}': the two share no seed. '{APART}': power mode, clocks or the like."
        )
    if margin is not None:
        notes.append(
            f"Verdicts: two one-sided tests at a margin of {margin:g} points, corrected for the number of methods "
            "(Holm)."
        )
    notes += given_tickets((one_line(str(result["name"])), result) for result in results)
    notes += mixed_energies(results)
    notes += [WHAT_IF_MEANS] * any(map(is_what_if, results))
    return notes + [f"Conditions: {one_line(sentence)}." for sentence in differences(results)]
