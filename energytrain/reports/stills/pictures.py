"""Every chart of some runs as a PNG and an SVG file. The same runs give the same SVG, byte for byte."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Sequence, Set, Tuple

from ...errors import UsageError
from ..charts.catalog import details, overview
from ..charts.chart import Chart
from ..charts.palette import looks
from ..source import Source, detailed
from .text import LONG_FILE, file_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150


def write_pictures(sources: Sequence[Source], folder: Path, chosen: Optional[Sequence[Source]] = None) -> List[Path]:
    """The files that were written: the overview of `sources` by the charts' keys, then the charts of each of the
    `chosen` runs (`source.detailed` without it) by its label and their keys.

    Raises UsageError where matplotlib is not installed or `folder` cannot be written to.
    """
    draw, settings = _matplotlib()
    taken: Set[str] = set()
    written: List[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for group in _groups(sources, detailed(sources) if chosen is None else chosen):
            found = looks(chart for _, chart in group)
            for name, chart in group:
                with settings():
                    written += _save(draw(chart, found), folder / file_name(name, taken, 2 * LONG_FILE))
    except OSError as error:
        raise UsageError(f"cannot write pictures to '{folder}': {error.strerror or error}.") from error
    return written


def _groups(sources: Sequence[Source], chosen: Sequence[Source]) -> List[List[Tuple[str, Chart]]]:
    """The charts that share their colours, each with its name."""
    groups = [[(chart.key, chart) for chart in overview(sources)]]
    taken: Set[str] = set()
    for source in chosen:
        name = file_name(source.label, taken)
        groups.append([(f"{name}-{chart.key}", chart) for chart in details(source)])
    return groups


def _save(figure: "Figure", path: Path) -> List[Path]:
    png, svg = path.with_name(path.name + ".png"), path.with_name(path.name + ".svg")
    figure.savefig(png, dpi=DPI, metadata={"Software": None})
    figure.savefig(svg, metadata={"Date": None, "Creator": None})
    return [png, svg]


def _matplotlib() -> Tuple[Callable[..., "Figure"], Callable[[], Any]]:
    try:
        from .figure import drawn_with, figure
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "matplotlib":
            raise
        raise UsageError(
            "pictures need the Python package matplotlib, which is not installed.",
            "Run pip install 'energytrain[figures]'.",
        ) from error
    return figure, drawn_with
