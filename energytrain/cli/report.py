"""`energytrain report RUN...`: what runs cost and bought, as tables, figures and one page."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

import click

from .report_options import FORMATS, FORMS, format_asked_for, refuse
from .sheets import show_sheets

if TYPE_CHECKING:
    from ..errors import EnergytrainError
    from ..reports.source import Source


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
@click.option(
    "--details",
    multiple=True,
    metavar="RUN",
    help="A run that --html and --figures show by itself; may be given up to 20 times. Default: the first 20.",
)
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

    written_as = format_asked_for(form, format_, output, as_json, compare is not None)
    refuse(
        form,
        written_as,
        published,
        None if compare else margin,
        target_accuracy,
        bill,
        distances,
        details,
        html or figures,
    )
    if compare:
        if runs or form or html or figures or distances:
            raise UsageError("--compare names both sides itself and is a report of its own.", "Leave out the rest.")
        return _compare(compare, Path(runs_dir), recompute, margin, written_as, output)
    folders, empty = find_runs(runs or (Path(runs_dir),), Path(runs_dir)), _empty(runs, runs_dir)
    if not folders:
        hint = f"Start one with 'energytrain run', or name a folder other than '{runs_dir}'."
        raise UsageError("there is no run to report on.", hint)
    if distances:
        _distances(folders, as_json)
        return None
    sources, skipped = _read(folders, recompute)
    skipped = [*empty, *skipped]
    if html or figures:
        _files(sources, skipped, html, figures, details)
    if form or written_as:
        options = Options(published, margin, target_accuracy)
        show_sheets(sheets(sources, form or "runs", options), written_as or "terminal", output)
    elif as_json or not (html or figures):
        _default(sources, bill, as_json)
    say_skipped(skipped)
    return 5 if skipped else None


def _empty(names: Sequence[Path], runs_dir: str) -> "List[Tuple[Path, EnergytrainError]]":
    """The folders that were named and hold no run, each with that as the reason."""
    from ..errors import UsageError
    from ..runs.find import find_runs

    why = UsageError("no run lies in it.", "Name a run folder, or the folder that run folders lie in.")
    return [(name, why) for name in names if not find_runs((name,), Path(runs_dir))]


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
    details: Sequence[str],
) -> None:
    """The page and the pictures; where they lie, and what they leave out, is said on standard error."""
    from ..reports.source import detailed, without_details

    chosen = detailed(sources, details)
    told: List[str] = []
    if html is not None:
        from ..reports.page.page import write_page

        told += without_details(sources, write_page(sources, skipped, html, chosen))
        click.echo(f"page: {html}", err=True)
    if figures is not None:
        from ..reports.stills.pictures import write_pictures

        found = write_pictures(sources, figures, chosen)
        told += without_details(sources, (source.label for source in chosen))
        click.echo(f"figures: {len(found)} files in {figures}", err=True)
    for sentence in dict.fromkeys(told):
        click.echo(sentence, err=True)


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
    show_sheets(compare(first, second, margin), written_as or "terminal", output)
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
