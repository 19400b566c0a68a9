"""A chart as plotly.js draws it: {"data", "layout"}, and its legend, which the page writes itself.

Texts of the legend are plain, since the page sets them as text. Colours of the theme (ink, grid) are the page's own:
only those of series are here.
"""

from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..charts.chart import Chart, Coordinate, Heat, Number, Series
from ..charts.palette import GAP_COLOUR, HEAT_COLOURS, Look, family_of, shade_colours
from .plotly_layout import layout_of
from .plotly_values import coordinate, faint, number, text

FEW_POINTS = 40  # up to which a line shows its points
MANY_POINTS = 400  # from which points are drawn small
MANY_SERIES = 12  # from which on the legend names families, and lines show no points
MANY_BARS = 60  # from which on no line parts them, since it would hide them
FILLS = ("", "-open", "-dot", "-open-dot")  # of the first, second, ... series of points in a family

Json = Dict[str, Any]


def figure(chart: Chart, looks: Mapping[str, Look]) -> Json:
    """`looks`: of every family in the chart. A trace of a series has its number as meta.series; a band has none.

    names: of the series, plain. legend: for each entry its name (plain), kind, colour, symbol, whether dashed, and the
    traces that it switches; of many series an entry stands for a family.
    """
    drawn = [trace for at, series in enumerate(chart.series) for trace in _traces(chart, series, looks, at)]
    # What lies flat comes first, points last: they are what one looks for.
    drawn.sort(key=lambda numbered: (_layer(chart.series[numbered[0]], numbered[1]), numbered[0]))
    heat = [] if chart.heat is None else [_heat(chart.heat)]
    colours = shade_colours(chart)
    return {
        "data": [*heat, *(trace for _, trace in drawn)],
        "layout": layout_of(chart, colours),
        "names": [series.name for series in chart.series],
        "legend": _legend(chart, looks, [None] * len(heat) + [at for at, _ in drawn], colours),
    }


def _legend(
    chart: Chart, looks: Mapping[str, Look], series_of: Sequence[Optional[int]], shades: Mapping[str, str]
) -> List[Json]:
    """`series_of`: the number of the series that each trace belongs to, None for one of a heat map."""
    entries: Dict[str, Json] = {}
    for at, series in enumerate(chart.series):
        family = family_of(series)
        name = series.name if len(chart.series) <= MANY_SERIES else family
        symbol = looks[family].symbol + _fill(chart, at)
        entry = {"name": name, "kind": series.kind, "colour": looks[family].colour, "dashed": series.dashed}
        own = [trace for trace, of in enumerate(series_of) if of == at]
        entries.setdefault(name, {**entry, "symbol": symbol, "traces": []})["traces"] += own
    kinds = {name: ("shade", colour) for name, colour in shades.items()}
    kinds.update({shade.name: ("gap", GAP_COLOUR) for shade in chart.shades if shade.gap})
    others = [
        {"name": name, "kind": kind, "colour": colour, "dashed": False, "symbol": "", "traces": []}
        for name, (kind, colour) in kinds.items()
    ]
    return [*entries.values(), *others]


def _traces(chart: Chart, series: Series, looks: Mapping[str, Look], at: int) -> List[Tuple[int, Json]]:
    look = looks[family_of(series)]
    return [(at, trace) for trace in (*_band(series, look), _trace(chart, series, look, at))]


def _layer(series: Series, trace: Json) -> int:
    return 0 if "meta" not in trace else {"bars": 1, "points": 3}.get(series.kind, 2)


def _fill(chart: Chart, at: int) -> str:
    """How the symbols of a series of points differ from those of others in its family, as plotly says it."""
    family = family_of(chart.series[at])
    before = [s for s in chart.series[:at] if s.kind == "points" and family_of(s) == family]
    return FILLS[len(before) % len(FILLS)] if chart.series[at].kind == "points" else ""


def _trace(chart: Chart, series: Series, look: Look, at: int) -> Json:
    trace: Json = {
        "name": text(series.name),
        "x": [coordinate(x) for x in series.x],
        "y": [number(y) for y in series.y],
        "meta": {"series": at},
        **_hover(chart, series),
        **_intervals(series, look),
    }
    if series.kind == "bars":
        marker: Json = {"color": look.colour}
        if len(series.x) > MANY_BARS:
            marker["line"] = {"width": 0}
        if series.dashed:
            marker["pattern"] = {"shape": "/", "fillmode": "overlay", "solidity": 0.25}
        return {**trace, "type": "bar", "marker": marker}
    few = len(series.x) <= FEW_POINTS
    if series.kind == "points":
        marker = {"color": look.colour, "symbol": look.symbol + _fill(chart, at), "size": _size(series)}
        return {**trace, "type": "scatter", "mode": "markers", "marker": marker}
    line: Json = {"color": look.colour, "width": 2, "shape": "hv" if series.kind == "steps" else "linear"}
    if series.dashed:
        line["dash"] = "dash"
    # A point between two gaps has no line: alone it would not be seen.
    shown = few and not series.dashed and series.kind == "line" and len(chart.series) <= MANY_SERIES
    marked = shown or _lonely(series.y)
    marker = {"color": look.colour, "symbol": look.symbol, "size": 6 if few else 3}
    return {**trace, "type": "scatter", "mode": "lines+markers" if marked else "lines", "line": line, "marker": marker}


def _size(series: Series) -> int:
    return 10 if len(series.x) <= MANY_POINTS else 5


def _lonely(values: Sequence[Number]) -> bool:
    """Whether some value has a gap, or nothing, on either side."""
    padded = [None, *values, None]
    return any(
        before is None and at is not None and after is None for before, at, after in zip(padded, padded[1:], padded[2:])
    )


def _hover(chart: Chart, series: Series) -> Json:
    if series.hover:
        return {"hovertext": [text(hover) for hover in series.hover], "hovertemplate": "%{hovertext}<extra></extra>"}
    y = _template("y", series.y)
    lines = [f"<b>{_untemplated(series.name)}</b>", f"{_untemplated(chart.x.title)}: {_template('x', series.x)}"]
    return {"hovertemplate": "<br>".join([*lines, f"{_untemplated(chart.y.title)}: {y}"]) + "<extra></extra>"}


def _untemplated(plain: str) -> str:
    """A text inside a template, in which no figure is put."""
    return text(plain).replace("%{", "%&#123;")


def _template(name: str, values: Iterable[Optional[Coordinate]]) -> str:
    sizes = [abs(value) for value in values if isinstance(value, (int, float)) and value]
    if not sizes:
        return f"%{{{name}}}"
    extreme = max(sizes) >= 1e6 or max(sizes) < 1e-3
    return f"%{{{name}:.4~s}}" if extreme else f"%{{{name}:,.5~r}}"


def _intervals(series: Series, look: Look) -> Json:
    """Error bars, but for the y of lines, which have a band."""
    bars: Json = {}
    if series.kind in ("points", "bars"):
        bars["error_y"] = _error_bar(series.y, series.y_low, series.y_high, look, series.kind)
    if series.kind == "points":
        bars["error_x"] = _error_bar(series.x, series.x_low, series.x_high, look, series.kind)
    return {name: bar for name, bar in bars.items() if bar is not None}


def _error_bar(
    values: Sequence[Optional[Coordinate]],
    low: Optional[Sequence[Number]],
    high: Optional[Sequence[Number]],
    look: Look,
    kind: str,
) -> Optional[Json]:
    if low is None and high is None:
        return None
    down = [_distance(a, b) for a, b in zip(low if low is not None else [None] * len(values), values)]
    up = [_distance(a, b) for a, b in zip(values, high if high is not None else [None] * len(values))]
    # Lengths, not ends; where an end is not known there is no bar on that side.
    bar = {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1.25, "width": 3}
    return bar if kind == "bars" else {**bar, "color": faint(look.colour, 0.5)}


def _distance(low: Optional[Coordinate], high: Optional[Coordinate]) -> Optional[float]:
    if low is None or high is None or isinstance(low, str) or isinstance(high, str):
        return None
    length = number(high - low)
    return None if length is None else max(0, length)


def _band(series: Series, look: Look) -> List[Json]:
    """What lies between the ends of a line's intervals: closed stretches with gaps between them."""
    if series.kind not in ("line", "steps") or series.y_low is None or series.y_high is None:
        return []
    xs: List[Optional[Coordinate]] = []
    ys: List[Number] = []
    ahead: List[Any] = []
    for x, low, high in [*zip(series.x, series.y_low, series.y_high), (0, None, None)]:
        if low is not None and high is not None:
            ahead.append((x, low, high))
        elif ahead:
            xs += [x for x, _, _ in ahead] + [x for x, _, _ in reversed(ahead)] + [None]
            ys += [low for _, low, _ in ahead] + [high for _, _, high in reversed(ahead)] + [None]
            ahead = []
    fill = {"fill": "toself", "fillcolor": faint(look.colour, 0.18), "line": {"width": 0}, "mode": "lines"}
    points = {"x": [None if x is None else coordinate(x) for x in xs], "y": [number(y) for y in ys]}
    return [{"type": "scatter", "name": text(series.name), "hoverinfo": "skip", **fill, **points}] if xs else []


def _heat(heat: Heat) -> Json:
    hover = f"%{{y}}<br>%{{x}}<br>{_untemplated(heat.title)}: %{{z:.4~g}}<extra></extra>"
    return {
        "type": "heatmap",
        "x": [text(name) for name in heat.columns],
        "y": [text(name) for name in heat.rows],
        "z": [[number(value) for value in row] for row in heat.values],
        "colorscale": HEAT_COLOURS,
        "colorbar": {"title": {"text": text(heat.title), "side": "right"}, "thickness": 14, "outlinewidth": 0},
        "hoverongaps": False,
        "hovertemplate": hover,
        "meta": {"heat": True},
    }
