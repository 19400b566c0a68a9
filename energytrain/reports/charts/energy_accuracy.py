"""Energy against accuracy, a point a run; where no run of a task has energy, FLOPs against accuracy.

The Pareto front goes only through runs whose energies are of one kind. Each kind has a chart of its own.
"""

from typing import Dict, List, Optional, Sequence, Tuple

from ..comparing.differences import differences, marks
from ..flops import PAPER_COUNT_MEANS, in_words, paper_count, precisions
from ..given_tickets import given_tickets
from ..source import Source
from ..what_if import meaning
from .chart import Axis, Chart, Series
from .kinds import Part, by_task, parts, without_energy
from .words import counted, energy_words, left_out, names, run_words, variants

LOG_FROM = 10.0  # from this ratio of the ends of an axis on
ACCURACY = "test accuracy (%)"


def energy_against_accuracy(sources: Sequence[Source]) -> List[Chart]:
    """A chart for each task and kind of energy among the runs that have a test accuracy."""
    charts: List[Chart] = []
    for task, members in by_task(sources).items():
        finished = [s for s in members if s.result["accuracy"]["test"] is not None]
        if not finished:
            continue
        left = left_out([(s.label, _unfinished(s)) for s in members if s.result["accuracy"]["test"] is None])
        found = parts(finished)
        if found:
            left += left_out(without_energy(finished))
            left += _kinds_apart(found)
            charts += [_energy_chart(part, left) for part in found]
        else:
            charts.append(_flops_chart(task, finished, left))
    return charts


def pareto_front(points: Sequence[Tuple[float, float]]) -> List[int]:
    """The points (cost, worth) that no other one beats, from the cheapest to the dearest, by index.

    One point beats another if it costs no more and is worth no less, and is better in one of the two; of equal points
    the first one stays.

    >>> pareto_front([(3, 90), (1, 80), (2, 79), (3, 91)])
    [1, 3]
    """
    front: List[int] = []
    best = float("-inf")
    for index in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1], i)):
        if points[index][1] > best:
            front.append(index)
            best = points[index][1]
    return front


def spans_decades(ends: Sequence[Optional[float]]) -> bool:
    """Whether an axis between these ends is read more easily with a logarithmic scale, and can have one."""
    known = [end for end in ends if end is not None]
    return bool(known) and min(known) > 0 and max(known) / min(known) >= LOG_FROM


def _energy_chart(part: Part, left: Sequence[str]) -> Chart:
    joules = [float(energy.joules or 0.0) for energy in part.energies]
    lows, highs = [e.low for e in part.energies], [e.high for e in part.energies]
    results = [source.result for source in part.sources]
    hover = [
        "\n".join(
            [
                source.label,
                run_words(source.result),
                _percent(source),
                energy_words(energy, part.what_if),
                in_words(source.result["useful"]),
                *(f"not comparable with all others: {mark}" for mark in marked),
            ]
        )
        for source, energy, marked in zip(part.sources, part.energies, marks(results))
    ]
    front, front_notes = _front(part.sources, joules)
    return Chart(
        key="energy-accuracy",
        title=f"Energy against accuracy: {part.task}, {part.words}",
        x=Axis("useful energy (J)", log=spans_decades([*lows, *highs])),
        y=Axis(ACCURACY),
        series=(*_points(part.sources, joules, hover, lows, highs), *front),
        notes=(
            f"Useful energy (each epoch once, search included, evaluation not): {part.words}; bars are 95 % intervals. "
            "Errors that runs share, as those of one sensor or of the model, cancel when they are compared.",
            *front_notes,
            *given_tickets((source.label, source.result) for source in part.sources),
            *(f"{sentence}." for sentence in differences(results)),
            *meaning(results),
            *left,
        ),
    )


def _flops_chart(task: str, sources: Sequence[Source], left: Sequence[str]) -> Chart:
    rows = [source.result["useful"] for source in sources]
    seen = precisions(rows)
    flops = [float(row["flops"] if len(seen) < 2 else paper_count(row)) for row in rows]
    hover = [f"{s.label}\n{run_words(s.result)}\n{_percent(s)}\n{in_words(s.result['useful'])}" for s in sources]
    front, front_notes = _front(sources, flops)
    return Chart(
        key="flops-accuracy",
        title=f"FLOPs against accuracy: {task} (no run has a useful energy)",
        x=Axis(f"useful work ({counted(seen)})", log=spans_decades(flops)),
        y=Axis(ACCURACY),
        series=(*_points(sources, flops, hover), *front),
        notes=(
            *front_notes,
            *given_tickets((source.label, source.result) for source in sources),
            *([PAPER_COUNT_MEANS] if len(seen) > 1 else []),
            *left_out(without_energy(sources)),
            *left,
        ),
    )


def _points(
    sources: Sequence[Source],
    costs: Sequence[float],
    hover: Sequence[str],
    lows: Optional[Sequence[Optional[float]]] = None,
    highs: Optional[Sequence[Optional[float]]] = None,
) -> List[Series]:
    """A series for each method and prune ratio; those of one method are a family."""
    members: Dict[str, List[int]] = {}
    for index, name in enumerate(variants([source.result for source in sources])):
        members.setdefault(name, []).append(index)
    return [
        Series(
            name=name,
            kind="points",
            x=[costs[i] for i in indices],
            y=[sources[i].result["accuracy"]["test"] for i in indices],
            x_low=None if lows is None else [lows[i] for i in indices],
            x_high=None if highs is None else [highs[i] for i in indices],
            hover=[hover[i] for i in indices],
            family=str(sources[indices[0]].result["spec"]["method"]),
        )
        for name, indices in members.items()
    ]


def _front(sources: Sequence[Source], costs: Sequence[float]) -> Tuple[List[Series], List[str]]:
    """The Pareto front, where it has at least two runs, and what is said of it."""
    if len(sources) < 2:
        return [], []
    accuracies = [source.result["accuracy"]["test"] for source in sources]
    indices = pareto_front(list(zip(costs, accuracies)))
    if len(indices) == 1:
        return [], [f"No run is cheaper or more accurate than {sources[indices[0]].label}, so there is no front."]
    front = Series(
        name="Pareto front",
        kind="steps",
        x=[costs[i] for i in indices],
        y=[accuracies[i] for i in indices],
        hover=[f"Pareto front\n{sources[i].label}" for i in indices],
        dashed=True,
    )
    members = names([sources[i].label for i in indices])
    return [front], [f"Pareto front: {members}. It goes through single runs, the luck of their seeds included."]


def _kinds_apart(found: Sequence[Part]) -> List[str]:
    if len(found) == 1:
        return []
    kinds = "; ".join(part.words for part in found)
    return [
        f"The energies of this task are of {len(found)} kinds, each in a chart of its own ({kinds}): unlike "
        "provenance, scope, device or channels are not ranked against one another."
    ]


def _unfinished(source: Source) -> str:
    status = source.result["status"]
    return "it has no test accuracy" if status == "done" else f"its training is not finished ({status})"


def _percent(source: Source) -> str:
    return f"{source.result['accuracy']['test']:.2f} % test accuracy"
