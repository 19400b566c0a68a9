"""What each phase of each run cost: stacked bars of joules, and of FLOPs."""

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ...quantities.energy import Energy
from ..flops import PAPER_COUNT_MEANS, in_words, paper_count, precisions
from ..source import Source
from ..what_if import meaning
from .chart import Axis, Chart, Series
from .kinds import Part, by_task, parts, without_energy
from .words import counted, energy_words, left_out, names, variant

Row = Mapping[str, Any]  # `runs.rows.Row.to_json`
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
            return float(paper_count(row) if mixed else row["flops"]) or None

        charts.append(
            Chart(
                key="flops-by-phase",
                title=f"FLOPs by phase: {task}",
                x=Axis("run", categories=tuple(source.label for source in members)),
                y=Axis(counted(seen)),
                series=tuple(_stacks(members, flops, in_words)),
                notes=tuple([PAPER_COUNT_MEANS] * (len(seen) > 1)),
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

    return Chart(
        key="energy-by-phase",
        title=f"Energy by phase: {part.task}, {part.words}",
        x=Axis("run", categories=tuple(source.label for source in part.sources)),
        y=Axis("energy (J)"),
        series=tuple(_stacks(part.sources, joules, words)),
        notes=(
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


def _stacks(
    sources: Sequence[Source], value_of: Callable[[Row], Optional[float]], words: Callable[[Row], str]
) -> List[Series]:
    """A series for each phase that has a value in any run; those beside the method come last."""
    found: Dict[str, List[Tuple[Source, Row]]] = {}
    for source in sources:
        for name, row in _rows(source):
            found.setdefault(name, []).append((source, row))
    order = _in_order([[name for name, _ in _rows(source)] for source in sources])
    series = []
    for name in order:
        values = [value_of(row) for _, row in found[name]]
        if any(value is not None for value in values):
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
