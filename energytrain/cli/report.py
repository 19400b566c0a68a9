"""`energytrain report RUN...`: what runs cost and bought, as tables, figures and one page."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

import click

if TYPE_CHECKING:
    from ..errors import EnergytrainError
    from ..reports.source import Source
    from ..reports.tables.sheet import Sheet

# As in reports.tables, which is not imported for --help.
FORMS = ("runs", "table2", "table3", "phases", "layers")
FORMATS = ("terminal", "markdown", "csv", "json", "latex", "html")
SUFFIXES = {".md": "markdown", ".csv": "csv", ".json": "json", ".tex": "latex", ".html": "html", ".txt": "terminal"}


@click.command(help="Tables, figures and a page of one or more runs: RUN is a run folder, or a folder of runs.")
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--runs-dir", default="runs", show_default=True, help="Where runs named without a path lie.")
@click.option("--recompute", is_flag=True, help="Compute again from marks and traces, whatever is cached.")
@click.option(
    "--form",
    type=click.Choice(FORMS),
    help="A row a run, a phase or a layer; or the form of Table 2 or 3 of the Early-Bird paper.",
)
@click.option("--format", "format_", type=click.Choice(FORMATS), help="How the form is written. Default: terminal.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the form to a file; its name tells the format.")
@click.option("--published", is_flag=True, help="Set the paper's own cells beside ours (table2, table3).")
@click.option(
    "--margin",
    type=click.FloatRange(min=0, min_open=True),
    metavar="POINTS",
    help="Points of accuracy that do not matter: within them methods are judged the same (table2, table3, --compare).",
)
@click.option(
    "--target-accuracy",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Count energy to this accuracy (runs). Default: what all finished runs on a data set have.",
)
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write one page with charts and tables.")
@click.option("--figures", type=click.Path(path_type=Path), metavar="DIR", help="Write the charts as PNG and SVG.")
@click.option("--details", multiple=True, metavar="RUN", help="Runs with details of their own in --html. Default: 20.")
@click.option(
    "--compare",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="A B",
    help="What changed between two runs, or between two folders of runs.",
)
@click.option(
    "--bill",
    type=click.Choice(["as-run", "eb-paper", "own-paper"]),
    default="as-run",
    show_default=True,
    help="Show FLOPs as run, or as the Early-Bird paper or the method's own paper would count them.",
)
@click.option(
    "--distances", is_flag=True, help="Mask distances instead: between a search's epochs, or between runs' tickets."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(
    runs: Tuple[Path, ...],
    runs_dir: str,
    recompute: bool,
    form: Optional[str],
    format_: Optional[str],
    output: Optional[Path],
    published: bool,
    margin: Optional[float],
    target_accuracy: Optional[float],
    html: Optional[Path],
    figures: Optional[Path],
    details: Tuple[str, ...],
    compare: Optional[Tuple[Path, Path]],
    bill: str,
    distances: bool,
    as_json: bool,
    debug: bool,
) -> Optional[int]:
    from ..errors import UsageError
    from ..reports.tables.forms import Options, sheets
    from ..runs.find import find_runs
    from .console import say_skipped

    written_as = _format(form, format_, output, as_json, compare is not None)
    _refuse(form, written_as, published, None if compare else margin, target_accuracy, bill, distances, details, html)
    if compare:
        if runs or form or html or figures or distances:
            raise UsageError("--compare names both sides itself and is a report of its own.", "Leave out the rest.")
        return _compare(compare, Path(runs_dir), recompute, margin, written_as, output)
    folders = find_runs(runs or (Path(runs_dir),), Path(runs_dir))
    if not folders:
        hint = f"Start one with 'energytrain run', or name a folder other than '{runs_dir}'."
        raise UsageError("there is no run to report on.", hint)
    if distances:
        _distances(folders, as_json)
        return None
    sources, skipped = _read(folders, recompute)
    if html or figures:
        _files(sources, skipped, html, figures, details or None)
    if form or written_as:
        options = Options(published, margin, target_accuracy)
        _show(sheets(sources, form or "runs", options), written_as or "terminal", output)
    elif as_json or not (html or figures):
        _default(sources, bill, as_json)
    say_skipped(skipped)
    return 5 if skipped else None


def _format(
    form: Optional[str], format_: Optional[str], output: Optional[Path], as_json: bool, compare: bool
) -> Optional[str]:
    """The format that is asked for, None where none is."""
    from ..errors import UsageError

    asked = format_ or ("json" if as_json and (form or compare or output) else None)
    if output is not None and asked is None:
        asked = SUFFIXES.get(output.suffix.lower())
        if asked is None:
            raise UsageError(
                f"the name of '{output}' does not tell a format.",
                f"Let it end in {', '.join(SUFFIXES)}, or give --format.",
            )
    if as_json and format_ not in (None, "json"):
        raise UsageError(f"--json and --format {format_} ask for two formats.", "Leave one out.")
    return asked


def _refuse(
    form: Optional[str],
    written_as: Optional[str],
    published: bool,
    margin: Optional[float],
    target: Optional[float],
    bill: str,
    distances: bool,
    details: Sequence[str],
    html: Optional[Path],
) -> None:
    """An option that would have no effect is a mistake."""
    from ..errors import UsageError

    shown = form or ("runs" if written_as else None)
    for given, name, forms in (
        (published, "--published", ("table2", "table3")),
        (margin is not None, "--margin", ("table2", "table3")),
        (target is not None, "--target-accuracy", ("runs",)),
    ):
        if given and shown not in forms:
            raise UsageError(f"{name} has no effect here.", f"Give --form {' or --form '.join(forms)} with it.")
    if bill != "as-run" and shown is not None:
        raise UsageError("--bill is of the plain report.", "Leave out --form, --format and --output.")
    if distances and (shown is not None or html):
        raise UsageError("--distances is a report of its own.", "Leave out the other forms.")
    if details and html is None:
        raise UsageError("--details is of the page.", "Give --html FILE with it.")


def _read(folders: Sequence[Path], recompute: bool) -> "Tuple[List[Source], List[Tuple[Path, EnergytrainError]]]":
    """The runs, and what was skipped; where one run alone was asked for and cannot be read, its error."""
    from ..reports.source import read_sources

    sources, skipped = read_sources(folders, recompute)
    if len(folders) == 1 and skipped:
        raise skipped[0][1]
    return sources, skipped


def _files(
    sources: "Sequence[Source]",
    skipped: "Sequence[Tuple[Path, EnergytrainError]]",
    html: Optional[Path],
    figures: Optional[Path],
    details: Optional[Sequence[str]],
) -> None:
    """The page and the pictures; where they lie is said on standard error."""
    if html is not None:
        from ..reports.page.page import write_page

        write_page(sources, skipped, html, details)
        click.echo(f"page: {html}", err=True)
    if figures is not None:
        from ..reports.stills.pictures import write_pictures

        found = write_pictures(sources, figures)
        click.echo(f"figures: {len(found)} files in {figures}", err=True)


def _show(found: "Sequence[Sheet]", written_as: str, output: Optional[Path]) -> None:
    """Sheets on standard output, as wide as the terminal is; in a file or a pipe as wide as they are."""
    from ..reports.tables.written import notes_apart, written
    from .console import console

    if output is not None:
        from ..atomic import write_bytes

        write_bytes(output, written(found, written_as).encode())
    elif written_as == "terminal" and console().is_terminal:
        from ..reports.tables.as_terminal import as_terminal

        for number, sheet in enumerate(found):
            console().print(*[""] * bool(number), as_terminal(sheet, console().width), sep="\n")
    else:
        click.echo(written(found, written_as), nl=False)
    for note in notes_apart(found, written_as):
        click.echo(f"note: {note}", err=True)


def _compare(
    sides: Tuple[Path, Path],
    runs_dir: Path,
    recompute: bool,
    margin: Optional[float],
    written_as: Optional[str],
    output: Optional[Path],
) -> Optional[int]:
    from ..errors import UsageError
    from ..reports.comparing.compare import compare
    from ..runs.find import find_runs
    from .console import say_skipped

    read = []
    for side in sides:
        folders = find_runs((side,), runs_dir)
        if not folders:
            raise UsageError(f"there is no run in '{side}'.", "Name a run folder, or a folder of runs.")
        read.append(_read(folders, recompute))
    (first, skipped), (second, more) = read
    _show(compare(first, second, margin), written_as or "terminal", output)
    say_skipped([*skipped, *more])
    return 5 if skipped or more else None


def _distances(folders: Sequence[Path], as_json: bool) -> None:
    from ..reports.mask_distances import distance_table, mask_distances
    from .console import console

    found = mask_distances(folders)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        console().print(distance_table(found, console().width))


def _default(sources: "Sequence[Source]", bill: str, as_json: bool) -> None:
    """One run in full, several side by side; with --json their results."""
    from ..reports.bills import bill_lines, with_bill
    from ..reports.comparing.differences import differences
    from ..reports.tables.comparison_form import comparison_sheet
    from ..reports.terminal.run_table import render_run
    from .console import console, show_table

    results = [dict(source.result) for source in sources]
    if as_json:
        click.echo(json.dumps(results if bill == "as-run" else [with_bill(r, bill) for r in results], indent=1))
    elif len(results) == 1:
        console().print(render_run(results[0]))
    elif results:
        show_table(comparison_sheet(results, bill))
    if results and bill != "as-run" and not as_json:
        for line in bill_lines(results, bill):
            console().print(line, markup=False, highlight=False)
    for sentence in differences(results):
        console(stderr=as_json).print(f"warning: {sentence}", style="yellow", markup=False)
