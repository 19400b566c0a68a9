"""A chart as plain data: its points, their intervals, what shades its background. Who draws it is not its concern."""

from dataclasses import dataclass
from typing import Optional, Sequence, Tuple, Union

Coordinate = Union[float, int, str]
Number = Optional[float]

KINDS = ("points", "line", "steps", "bars")


@dataclass(frozen=True)
class Axis:
    """`title` with its unit in brackets. categories: in this order, where its coordinates are names."""

    title: str
    log: bool = False
    categories: Optional[Tuple[str, ...]] = None


@dataclass(frozen=True)
class Series:
    """Points of one kind (`KINDS`); x and y have one length. A y of None is a gap, never a zero.

    Of "steps" a value holds from its x to the next x. Points on an axis with categories have these as coordinates.
    x_low to y_high: the ends of intervals around the points, of the same length. hover: a text for each point, of one
    or more lines.
    family: series of one family share a colour. texts are plain: who draws them escapes them.
    """

    name: str
    kind: str
    x: Sequence[Coordinate]
    y: Sequence[Number]
    x_low: Optional[Sequence[Number]] = None
    x_high: Optional[Sequence[Number]] = None
    y_low: Optional[Sequence[Number]] = None
    y_high: Optional[Sequence[Number]] = None
    hover: Sequence[str] = ()
    family: Optional[str] = None
    dashed: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a series is one of {KINDS}, not '{self.kind}'")
        for name in ("y", "x_low", "x_high", "y_low", "y_high"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.x):
                raise ValueError(f"'{self.name}' has {len(self.x)} x and {len(values)} {name}")


@dataclass(frozen=True)
class Heat:
    """A matrix of values by named rows (from the top) and columns (from the left); None is a gap.

    marked: the name of a row and column that stand out, of which `mark` says what they are.
    """

    rows: Tuple[str, ...]
    columns: Tuple[str, ...]
    values: Sequence[Sequence[Number]]
    title: str  # of the colour scale, with its unit
    marked: Optional[str] = None
    mark: str = ""


@dataclass(frozen=True)
class Shade:
    """A stretch of the x axis with a name: a phase, a gap in the readings (`gap`)."""

    start: float
    end: float
    name: str
    gap: bool = False


@dataclass(frozen=True)
class Chart:
    """`key` names it in files and in the page; `notes` are whole sentences: provenance, scope, what was left out.

    stacked: bars of one x stand on one another, else beside one another. zoom: worth a slider along x.
    """

    key: str
    title: str
    x: Axis
    y: Axis
    series: Tuple[Series, ...] = ()
    heat: Optional[Heat] = None
    shades: Tuple[Shade, ...] = ()
    notes: Tuple[str, ...] = ()
    stacked: bool = False
    zoom: bool = False
