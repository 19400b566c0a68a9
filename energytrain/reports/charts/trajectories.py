"""Accuracy against what the method had cost by then, a line a run: energy, or FLOPs where a task has no energy."""

from typing import Any, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from ..flops import PAPER_COUNT_MEANS, paper_count, precisions
from ..given_tickets import given_tickets
from ..source import Source
from ..what_if import meaning
from .chart import Axis, Chart, Series
from .downsample import downsample
from .kinds import by_task, parts, without_energy
from .words import counted, dropped_note, left_out, names, plain, task

POINTS = 20_000  # of all lines of a chart together
AT_LEAST = 20  # of a line
Entry = Mapping[str, Any]  # `runs.trajectory`


def accuracy_by_cost(sources: Sequence[Source]) -> List[Chart]:
    """A chart for each task and kind of energy. A what-if stands with the first of its figures."""
    judged = [source for source in sources if _entries(source)]
    charts = []
    for part in parts(judged):
        if part.what_if in (None, "same_time"):
            charts += _chart(
                "accuracy-by-energy",
                f"Accuracy against the energy spent on it: {part.task}, {part.words}",
                f"Cumulated useful energy, search included, evaluation not: {part.words}.",
                part.sources,
                "useful energy so far (J)",
                more=left_out(without_energy([one for one in judged if task(one.result) == part.task])),
            )
    priced = {source.label for part in parts(judged) for source in part.sources}
    for learnt, members in by_task(judged).items():
        if not priced & {source.label for source in members}:
            charts += _flops_chart(learnt, members)
    return charts


def _flops_chart(learnt: str, members: Sequence[Source]) -> List[Chart]:
    seen = precisions(entry for source in members for entry in _entries(source))
    return _chart(
        "accuracy-by-flops",
        f"Accuracy against the FLOPs spent on it: {learnt} (no run has a useful energy)",
        PAPER_COUNT_MEANS if len(seen) > 1 else "Cumulated useful FLOPs, search included, evaluation not.",
        members,
        f"useful work so far ({counted(seen)})",
        mixed=len(seen) > 1,
    )


def _chart(
    key: str,
    title: str,
    note: str,
    sources: Sequence[Source],
    axis: str,
    mixed: Optional[bool] = None,
    more: Sequence[str] = (),
) -> List[Chart]:
    """mixed: None for energies; of FLOPs whether they are of several precisions. more: notes on runs left out."""
    most = max(AT_LEAST, POINTS // len(sources))
    series, dropped, unknown = [], 0, []
    for source in sources:
        known = [(cost, entry) for entry in _entries(source) for cost in _cost(entry, mixed)]
        unknown += [source.label] * (len(known) < len(_entries(source)))
        if not known:
            continue
        costs = np.array([cost for cost, _ in known], dtype=float)
        x, y, left = downsample(costs, np.array([entry["test_accuracy"] for _, entry in known], dtype=float), most)
        dropped += left
        family = str(source.result["spec"]["method"])
        series.append(Series(source.label, "line", x.tolist(), plain(y), family=family))
    if not series:
        return []
    return [
        Chart(
            key=key,
            title=title,
            x=Axis(axis),
            y=Axis("test accuracy (%)"),
            series=tuple(series),
            notes=(
                note,
                *given_tickets((source.label, source.result) for source in sources),
                *([f"Left out where the energy up to an epoch is missing: {names(unknown)}."] if unknown else []),
                *more,
                *meaning([source.result for source in sources] if mixed is None else []),
                *dropped_note(dropped),
            ),
        )
    ]


def _entries(source: Source) -> List[Entry]:
    return [entry for entry in source.result.get("trajectory") or () if entry["test_accuracy"] is not None]


def _cost(entry: Entry, mixed: Optional[bool]) -> Tuple[float, ...]:
    """What had been spent, if it is known."""
    if mixed is not None:
        return (float(paper_count(entry) if mixed else entry["flops"]),)
    joules = entry["energy"]["joules"]
    return () if joules is None else (float(joules),)
