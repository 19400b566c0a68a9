"""`energytrain run`: train by a method, metered, and show what it cost."""

import json
import signal
from pathlib import Path
from typing import Any, Dict, List

import click

from .options import read_config, run_options


@click.command(help="Train by a method, metered, and report what it cost. The same command continues a run.")
@run_options
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=read_config,
    help="YAML file of options; the command line wins.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, alone on standard output.")
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(as_json: bool, quiet: bool, debug: bool, repeat: int, **options: Any) -> int:
    from ..execution.resolve import resolve
    from ..execution.run import execute
    from ..reports.terminal.run_table import render_run
    from .console import console

    # A terminated run is an interrupted one: its marks are closed, and the same command continues it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results: List[Dict[str, Any]] = []
    status = 0
    for trial in range(repeat):
        named = {**options, "trial": trial}
        spec, settings = resolve(named)
        with _listener(quiet, as_json) as listener:
            try:
                outcome = execute(spec, settings, listener)
            except KeyboardInterrupt:
                click.echo(f"interrupted; the same command continues this run ({settings.folder}).", err=True)
                return 130
        if outcome.found_done:
            click.echo(f"this run is done already: {outcome.folder} (--fresh runs it again).", err=True)
        results.append(outcome.result)
        status = max(status, outcome.exit_status)
        stopped = outcome.exit_status == 130
        if not as_json:
            console().print(render_run(outcome.result))
            console().print(f"run folder: {outcome.folder}", markup=False)
        if stopped:
            break
    if as_json:
        click.echo(json.dumps(results[0] if repeat == 1 else results, indent=1))
    return status


def _listener(quiet: bool, as_json: bool) -> Any:
    """Progress goes to standard error where standard output carries JSON."""
    from .console import console
    from .progress import Plain, Quiet, Terminal

    target = console(stderr=as_json)
    if quiet:
        return Quiet(console(stderr=True))
    return Terminal(target) if target.is_terminal else Plain(target)
