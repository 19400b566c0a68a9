"""Accuracy and FLOPs against the epoch at which the ticket was drawn (Figures 1, 2 and 5 of You et al. 2020)."""

from statistics import median
from typing import Any, Callable, Dict, List, Sequence, Tuple

from ..flops import PAPER_COUNT_MEANS, in_words, paper_count, precisions
from ..given_tickets import given_tickets
from ..source import Source
from .chart import Axis, Chart, Series
from .words import counted, run_words, task, variants

DRAWN = "epochs trained before the ticket was drawn"


def draw_epoch_charts(sources: Sequence[Source]) -> List[Chart]:
    """Two charts for each network, task and length of schedule whose tickets were drawn after unlike epochs."""
    groups: Dict[Tuple[Any, ...], List[Source]] = {}
    for source in sources:
        spec = source.result["spec"]
        key = spec["model"], spec["width"], task(source.result), spec["epochs"]
        groups.setdefault(key, []).append(source)
    charts: List[Chart] = []
    for (model, width, learnt, epochs), members in groups.items():
        drawn = [source for source in members if _retrained(source)]
        if len({_draw_epoch(source) for source in drawn}) < 2:
            continue
        dense = [
            s for s in members if s.result["spec"]["method"] == "dense" and s.result["accuracy"]["test"] is not None
        ]
        network = model if width == 1 else f"{model} (width {width:g})"
        where = f"{network} on {learnt}, schedule of {epochs} epochs"
        charts += [_accuracy_chart(where, drawn, dense), _flops_chart(where, drawn, dense)]
    return charts


def _retrained(source: Source) -> bool:
    """Whether the accuracy of the run is that of a ticket which was trained after it was drawn."""
    result = source.result
    known = result["accuracy"]["test"] is not None and (result["ticket"] or {}).get("draw_epoch") is not None
    return known and bool(result["phases"]) and result["phases"][-1]["epochs"] > 0


def _draw_epoch(source: Source) -> int:
    return int(source.result["ticket"]["draw_epoch"])


def _accuracy_chart(where: str, drawn: Sequence[Source], dense: Sequence[Source]) -> Chart:
    def accuracy(source: Source) -> float:
        return float(source.result["accuracy"]["test"])

    return Chart(
        key="accuracy-draw-epoch",
        title=f"Accuracy against the draw epoch: {where}",
        x=Axis(DRAWN),
        y=Axis("test accuracy after retraining (%)"),
        series=(*_series(drawn, accuracy, lambda s: f"{accuracy(s):.2f} %"), *_dense(drawn, dense, accuracy)),
        notes=tuple(_notes(drawn, dense)),
    )


def _flops_chart(where: str, drawn: Sequence[Source], dense: Sequence[Source]) -> Chart:
    seen = precisions(source.result["useful"] for source in (*drawn, *dense))
    mixed = len(seen) > 1
    given = given_tickets((source.label, source.result) for source in drawn)

    def flops(source: Source) -> float:
        row = source.result["useful"]
        return float(paper_count(row) if mixed else row["flops"])

    return Chart(
        key="flops-draw-epoch",
        title=f"FLOPs of the whole training against the draw epoch: {where}",
        x=Axis(DRAWN),
        y=Axis(counted(seen)),
        series=(*_series(drawn, flops, lambda s: in_words(s.result["useful"])), *_dense(drawn, dense, flops)),
        notes=(*given, *([PAPER_COUNT_MEANS] if mixed else []), *_notes(drawn, dense)),
    )


def _series(
    drawn: Sequence[Source], value_of: Callable[[Source], float], words: Callable[[Source], str]
) -> List[Series]:
    """A point a run, and a line through the medians where the epochs were asked for."""
    by_variant: Dict[str, List[Source]] = {}
    for source, name in zip(drawn, variants([source.result for source in drawn])):
        by_variant.setdefault(name, []).append(source)
    found = []
    for name, members in by_variant.items():
        found.append(
            Series(
                name=name,
                kind="points",
                x=[_draw_epoch(source) for source in members],
                y=[value_of(source) for source in members],
                hover=[
                    f"{s.label}\n{run_words(s.result)}\ndrawn after epoch {_draw_epoch(s)}: {words(s)}" for s in members
                ],
                family=name,
            )
        )
        asked: Dict[int, List[float]] = {}
        for source in members:
            if source.result["spec"]["draw_epoch"] is not None:
                asked.setdefault(_draw_epoch(source), []).append(value_of(source))
        if len(asked) > 1:
            epochs = sorted(asked)
            middle = [median(asked[epoch]) for epoch in epochs]
            found.append(Series(name=f"{name}, median", kind="line", x=epochs, y=middle, family=name))
    return found


def _dense(drawn: Sequence[Source], dense: Sequence[Source], value_of: Callable[[Source], float]) -> List[Series]:
    """The median of the dense runs, as a level."""
    if not dense:
        return []
    epochs = [_draw_epoch(source) for source in drawn]
    level = median(value_of(source) for source in dense)
    name = "dense" if len(dense) == 1 else f"dense, median of {len(dense)}"
    return [Series(name=name, kind="line", x=[min(epochs), max(epochs)], y=[level, level], family="dense", dashed=True)]


def _notes(drawn: Sequence[Source], dense: Sequence[Source]) -> List[str]:
    searched = [source for source in drawn if source.result["spec"]["draw_epoch"] is None]
    notes = ["A point a run."]
    if 0 < len(searched) < len(drawn):
        notes.append(f"In {len(searched)} of {len(drawn)} runs the search itself chose the epoch; no line joins these.")
    elif searched:
        notes.append("The search of each run chose its epoch; no line joins the points.")
    if not dense:
        notes.append("There is no finished dense run of this network to compare with.")
    return notes
