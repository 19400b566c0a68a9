"""What each phase of each run cost: stacked bars of joules, and of FLOPs.

So many runs that their bars could not be told apart have a bar for each variant, with the means over its runs.
"""

from statistics import fmean
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ...quantities.energy import Energy
from ..flops import PAPER_COUNT_MEANS, in_words, paper_count, precisions
from ..format import si
from ..source import Source
from ..what_if import meaning
from .chart import Axis, Chart, Series
from .kinds import Part, by_task, parts, without_energy
from .words import counted, energy_words, left_out, names, variant, variants

Row = Mapping[str, Any]  # `runs.rows.Row.to_json`
MANY_RUNS = 60  # of a chart, from which on a bar stands for a variant
BESIDE = {
    "evaluation": "evaluation",
    "overhead": "overhead",
    "infer": "inference",
    "baseline": "idle baseline",
    "lost": "lost",
}


def energy_by_phase(sources: Sequence[Source]) -> List[Chart]:
    """A chart for each task and kind of energy. A what-if stands with the first of its figures, as in its rows."""
    charts = []
    left = left_out(without_energy(sources))
    for part in parts(sources):
        if part.what_if in (None, "same_time"):
            charts.append(_energy_chart(part, left))
    return charts


def flops_by_phase(sources: Sequence[Source]) -> List[Chart]:
    """A chart for each task."""
    charts = []
    for task, members in by_task(sources).items():
        seen = precisions(row for source in members for _, row in _rows(source))
        if not seen:
            continue

        def flops(row: Row, mixed: bool = len(seen) > 1) -> Optional[float]:
            return float(paper_count(row) if mixed else row["flops"])

        x, series, notes = _bars(members, flops, in_words, "FLOPs")
        charts.append(
            Chart(
                key="flops-by-phase",
                title=f"FLOPs by phase: {task}",
                x=x,
                y=Axis(counted(seen)),
                series=tuple(series),
                notes=(*notes, *([PAPER_COUNT_MEANS] * (len(seen) > 1))),
                stacked=True,
            )
        )
    return charts


def _energy_chart(part: Part, left: Sequence[str]) -> Chart:
    def joules(row: Row) -> Optional[float]:
        value: Optional[float] = row["energy"]["joules"]
        return value

    def words(row: Row) -> str:
        return energy_words(Energy.from_json(row["energy"]), part.what_if)

    x, series, notes = _bars(part.sources, joules, words, "J")
    return Chart(
        key="energy-by-phase",
        title=f"Energy by phase: {part.task}, {part.words}",
        x=x,
        y=Axis("energy (J)"),
        series=tuple(series),
        notes=(
            *notes,
            f"Energies are {part.words}. Useful are the phases of the method; evaluation, overhead (set-up, "
            "checkpoints), inference, the idle baseline and what crashes lost come on top.",
            *_missing(part.sources),
            *meaning([source.result for source in part.sources]),
            *left,
        ),
        stacked=True,
    )


def _rows(source: Source) -> List[Tuple[str, Row]]:
    """The rows of a run that took any time or work, in the order of its bar."""
    result = source.result
    rows = [(str(row["phase"]), row) for row in result["phases"]]
    beside = [(name, result.get(key)) for key, name in BESIDE.items()]
    return rows + [(name, row) for name, row in beside if row is not None and (row["seconds"] or row["flops"])]


def _bars(
    sources: Sequence[Source], value_of: Callable[[Row], Optional[float]], words: Callable[[Row], str], unit: str
) -> Tuple[Axis, List[Series], List[str]]:
    """A bar for each run, or for each variant where there are many runs, and what is said of that."""
    if len(sources) < MANY_RUNS:
        return Axis("run", categories=tuple(s.label for s in sources)), _stacks(sources, value_of, words), []
    finished = [source for source in sources if source.result["status"] == "done"]
    groups: Dict[str, List[Source]] = {}
    for source, name in zip(finished, variants([source.result for source in finished])):
        groups.setdefault(name, []).append(source)
    notes = [
        f"Each bar has the means over the finished runs of a variant, {len(finished)} runs in all, since so many bars "
        "could not be told apart. A phase that is not known of every one of them is missing there.",
        *left_out([(s.label, "its training is not finished") for s in sources if s.result["status"] != "done"]),
    ]
    return Axis("variant", categories=tuple(groups)), _mean_stacks(groups, value_of, unit), notes


def _mean_stacks(
    groups: Mapping[str, Sequence[Source]], value_of: Callable[[Row], Optional[float]], unit: str
) -> List[Series]:
    """A series for each phase, of the means over each group. What a run did not do cost it nothing; what it did at a
    cost that is not known leaves no mean."""
    rows = {name: [dict(_rows(source)) for source in members] for name, members in groups.items()}
    series = []
    for phase in _in_order([list(run) for members in rows.values() for run in members]):
        found: Dict[str, List[float]] = {}
        for name, members in rows.items():
            values = [value_of(run[phase]) if phase in run else 0.0 for run in members]
            known = [value for value in values if value is not None]
            if any(phase in run for run in members) and len(known) == len(values):
                found[name] = known
        if any(map(any, found.values())):
            series.append(
                Series(
                    name=phase,
                    kind="bars",
                    x=list(found),
                    y=[fmean(values) for values in found.values()],
                    hover=[_mean_words(name, phase, values, unit) for name, values in found.items()],
                    family=phase,
                )
            )
    return series


def _mean_words(name: str, phase: str, values: Sequence[float], unit: str) -> str:
    spread = f"{si(min(values), unit)} to {si(max(values), unit)}"
    return f"{name}\n{phase}: {si(fmean(values), unit)}, the mean of {len(values)} runs ({spread})"


def _stacks(
    sources: Sequence[Source], value_of: Callable[[Row], Optional[float]], words: Callable[[Row], str]
) -> List[Series]:
    """A series for each phase that cost anything in any run; those beside the method come last."""
    found: Dict[str, List[Tuple[Source, Row]]] = {}
    for source in sources:
        for name, row in _rows(source):
            found.setdefault(name, []).append((source, row))
    order = _in_order([[name for name, _ in _rows(source)] for source in sources])
    series = []
    for name in order:
        values = [value_of(row) for _, row in found[name]]
        if any(values):
            series.append(
                Series(
                    name=name,
                    kind="bars",
                    x=[source.label for source, _ in found[name]],
                    y=values,
                    hover=[f"{s.label}\n{variant(s.result)}\n{name}: {words(row)}" for s, row in found[name]],
                    family=name,
                )
            )
    return series


def _in_order(runs: Sequence[Sequence[str]]) -> List[str]:
    """The phases of all runs, each before those that it comes before in its own run; those beside the method last.

    >>> _in_order([["train"], ["search", "prune", "retrain", "lost"], ["train", "prune", "retrain"]])
    ['search', 'train', 'prune', 'retrain', 'lost']
    """
    beside = [name for name in BESIDE.values() if any(name in run for run in runs)]
    order: List[str] = []
    for run in sorted(runs, key=len, reverse=True):
        place = len(order)
        for name in reversed([name for name in run if name not in beside]):
            if name in order:
                place = order.index(name)
            else:
                order.insert(place, name)
    return order + beside


def _missing(sources: Sequence[Source]) -> List[str]:
    """Which phases have no joules, by reason: their bars are missing, not zero."""
    reasons: Dict[str, Dict[str, List[str]]] = {}
    runs: Dict[str, int] = {}
    for source in sources:
        for name, row in _rows(source):
            runs[name] = runs.get(name, 0) + 1
            if row["energy"]["joules"] is None:
                reasons.setdefault(str(row["energy"]["reason"]), {}).setdefault(name, []).append(source.label)
    return [
        f"Not in the bars, since {reason}: "
        + "; ".join(
            name if len(labels) == runs[name] else f"{name} of {names(labels)}" for name, labels in by_phase.items()
        )
        + "."
        for reason, by_phase in reasons.items()
    ]
