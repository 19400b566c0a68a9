"""One HTML page of runs in one file: the overview, the bill, single runs, and what was skipped.

The file needs nothing beside it: plotly.js, the style and the script are in it. Its content security policy names the
scripts by their hashes and allows no request, so that what a run's name holds can neither run nor send. The same runs
give the same file.
"""

import base64
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ... import __version__
from ...atomic import write_bytes
from ...errors import EnergytrainError, UsageError
from ..charts.catalog import details, overview
from ..source import Source, detailed, without_details
from ..tables.forms import sheets
from ..tables.sheet import Sheet
from .drawn_charts import DrawnChart, drawn_charts
from .heading import heading
from .run_details import RunDetails, run_details
from .shown_tables import ShownTable, shown_table
from .words import WORDS, methods_met

LIMIT_BYTES = 8_000_000
SCRIPTS = ("library.js", "charts.js", "chart_data.js", "tables.js", "page.js")

Skipped = Sequence[Tuple[Path, EnergytrainError]]


@dataclass(frozen=True)
class SingleRun:
    id: str
    label: str
    told: RunDetails
    charts: Tuple[DrawnChart, ...]
    tables: Tuple[ShownTable, ...]


def write_page(
    sources: Sequence[Source], skipped: Skipped, path: Path, chosen: Optional[Sequence[Source]] = None
) -> List[str]:
    """Write the page of `sources` to `path`, at most 8 MB; the labels of the runs with details of their own in it.

    These are the `chosen` ones (`source.detailed` without it). Where the file would be too large, the last of them go
    without: a note in the page names them. UsageError where plotly or jinja2 is not installed, `path` cannot be
    written, or nothing fits.
    """
    template, plotly = _template(), _plotly_js()
    packed = base64.b64encode(gzip.compress(plotly.encode(), mtime=0)).decode()
    singles = detailed(sources) if chosen is None else list(chosen)
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
    return [run.label for run in runs]


def _overview(sources: Sequence[Source]) -> Dict[str, Any]:
    """What stands above the tables."""
    return {
        "heading": heading(sources),
        "overview": drawn_charts(overview(sources), "chart", 3, opens=True),
        "methods": methods_met([str(source.result["spec"]["method"]) for source in sources]),
    }


def _single_run(source: Source, id: str) -> SingleRun:
    told = run_details(source)
    tables = [shown_table(sheet, f"{id}-{sheet.key}", {}) for sheet in told.tables]
    return SingleRun(id, source.label, told, tuple(drawn_charts(details(source), f"{id}-chart", 4)), tuple(tables))


def _tables(sources: Sequence[Source], found: Sequence[Sheet], runs: Sequence[SingleRun]) -> Dict[str, Any]:
    """The tables of all runs, with links to the details that there are, and what is said of those left out."""
    links = {run.label: run.id for run in runs}
    notes = [
        f"{note} All charts and tables above but the phases have all runs." for note in without_details(sources, links)
    ]
    tables = [shown_table(sheet, f"table-{sheet.key}", links) for sheet in found if sheet.rows]
    return {"tables": tables, "runs": runs, "run_notes": notes}


def _rendered(template: Any, page: Mapping[str, Any], plotly: str, packed: str) -> str:
    from markupsafe import Markup

    # One block, so that none of its names is the window's.
    script = '"use strict";\n{\n' + "\n".join(_own(name) for name in SCRIPTS) + "}\n"
    return str(
        template.render(
            **page,
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
