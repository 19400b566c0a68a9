"""One HTML page of runs in one file: the overview, the bill, single runs, and what was skipped.

The file needs nothing beside it: plotly.js, the style and the script are in it. Its content security policy names the
scripts by their hashes and allows no request, so that what a run's name holds can neither run nor send. The same runs
give the same file.
"""

import base64
import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ... import __version__
from ...atomic import write_bytes
from ...errors import EnergytrainError, UsageError, unknown
from ...runs.folder import RunFolder
from ..charts.catalog import details, overview
from ..charts.chart import Chart
from ..charts.palette import Look, looks
from ..source import Source
from ..tables.forms import sheets
from ..tables.sheet import Sheet
from .plotly_chart import figure
from .plotly_layout import height, names_along
from .run_details import RunDetails, run_details
from .shown_tables import ShownTable, shown_table
from .words import WORDS

LIMIT_BYTES = 8_000_000
SINGLE_RUNS = 20
WIDE_FROM = 14  # names along x, from which a chart has the page's whole width
SCRIPTS = ("library.js", "charts.js", "chart_data.js", "tables.js", "page.js")
TITLE = "Energy against accuracy"

Skipped = Sequence[Tuple[Path, EnergytrainError]]


@dataclass(frozen=True)
class DrawnChart:
    """A chart as the template needs it; `json` is what the page's script draws."""

    id: str
    key: str
    title: str
    label: str
    notes: Tuple[str, ...]
    height: int
    wide: bool
    level: int
    json: Any


@dataclass(frozen=True)
class SingleRun:
    id: str
    label: str
    told: RunDetails
    charts: Tuple[DrawnChart, ...]
    tables: Tuple[ShownTable, ...]


def write_page(sources: Sequence[Source], skipped: Skipped, path: Path, chosen: Optional[Sequence[str]] = None) -> None:
    """Write the page of `sources` to `path`, at most 8 MB. `chosen`: labels of the runs with their details, 20 at most.

    Without `chosen` these are the first 20. Where the file would be too large, the last of them go without: a note in
    the page names them. UsageError where plotly or jinja2 is not installed, a label is not known, `path` cannot be
    written, or nothing fits.
    """
    template, plotly = _template(), _plotly_js()
    packed = base64.b64encode(gzip.compress(plotly.encode(), mtime=0)).decode()
    singles = _chosen(sources, chosen)
    runs = [_single_run(source, f"run-{at}") for at, source in enumerate(singles, 1)]
    # The phases of a thousand runs would be most of the file, and of its work.
    overviews, found = _overview(sources), [*sheets(sources, "runs"), *sheets(singles, "phases")]
    while True:
        page = {
            **overviews,
            **_tables(sources, found, runs),
            "skipped": [(str(folder), str(why)) for folder, why in skipped],
        }
        data = _rendered(template, page, plotly, packed).encode()
        if len(data) <= LIMIT_BYTES:
            break
        if not runs:
            words = f"the page of {len(sources)} runs would have {len(data) / 1e6:.1f} MB"
            raise UsageError(f"{words}, more than {LIMIT_BYTES / 1e6:g}.", "Name fewer runs.")
        runs.pop()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, data)
    except OSError as error:
        raise UsageError(f"cannot write '{path}': {error.strerror or error}.", "Name another file.") from error


def _chosen(sources: Sequence[Source], chosen: Optional[Sequence[str]]) -> List[Source]:
    if chosen is None:
        return list(sources[:SINGLE_RUNS])
    by_label = {source.label: source for source in sources}
    for label in chosen:
        if label not in by_label:
            raise unknown("run", label, by_label)
    return [by_label[label] for label in dict.fromkeys(chosen)][:SINGLE_RUNS]


def _overview(sources: Sequence[Source]) -> Dict[str, Any]:
    """What stands above the tables."""
    shown = overview(sources)
    found = looks(shown)
    charts = [_drawn(chart, f"chart-{at}", found, 3, first=at == 1) for at, chart in enumerate(shown, 1)]
    return {"about": _about(sources), "standing": _standing(sources), "overview": charts}


def _about(sources: Sequence[Source]) -> List[str]:
    words = [f"{len(sources)} run{'s' * (len(sources) != 1)}"]
    for name in ("model", "dataset"):
        words.append(", ".join(sorted({str(source.result["spec"][name]) for source in sources})))
    started = [moment for moment in map(_newest, sources) if moment is not None]
    return [*filter(None, words), *([f"newest run of {max(started)[:10]}"] if started else [])]


def _newest(source: Source) -> Optional[str]:
    """When the last attempt began (ISO 8601, UTC), as its run.json says."""
    attempts = RunFolder.open(source.path).read()["attempts"]
    return str(attempts[-1]["started"]) if attempts and attempts[-1].get("started") else None


def _standing(sources: Sequence[Source]) -> List[Dict[str, str]]:
    """Where the energies of these runs come from: what is of different provenance is not to be read as one."""
    kinds: Dict[str, int] = {}
    for source in sources:
        result = source.result
        device = result["device"]["name"]
        what = f"measured on {device}" if result["headline"] == "measured" else f"modelled for {device}"
        if result["useful"]["energy"]["joules"] is None:
            what = f"missing ({device})"
        elif result.get("what_if") is not None:
            what = f"what-if, {what}"
        kinds[what] = kinds.get(what, 0) + 1
    return [{"what": f"Energy {what}", "runs": f"{count} run{'s' * (count != 1)}"} for what, count in kinds.items()]


def _single_run(source: Source, id: str) -> SingleRun:
    shown, told = details(source), run_details(source)
    found = looks(shown)
    charts = [_drawn(chart, f"{id}-chart-{at}", found, 4, first=False) for at, chart in enumerate(shown, 1)]
    tables = [shown_table(sheet, f"{id}-{sheet.key}", {}) for sheet in told.tables]
    return SingleRun(id, source.label, told, tuple(charts), tuple(tables))


def _drawn(chart: Chart, id: str, found: Mapping[str, Look], level: int, first: bool) -> DrawnChart:
    label = f"{chart.title}: {chart.y.title} against {chart.x.title}. The same data stand below as a table."
    wide = first or chart.zoom or (chart.heat is None and len(names_along(chart)) >= WIDE_FROM)
    json = embedded(figure(chart, found))
    return DrawnChart(id, chart.key, chart.title, label, tuple(chart.notes), height(chart), wide, level, json)


def embedded(data: Any) -> Any:
    """JSON that can stand inside a script element, marked as safe for the template."""
    from markupsafe import Markup

    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c"))


def _tables(sources: Sequence[Source], found: Sequence[Sheet], runs: Sequence[SingleRun]) -> Dict[str, Any]:
    """The tables of all runs, with links to the details that there are, and what is said of those left out."""
    links = {run.label: run.id for run in runs}
    left = [source.label for source in sources if source.label not in links]
    notes = []
    if left:
        more = len(left) - SINGLE_RUNS
        names = ", ".join(left[:SINGLE_RUNS]) + (f" and {more} more" if more > 0 else "")
        notes.append(
            f"Phases and details of {len(links)} of {len(sources)} runs; what is above has all. Left out: {names}."
        )
    tables = [shown_table(sheet, f"table-{sheet.key}", links) for sheet in found]
    return {"tables": tables, "runs": runs, "run_notes": notes}


def _rendered(template: Any, page: Mapping[str, Any], plotly: str, packed: str) -> str:
    from markupsafe import Markup

    # One block, so that none of its names is the window's.
    script = '"use strict";\n{\n' + "\n".join(_own(name) for name in SCRIPTS) + "}\n"
    return str(
        template.render(
            **page,
            title=TITLE,
            words=WORDS,
            version=__version__,
            policy=_policy([plotly, script]),
            style=Markup(_own("style.css")),
            script=Markup(script),
            plotly=Markup(packed),
        )
    )


def _policy(scripts: Sequence[str]) -> str:
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _own(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _template() -> Any:
    try:
        import jinja2
    except ImportError as error:
        raise _not_installed("jinja2") from error
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(_own("page.html.j2"))


def _plotly_js() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise _not_installed("plotly") from error
    return str(get_plotlyjs())


def _not_installed(package: str) -> UsageError:
    return UsageError(
        f"the page needs the Python package {package}, which is not installed.",
        "Run pip install 'energytrain[figures]'.",
    )
