"""One chart as a matplotlib figure: page-wide, light, its notes below it.

Categories stand on the vertical axis, where long names can be read. Nothing here touches pyplot or the user's own
matplotlib settings; `drawn_with` holds the settings while a figure is made and saved.
"""

import math
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Mapping, Tuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ..charts.chart import Chart, Heat, Series
from ..charts.palette import GAP_COLOUR, HEAT_COLOURS, Look, family_of, shade_colours
from .marks import draw_series, legend_handle
from .text import short, tick, wrapped

WIDTH = 8.0  # inches
PLOT_HEIGHT = 4.0
ROW_HEIGHT = 0.26  # of a category
MOST_HEIGHT = 24.0
NOTE_SIZE, NOTE_LINE, NOTE_LETTERS = 7.0, 0.135, 146  # points, inches, letters a line
TITLE_LETTERS = 84
LEGEND_MOST = 12  # lines that are named each; of more only the families are
LABELS_MOST = 90  # names beside an axis
HEAT_LABELS = 16
INK, FAINT = "#222222", "#D9D9D9"

SETTINGS = {
    "text.parse_math": False,  # a name with two dollars is no formula
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 10.5,
    "axes.edgecolor": "#8A8A8A",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "energytrain",
    "path.simplify": True,
}


@contextmanager
def drawn_with() -> Iterator[None]:
    """These settings and no others, until the end of the block."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


def figure(chart: Chart, looks: Mapping[str, Look]) -> Figure:
    """`looks`: of every family in the chart. To be called, and the figure saved, inside `drawn_with`."""
    notes = [line for note in chart.notes for line in wrapped(note, NOTE_LETTERS)]
    title = wrapped(chart.title, TITLE_LETTERS)
    below = NOTE_LINE * len(notes) + 0.12
    height = _plot_height(chart) + 0.2 * len(title) + below
    made = Figure(figsize=(WIDTH, height), facecolor="white")
    made.set_layout_engine("constrained", rect=(0.005, below / height, 0.985, 1 - below / height))
    made.suptitle("\n".join(title), x=0.012, ha="left", fontsize=10.5, fontweight="bold")
    made.text(
        0.012,
        (below - 0.06) / height,
        "\n".join(notes),
        fontsize=NOTE_SIZE,
        color="#555555",
        va="top",
        linespacing=1.35,
    )
    axes = made.add_subplot()
    if chart.heat is not None:
        _draw_heat(made, axes, chart, chart.heat)
        return made
    flipped = chart.x.categories is not None
    _shade(axes, chart)
    draw_series(axes, chart, looks)
    _label_axes(axes, chart, flipped)
    _legend(axes, chart, looks)
    return made


def _plot_height(chart: Chart) -> float:
    if chart.heat is not None:
        return 6.2
    if chart.x.categories is None:
        return max(PLOT_HEIGHT, 0.19 * sum(series.kind != "line" for series in chart.series))
    beside = 1 if chart.stacked else max(1.0, 0.6 * len(chart.series))
    rows = ROW_HEIGHT * beside * len(chart.x.categories) + 0.9
    return min(MOST_HEIGHT, max(2.2, 0.19 * len(chart.series) + 0.7, rows))


def _label_axes(axes: Axes, chart: Chart, flipped: bool) -> None:
    along, across = (axes.yaxis, axes.xaxis) if flipped else (axes.xaxis, axes.yaxis)
    along.set_label_text(chart.x.title)
    across.set_label_text(chart.y.title)
    for axis, described in ((along, chart.x), (across, chart.y)):
        if described.categories is None:
            if described.log:
                axis.axes.set_xscale("log") if axis is axes.xaxis else axis.axes.set_yscale("log")
                few = _decades(axes, axis is axes.xaxis) <= 3
                axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=12))
                axis.set_minor_formatter(NullFormatter())
            elif axis is along and _whole(chart):
                axis.set_major_locator(MaxNLocator(integer=True))
            axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    if flipped:
        names = chart.x.categories or ()
        step = -(-len(names) // LABELS_MOST)
        axes.set_yticks(range(0, len(names), step), [short(name) for name in names[::step]])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        if not chart.y.log and any(series.kind == "bars" for series in chart.series):
            axes.set_xlim(left=0)


def _whole(chart: Chart) -> bool:
    """Whether the x of all series are whole numbers, such as epochs."""
    return all(float(x).is_integer() for series in chart.series for x in series.x)


def _decades(axes: Axes, horizontal: bool) -> float:
    low, high = axes.get_xlim() if horizontal else axes.get_ylim()
    return math.log10(high / low)


def _shade(axes: Axes, chart: Chart) -> None:
    colours = shade_colours(chart)
    for shade in chart.shades:
        if shade.gap:
            axes.axvspan(shade.start, shade.end, facecolor="white", edgecolor=GAP_COLOUR, hatch="////", lw=0, alpha=0.9)
        else:
            axes.axvspan(shade.start, shade.end, color=colours[shade.name], alpha=0.16, lw=0)


def _legend(axes: Axes, chart: Chart, looks: Mapping[str, Look]) -> None:
    handles: List[Tuple[Any, str]] = []
    if len(chart.series) > LEGEND_MOST and all(series.kind == "line" for series in chart.series):
        by_family: Dict[str, Series] = {}
        for series in chart.series:
            by_family.setdefault(family_of(series), series)
        handles += [(legend_handle(chart, series, looks), name) for name, series in by_family.items()]
    else:
        handles += [(legend_handle(chart, series, looks), series.name) for series in chart.series]
    handles += [(Patch(color=colour, alpha=0.3, lw=0), name) for name, colour in shade_colours(chart).items()]
    for name in dict.fromkeys(shade.name for shade in chart.shades if shade.gap):
        handles.append((Patch(facecolor="white", edgecolor=GAP_COLOUR, hatch="////", lw=0), name))
    axes.legend(
        [handle for handle, _ in handles],
        [short(name) for _, name in handles],
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0.0,
        handlelength=1.8,
    )


def _draw_heat(made: Figure, axes: Axes, chart: Chart, heat: Heat) -> None:
    values = [[float("nan") if value is None else value for value in row] for row in heat.values]
    colours = matplotlib.colormaps[HEAT_COLOURS.lower()].with_extremes(bad=FAINT)
    shown = axes.imshow(values, cmap=colours, vmin=0, interpolation="nearest", aspect="equal")
    axes.grid(visible=False)
    for axis, names, described in ((axes.xaxis, heat.columns, chart.x), (axes.yaxis, heat.rows, chart.y)):
        step = -(-len(names) // HEAT_LABELS)
        axis.set_major_locator(FixedLocator(list(range(0, len(names), step))))
        axis.set_ticklabels([short(name, 12) for name in names[::step]])
        axis.set_label_text(described.title)
    if heat.marked is not None:
        if heat.marked in heat.columns:
            axes.axvline(heat.columns.index(heat.marked), color="#D55E00", lw=1.3)
        if heat.marked in heat.rows:
            axes.axhline(heat.rows.index(heat.marked), color="#D55E00", lw=1.3)
        handle = Line2D([], [], color="#D55E00", lw=1.3)
        axes.legend([handle], [short(heat.mark, 60)], loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.3)
    made.colorbar(shown, ax=axes, label=heat.title, shrink=0.85, format=FuncFormatter(lambda value, _: tick(value)))
