"""Each place of a paper's table as a row: accuracy by seed and against the unpruned network, energy with its bounds."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..comparing.differences import marks
from ..comparing.judgement import Judged, judge
from ..comparing.seed_groups import more_accurate_pairs
from ..comparing.spread import spread
from .cells import EMPTY, name
from .paper_energy import energy_columns_of
from .paper_improvements import UNPAIRED, judged_json, verdict_words
from .paper_published import FLAG, Published
from .paper_runs import MethodRow, Ratio, Setting, pairs, percent_of
from .paper_units import Unit, accuracies, accuracy_cell, flops_cell
from .people import one_line
from .sheet import Cell, Column, Row, Sheet

Result = Mapping[str, Any]
Place = Tuple[int, Ratio]  # the number of the row, and the prune ratio


def places_sheet(
    key: str,
    title: str,
    settings: Sequence[Setting],
    papers: Mapping[int, Mapping[Tuple[str, Ratio], Published]],
    energy: Unit,
    flops: Unit,
    margin: Optional[float],
    notes: Sequence[str] = (),
) -> Sheet:
    """papers: by the number of the setting, our method's name and the ratio. margin: of equivalence, in points."""
    rows: List[Row] = []
    for at, setting in enumerate(settings):
        names = (name(setting.model), name(setting.dataset), Cell(setting.label, setting.label or None))
        judged, apart = _changes(setting, margin), _marks(setting)
        opens = True
        for number, (row, last) in enumerate(setting.by_method()):
            for ratio, results in sorted(row.cells.items(), key=lambda one: one[0] or 0.0):
                change = _change(setting, row, results, judged.get((number, ratio)), margin)
                rows.append(
                    Row(
                        (*names, *_cells(row, ratio, results, change, energy, flops), apart[(number, ratio)]),
                        "group",
                        opens,
                    )
                )
                opens = False
                theirs = papers.get(at, {}).get((row.method, ratio))
                if last and theirs is not None:
                    rows.append(Row((*names, *_published(row, ratio, theirs, energy, flops), EMPTY), "published"))
    return Sheet(key, title, _columns(energy, flops), tuple(rows), tuple([*notes, *_notes(settings, margin)]))


def _columns(energy: Unit, flops: Unit) -> Tuple[Column, ...]:
    return (
        Column("model", "model", False),
        Column("dataset", "data set", False),
        Column("setting", "setting", False),
        Column("method", "method", False),
        Column("prune_ratio", "p"),
        Column("seeds", "seeds", False),
        Column("accuracy_percent", "accuracy, %"),
        Column("points_over_unpruned", "points over unpruned"),
        Column("verdict", "verdict", False),
        Column("flops", f"{flops.prefix}FLOPs"),
        Column("joules", f"energy, {energy.prefix}J"),
        Column("joules_low", "95 % bounds"),
        Column("joules_high", "to", joins=" to "),
        Column("provenance", "energy is", False),
        Column("differs", "differs in", False),
    )


def _cells(
    row: MethodRow, ratio: Ratio, results: Sequence[Result], change: Tuple[Cell, Cell], energy: Unit, flops: Unit
) -> Tuple[Cell, ...]:
    seeds = [int(result["spec"]["seed"]) for result in results]
    return (
        Cell(row.label, row.label),
        Cell("" if ratio is None else percent_of(ratio), ratio),
        Cell(", ".join(map(str, seeds)), " ".join(map(str, seeds)), {"n": len(set(seeds))}),
        accuracy_cell(results, True),
        *change,
        flops_cell(results, flops, True),
        *energy_columns_of(results, energy, True),
    )


def _published(row: MethodRow, ratio: Ratio, theirs: Published, energy: Unit, flops: Unit) -> Tuple[Cell, ...]:
    flag = FLAG if theirs["flag"] else ""

    def figure(what: str, factor: float = 1.0, sign: str = "") -> Cell:
        value: Optional[float] = theirs[what]
        return EMPTY if value is None else Cell(f"{value / factor:{sign}.6g}", value)

    return (
        Cell(f"{row.method}, as published{flag}", row.method, {"flag": theirs["flag"]}),
        Cell("" if ratio is None else percent_of(ratio), ratio),
        EMPTY,
        figure("accuracy"),
        figure("change", sign="+"),
        EMPTY,
        figure("flops", flops.factor),
        figure("joules", energy.factor),
        EMPTY,
        EMPTY,
        Cell("as published", "published"),
    )


def _dense(setting: Setting) -> List[Result]:
    """Trainings of the unpruned network; where there are several kinds of them, none is the one to compare with."""
    rows = [row for row in setting.rows if row.method == "dense"]
    return rows[0].results() if len(rows) == 1 else []


def _changes(setting: Setting, margin: Optional[float]) -> Dict[Place, Judged]:
    """Differences from the unpruned network by seed; the methods at one prune ratio are judged together."""
    dense = _dense(setting)
    found: Dict[Place, Judged] = {}
    for ratio in setting.ratios():
        there = [(at, row.cells[ratio]) for at, row in enumerate(setting.rows) if ratio in row.cells]
        there = [(at, results) for at, results in there if setting.rows[at].method != "dense"]
        differences = [more_accurate_pairs(pairs(results, dense)) or None for _, results in there]
        for (at, _), judged in zip(there, judge(differences, margin)):
            if judged is not None:
                found[(at, ratio)] = judged
    return found


def _change(
    setting: Setting, row: MethodRow, results: Sequence[Result], judged: Optional[Judged], margin: Optional[float]
) -> Tuple[Cell, Cell]:
    """Points over the unpruned network with their interval, and what that says."""
    if row.method == "dense":
        return EMPTY, EMPTY
    if judged is None:
        ours, theirs = spread(accuracies(results)), spread(accuracies(_dense(setting)))
        if ours is None or theirs is None:
            return EMPTY, EMPTY
        points = ours.mean - theirs.mean
        return Cell(f"{points:+.2f}\n{UNPAIRED}", points, {"pairs": 0}), EMPTY
    found = judged.difference
    lines = [f"{found.mean:+.2f}"]
    if found.low is not None and found.high is not None:
        lines.append(f"[{found.low:+.2f}, {found.high:+.2f}]")
    words = verdict_words(judged, margin)
    return Cell("\n".join(lines), found.mean, judged_json(judged)), Cell(words, judged.verdict if words else None)


def _marks(setting: Setting) -> Dict[Place, Cell]:
    """In what the runs of a place differ from others of the setting."""
    places = [
        ((at, ratio), result)
        for at, row in enumerate(setting.rows)
        for ratio in row.cells
        for result in row.cells[ratio]
    ]
    words: Dict[Place, Dict[str, None]] = {place: {} for place, _ in places}
    for (place, _), found in zip(places, marks([result for _, result in places])):
        words[place].update(dict.fromkeys(found))
    return {place: Cell(one_line("; ".join(found)), "; ".join(found) or None) for place, found in words.items()}


def _notes(settings: Sequence[Setting], margin: Optional[float]) -> List[str]:
    notes = []
    if any(_changes(setting, margin) for setting in settings):
        notes.append(
            "points over unpruned: paired by seed; [a, b] is the 95 % interval of their mean (Student's t), which is "
            "not corrected for the number of methods; the verdict is (Holm)."
        )
    if any(len([row for row in setting.rows if row.method == "dense"]) > 1 for setting in settings):
        notes.append("Several kinds of unpruned training are here, so none is compared with.")
    return notes
