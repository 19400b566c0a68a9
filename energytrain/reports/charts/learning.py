"""Loss and accuracy of a run by epoch."""

from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..source import Source
from .chart import Axis, Chart, Series, Shade
from .downsample import downsample
from .words import dropped_note, plain

CURVES = {
    "learning-accuracy": (
        "Accuracy by epoch",
        "accuracy (%)",
        {"accuracy": "training", "validation_accuracy": "validation", "test_accuracy": "test"},
    ),
    "learning-loss": (
        "Loss by epoch",
        "loss",
        {"loss": "training", "validation_loss": "validation", "test_loss": "test"},
    ),
}


def learning_charts(source: Source) -> List[Chart]:
    """A chart of the accuracy and one of the loss, as far as the marks say them."""
    timeline = source.timeline
    if timeline is None:
        return []
    epochs = 0
    shades: List[Shade] = []
    known: Dict[str, List[Tuple[int, float]]] = {}
    for span in timeline.useful():
        if span.what == "training":
            epochs += 1
            start = shades[-1].start if shades and shades[-1].name == span.phase else epochs - 0.5
            shades = [*(s for s in shades if s.start != start), Shade(start, epochs + 0.5, span.phase)]
        if span.what in ("training", "evaluation") and epochs:
            for mark in (mark for _, _, curves in CURVES.values() for mark in curves):
                if span.marks.get(mark) is not None:
                    known.setdefault(mark, []).append((epochs, float(span.marks[mark])))
    charts = []
    for key, (title, unit, curves) in CURVES.items():
        found = [_series(name, known[mark]) for mark, name in curves.items() if mark in known]
        if found:
            charts.append(
                Chart(
                    key=key,
                    title=f"{title}: {source.label}",
                    x=Axis("epochs trained"),
                    y=Axis(unit),
                    series=tuple(series for series, _ in found),
                    shades=tuple(shades),
                    notes=(
                        "Every epoch once: what a crash undid is not shown. Training figures are means over the epoch, "
                        "the others were taken after it.",
                        *dropped_note(sum(dropped for _, dropped in found)),
                    ),
                    zoom=epochs > 200,
                )
            )
    return charts


def _series(name: str, points: Sequence[Tuple[int, float]]) -> Tuple[Series, int]:
    x, y, dropped = downsample(np.array([p[0] for p in points], float), np.array([p[1] for p in points], float))
    values: List[Optional[float]] = plain(y)
    return Series(name, "line", x.tolist(), values, family=name), dropped
