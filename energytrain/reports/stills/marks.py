"""The series of a chart as matplotlib draws them: points, lines, steps, bars and their intervals."""

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..charts.chart import Chart, Number, Series
from ..charts.palette import Look, family_of

MARKERS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "cross": "P",
    "triangle-down": "v",
    "star": "*",
}
FILLS = ("full", "none", "left", "bottom")  # of the first, second, ... series of points in a family
FEW_POINTS = 40  # up to which a line shows its points
FEW_LINES = 6
MANY_POINTS = 400  # from which on points are drawn small
BAR_SHARE = 0.8  # of the room of a category that its bars fill
INTERVAL: Dict[str, Any] = {"elinewidth": 0.8, "capsize": 2.0, "capthick": 0.8, "fmt": "none", "alpha": 0.55}


def draw_series(axes: Axes, chart: Chart, looks: Mapping[str, Look]) -> None:
    """All series; where the x of the chart has categories these go down the vertical axis, from the top."""
    names = chart.x.categories
    places = None if names is None else {name: at for at, name in enumerate(names)}
    bars = [series for series in chart.series if series.kind == "bars"]
    beside = [series for series in chart.series if series.kind != "bars"]
    fills = _fills(chart)
    stack: Dict[int, float] = {}
    for number, series in enumerate(bars):
        _draw_bars(axes, series, looks[family_of(series)].colour, places or {}, stack, number, len(bars), chart.stacked)
    for number, series in enumerate(beside):
        shift = 0.0 if places is None else BAR_SHARE * ((number + 0.5) / len(beside) - 0.5)
        _draw_points(axes, series, looks[family_of(series)], places, shift, fills[id(series)], _alone(chart))


def legend_handle(chart: Chart, series: Series, looks: Mapping[str, Look]) -> Any:
    look = looks[family_of(series)]
    if series.kind == "bars":
        return Patch(color=look.colour)
    return Line2D([], [], **_style(series, look, _fills(chart)[id(series)], _alone(chart)))


def _fills(chart: Chart) -> Dict[int, str]:
    """How the points of each series are filled (by its id): what is of one family has one colour and one marker."""
    seen: Dict[str, int] = {}
    fills = {}
    for series in chart.series:
        number = seen.get(family_of(series), 0)
        fills[id(series)] = FILLS[number % len(FILLS)] if series.kind == "points" else "full"
        seen[family_of(series)] = number + (series.kind == "points")
    return fills


def _style(series: Series, look: Look, fill: str, alone: bool) -> Dict[str, Any]:
    few = (len(series.x) <= FEW_POINTS and alone) or _lonely(series.y)
    points = series.kind == "points"
    size = (7.0 if len(series.x) <= MANY_POINTS else 3.0) if points else (3.5 if len(series.x) <= FEW_POINTS else 1.5)
    return {
        "color": look.colour,
        "linestyle": "none" if points else "--" if series.dashed else "-",
        "linewidth": 1.1 if len(series.x) > MANY_POINTS else 1.5,
        "marker": MARKERS[look.symbol] if points or (few and not series.dashed) else "none",
        "markersize": size * (1.3 if look.symbol == "star" else 1.0),
        "fillstyle": fill,
        "markerfacecoloralt": "white",
    }


def _alone(chart: Chart) -> bool:
    """Whether there are so few lines that each may show its points."""
    return len(chart.series) <= FEW_LINES


def _lonely(values: Sequence[Number]) -> bool:
    """Whether some value has a gap, or nothing, on either side, so that no line would show it."""
    known = [False, *(value is not None for value in values), False]
    return any(at and not before and not after for before, at, after in zip(known, known[1:], known[2:]))


def _draw_points(
    axes: Axes, series: Series, look: Look, places: Optional[Mapping[str, int]], shift: float, fill: str, alone: bool
) -> None:
    style = _style(series, look, fill, alone)
    y = _floats(series.y)
    x: List[float] = [float(value) if places is None else places[str(value)] + shift for value in series.x]
    along = _reach(x, series.x_low, series.x_high) if places is None else None
    across = _reach(y, series.y_low, series.y_high)
    style["drawstyle"] = "steps-post" if series.kind == "steps" else "default"
    if places is not None:
        x, y, along, across = y, x, across, along
    if along is not None or across is not None:
        axes.errorbar(x, y, xerr=along, yerr=across, ecolor=look.colour, **INTERVAL)
    axes.plot(x, y, zorder=2.6 if series.dashed else 3, **style)


def _draw_bars(
    axes: Axes,
    series: Series,
    colour: str,
    places: Mapping[str, int],
    stack: Dict[int, float],
    number: int,
    count: int,
    stacked: bool,
) -> None:
    thick = BAR_SHARE if stacked else BAR_SHARE / count
    rows = [places[str(name)] for name in series.x]
    values = _floats(series.y)
    centres = rows if stacked else [row - BAR_SHARE / 2 + thick * (number + 0.5) for row in rows]
    left = [stack.get(row, 0.0) if stacked else 0.0 for row in rows]
    across = _reach(values, series.y_low, series.y_high)
    edge: Dict[str, Any] = {"edgecolor": "white", "linewidth": 0.4 if len(places) <= 100 else 0.0}
    axes.barh(centres, values, height=thick, left=left, color=colour, **edge)
    if across is not None:
        axes.errorbar([v + s for v, s in zip(values, left)], centres, xerr=across, ecolor="#222222", **INTERVAL)
    for row, value in zip(rows, values):
        stack[row] = stack.get(row, 0.0) + (0.0 if math.isnan(value) else value)


def _floats(values: Sequence[Number]) -> List[float]:
    return [math.nan if value is None else float(value) for value in values]


def _reach(
    values: Sequence[float], low: Optional[Sequence[Number]], high: Optional[Sequence[Number]]
) -> Optional[List[List[float]]]:
    """How far intervals reach down and up from the values; nothing on a side whose end is not known."""
    if low is None and high is None:
        return None
    none: Sequence[Number] = [None] * len(values)
    down = [0.0 if end is None else max(0.0, value - end) for value, end in zip(values, none if low is None else low)]
    up = [0.0 if end is None else max(0.0, end - value) for value, end in zip(values, none if high is None else high)]
    return [down, up]
