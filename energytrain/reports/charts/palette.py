"""The colours and symbols of families of series, alike in the page and in the stills.

The first six colours are those of Okabe and Ito ("Color Universal Design", 2008) without yellow and black, which
vanish on a white or on a dark ground. Any two of the eight stay apart (CIE76 difference of 14 at least) for
protanopia, deuteranopia and tritanopia (Machado et al., 2009, severity 1).
"""

from dataclasses import dataclass
from typing import Dict, Iterable

from .chart import Chart, Series

GREY = "#6F7680"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", GREY, "#8C510A")
# Seven, so that where colours come round again the symbol is another one.
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "star")
GAP_COLOUR = "#7F7F7F"  # of what shades a stretch without readings
NEUTRAL = {"Pareto front": "#7F7F7F"}  # families that are no method, phase or network
HEAT_COLOURS = "Cividis"  # from dark to light evenly, also without seeing red or green


@dataclass(frozen=True)
class Look:
    """How a series is drawn; `symbol` by plotly's names."""

    colour: str
    symbol: str


def family_of(series: Series) -> str:
    return series.name if series.family is None else series.family


def looks(charts: Iterable[Chart]) -> Dict[str, Look]:
    """The look of every family, the same in all `charts`, which are shown together.

    In each chart a new family takes the first place in the palette that is free there, so that in a chart of few
    families these have the first colours.
    """
    places: Dict[str, int] = {}
    for chart in charts:
        families = [family for family in dict.fromkeys(map(family_of, chart.series)) if family not in NEUTRAL]
        taken = {places[family] for family in families if family in places}
        for family in families:
            if family not in places:
                places[family] = next(place for place in range(len(families)) if place not in taken)
                taken.add(places[family])
    found = {family: Look(colour, SYMBOLS[0]) for family, colour in NEUTRAL.items()}
    for family, place in places.items():
        found[family] = Look(COLOURS[place % len(COLOURS)], SYMBOLS[place % len(SYMBOLS)])
    return found


def shade_colours(chart: Chart) -> Dict[str, str]:
    """The colour of every name that shades the background of `chart`, gaps apart, in the order of the stretches."""
    names = dict.fromkeys(shade.name for shade in chart.shades if not shade.gap)
    # From the other end than the series', whose lines lie over them, and without the grey of gaps.
    colours = [colour for colour in reversed(COLOURS) if colour != GREY]
    return {name: colours[at % len(colours)] for at, name in enumerate(names)}
