"""Charts as the page's template needs them: what plotly draws of each, its room in the grid, its notes.

The grid has two columns on a wide screen. A note that stood below an earlier chart of the same part is folded.
"""

import json
from dataclasses import dataclass
from typing import Any, List, Sequence, Set, Tuple

from ..charts.chart import Chart
from ..charts.palette import looks
from .plotly_chart import figure
from .plotly_layout import height, names_along

NAMES = 14  # along x, from which a chart is wide
ENTRIES = 9  # of its legend, from which a chart is wide


@dataclass(frozen=True)
class DrawnChart:
    """`json` is what the page's script draws; `again`: notes that an earlier chart has too; `wide`: in both columns."""

    id: str
    key: str
    title: str
    label: str
    notes: Tuple[str, ...]
    again: Tuple[str, ...]
    height: int
    wide: bool
    level: int
    json: Any


def drawn_charts(charts: Sequence[Chart], id: str, level: int, opens: bool = False) -> List[DrawnChart]:
    """`id`: what the charts' own ids begin with; level: of their headings; opens: whether the first is to be wide."""
    found = looks(charts)
    figures = [figure(chart, found) for chart in charts]
    wide = _without_gaps([_wide(*both) or (opens and at == 0) for at, both in enumerate(zip(charts, figures))], charts)
    said: Set[str] = set()
    drawn = []
    for at, chart in enumerate(charts):
        label = f"{chart.title}: {chart.y.title} against {chart.x.title}. The same data stand below as a table."
        drawn.append(
            DrawnChart(
                f"{id}-{at + 1}",
                chart.key,
                chart.title,
                label,
                tuple(note for note in chart.notes if note not in said),
                tuple(note for note in chart.notes if note in said),
                height(chart),
                wide[at],
                level,
                embedded(figures[at]),
            )
        )
        said.update(chart.notes)
    return drawn


def _wide(chart: Chart, drawn: Any) -> bool:
    if chart.heat is not None:
        return False
    return chart.zoom or len(names_along(chart)) >= NAMES or len(drawn["legend"]) >= ENTRIES


def _without_gaps(wide: Sequence[bool], charts: Sequence[Chart]) -> List[bool]:
    """`wide`, where of an odd number of narrow charts in a row one more is wide, so that none stands alone."""
    found = list(wide)
    start = 0
    while start < len(found):
        end = next((at for at in range(start, len(found)) if wide[at]), len(found))
        # One that leaves an even number of narrow ones on either side.
        places = [at for at in range(start, end, 2) if charts[at].heat is None]
        if (end - start) % 2 and places:
            # Lines gain most by the room, bars of a few runs least.
            lines = [at for at in places if any(series.kind == "line" for series in charts[at].series)]
            found[(lines or places)[0]] = True
        start = end + 1
    return found


def embedded(data: Any) -> Any:
    """JSON that can stand inside a script element, marked as safe for the template."""
    from markupsafe import Markup

    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c"))
