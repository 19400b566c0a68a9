"""Axes, size and background of a chart as plotly.js takes them."""

import math
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from ..charts.chart import Axis, Chart
from ..charts.palette import GAP_COLOUR
from ..format import si
from .plotly_values import faint, number, text

LONG_LABEL = 26  # letters of a name below or beside an axis

Json = Dict[str, Any]


def layout_of(chart: Chart, shades: Mapping[str, str]) -> Json:
    x_names, y_names = names_along(chart), list(chart.heat.rows) if chart.heat is not None else []
    layout: Json = {
        # Each axis makes room on its own side only: with all sides free plotly may find no end.
        "xaxis": {**_axis(chart.x, x_names, _values(chart, "x")), "automargin": "bottom"},
        "yaxis": {**_axis(chart.y, y_names, _values(chart, "y")), "automargin": "left"},
        "height": height(chart),
        "barmode": "stack" if chart.stacked else "group",
        "shapes": [
            {
                "type": "rect",
                "layer": "below",
                "xref": "x",
                "yref": "paper",
                "x0": number(shade.start),
                "x1": number(shade.end),
                "y0": 0,
                "y1": 1,
                "fillcolor": faint(GAP_COLOUR if shade.gap else shades[shade.name], 0.4 if shade.gap else 0.14),
                "line": {"width": 0},
            }
            for shade in chart.shades
        ],
    }
    if chart.heat is not None:
        layout["yaxis"]["autorange"] = "reversed"  # its first row is the topmost
    if chart.zoom:
        layout["xaxis"]["rangeslider"] = {"visible": True, "thickness": 0.09}
    return layout


def height(chart: Chart) -> int:
    """Of the drawing, in pixels: more where names stand below it, and for many rows."""
    names = names_along(chart)
    below = min(130, 5 * max((min(len(name), LONG_LABEL) for name in names), default=0)) if len(names) > 3 else 0
    if chart.heat is not None:
        return max(320, min(640, 140 + 18 * len(chart.heat.rows))) + below
    return 380 + below + 50 * chart.zoom


def names_along(chart: Chart) -> List[str]:
    """The names along x in their order; none where x is a number."""
    if chart.heat is not None:
        return list(chart.heat.columns)
    if chart.x.categories is not None:
        return list(chart.x.categories)
    found = [x for series in chart.series for x in series.x]
    return list(dict.fromkeys(map(str, found))) if any(isinstance(x, str) for x in found) else []


def _values(chart: Chart, axis: str) -> List[float]:
    columns = [getattr(series, name) or () for series in chart.series for name in (axis, f"{axis}_low", f"{axis}_high")]
    return [value for column in columns for value in column if isinstance(value, (int, float))]


def _axis(axis: Axis, names: Sequence[str], values: Sequence[float]) -> Json:
    made: Json = {"title": {"text": text(axis.title), "standoff": 12}}
    if names:
        made.update(type="category", categoryorder="array", categoryarray=[text(name) for name in names])
        if any(len(name) > LONG_LABEL for name in names):
            labels = [text(_short(name)) for name in names]
            made.update(tickmode="array", tickvals=made["categoryarray"], ticktext=labels)
        return made
    if axis.log:
        ticks = log_ticks(values)
        labels = [si(tick, "").strip() for tick in ticks]
        return {**made, "type": "log", "tickmode": "array", "tickvals": ticks, "ticktext": labels}
    return {**made, "type": "linear", "exponentformat": "SI"}


def _short(name: str) -> str:
    """Both ends of a long name: runs often differ in the last letters only."""
    if len(name) <= LONG_LABEL:
        return name
    return f"{name[: LONG_LABEL // 2 - 1]}…{name[-LONG_LABEL // 2 :]}"


def log_ticks(values: Iterable[float]) -> List[float]:
    """Where a logarithmic axis over `values` has its marks: closer ones where it spans little.

    >>> log_ticks([1.5, 30.0])
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
    """
    positive = [value for value in values if value > 0 and math.isfinite(value)]
    if not positive:
        return []
    low, high = math.log10(min(positive)), math.log10(max(positive))
    steps: Tuple[float, ...] = (1.0, 2.0, 5.0) if high - low <= 3 else (1.0,)
    if high - low < 0.7:
        steps = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
    exponents = range(math.floor(low), math.ceil(high) + 1)
    ticks = [float(f"{step * 10.0**exponent:.3g}") for exponent in exponents for step in steps]
    first = max((i for i, tick in enumerate(ticks) if tick <= min(positive)), default=0)
    last = min((i for i, tick in enumerate(ticks) if tick >= max(positive)), default=len(ticks) - 1)
    return ticks[first : last + 1]
