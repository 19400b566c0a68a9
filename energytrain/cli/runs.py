"""`energytrain runs`: list, show and remove run folders."""

import json
from pathlib import Path
from typing import Any, Dict, List, Tuple

import click

from .console import say_skipped

RUNS_DIR = click.option("--runs-dir", default="runs", show_default=True, help="Where runs are stored.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
DEBUG = click.option("--debug", is_flag=True, help="Show tracebacks.")


@click.group(name="runs", help="List, show and remove runs.")
def command() -> None:
    pass


@command.command(name="list", help="The runs in the runs folder, a line each.")
@RUNS_DIR
@JSON
@DEBUG
def list_runs(runs_dir: str, as_json: bool, debug: bool) -> int:
    from ..errors import EnergytrainError
    from ..reports.tables.comparison_form import comparison_sheet
    from ..runs.find import runs_in
    from ..runs.result import run_result
    from .console import show_table

    results: List[Dict[str, Any]] = []
    skipped: List[Tuple[Path, EnergytrainError]] = []
    for folder in runs_in(Path(runs_dir)):
        try:
            results.append(run_result(folder))
        except EnergytrainError as error:
            skipped.append((folder, error))
    if as_json:
        click.echo(json.dumps(results, indent=1))
    elif results:
        show_table(comparison_sheet(results))
    else:
        click.echo(f"no runs in '{runs_dir}' yet; start one with 'energytrain run'.")
    say_skipped(skipped)
    return 5 if skipped else 0


@command.command(name="show", help="One run: its table, or with --json all that is known of it.")
@click.argument("run")
@RUNS_DIR
@JSON
@DEBUG
def show(run: str, runs_dir: str, as_json: bool, debug: bool) -> None:
    from ..reports.terminal.run_table import render_run
    from ..runs.result import run_result
    from .console import console

    result = run_result(_one(run, runs_dir))
    if as_json:
        click.echo(json.dumps(result, indent=1))
    else:
        console().print(render_run(result))


@command.command(name="rm", help="Remove a run folder for good.")
@click.argument("run")
@click.option("--yes", is_flag=True, help="Do not ask.")
@RUNS_DIR
@JSON
@DEBUG
def remove(run: str, yes: bool, runs_dir: str, as_json: bool, debug: bool) -> None:
    from ..runs.folder import RunFolder

    folder = _one(run, runs_dir)
    if not yes:
        click.confirm(f"Remove {folder} and all that is in it?", abort=True, err=True)
    left = RunFolder.open(folder).remove()
    if as_json:
        click.echo(json.dumps({"removed": str(folder), "left": [str(path) for path in left]}))
        return
    click.echo(f"removed {folder}" + (f", but for {len(left)} files that are not the run's" if left else ""))


def _one(run: str, runs_dir: str) -> Path:
    from ..errors import UsageError
    from ..runs.find import find_runs

    folders = find_runs([Path(run)], Path(runs_dir))
    if len(folders) != 1:
        raise UsageError(f"'{run}' is {len(folders)} runs.", "Name one.")
    return folders[0]
