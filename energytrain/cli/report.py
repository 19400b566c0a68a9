"""`energytrain report RUN...`: what runs cost and bought, as a table."""

import json
from pathlib import Path
from typing import Optional, Tuple

import click


@click.command(help="Tables of one or more runs: RUN is a run folder, or a folder of runs.")
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--runs-dir", default="runs", show_default=True, help="Where runs named without a path lie.")
@click.option("--recompute", is_flag=True, help="Compute again from marks and traces, whatever is cached.")
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
    runs: Tuple[Path, ...], runs_dir: str, recompute: bool, bill: str, distances: bool, as_json: bool, debug: bool
) -> Optional[int]:
    from ..errors import EnergytrainError, UsageError
    from ..reports.bills import bill_lines, with_bill
    from ..reports.comparison import comparison_table
    from ..reports.differences import differences
    from ..reports.run_table import render_run
    from ..runs.find import find_runs
    from ..runs.result import run_result
    from .console import console, say_skipped

    folders = find_runs(runs or (Path(runs_dir),), Path(runs_dir))
    if not folders:
        hint = f"Start one with 'energytrain run', or name a folder other than '{runs_dir}'."
        raise UsageError("there is no run to report on.", hint)
    if distances:
        from ..reports.mask_distances import distance_table, mask_distances

        found = mask_distances(folders)
        if as_json:
            click.echo(json.dumps(found, indent=1))
        else:
            console().print(distance_table(found, console().width))
        return None
    results, skipped = [], []
    for folder in folders:
        try:
            results.append(run_result(folder, recompute=recompute))
        except EnergytrainError as error:
            if len(folders) == 1:
                raise
            skipped.append((folder, error))
    if as_json:
        click.echo(json.dumps(results if bill == "as-run" else [with_bill(r, bill) for r in results], indent=1))
    elif len(results) == 1:
        console().print(render_run(results[0]))
    elif results:
        console().print(comparison_table(results, bill))
    if results and bill != "as-run" and not as_json:
        for line in bill_lines(results, bill):
            console().print(line, markup=False, highlight=False)
    for sentence in differences(results):
        console(stderr=as_json).print(f"warning: {sentence}", style="yellow", markup=False)
    say_skipped(skipped)
    return 5 if skipped else None
