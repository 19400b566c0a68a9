"""`energytrain methods`: the methods, a line each."""

import json

import click


@click.command(help="The training methods and where they come from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(as_json: bool, debug: bool) -> None:
    from ..methods.catalog import METHODS

    if as_json:
        rows = [
            {
                "name": name,
                "title": m.title,
                "source": m.source,
                "prunes": m.prunes,
                "needs_like": m.matches is not None,
            }
            for name, m in METHODS.items()
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    from rich import box
    from rich.table import Table

    from .console import console

    table = Table(pad_edge=False, box=box.SIMPLE_HEAD)
    for column in ("method", "what it is", "source"):
        table.add_column(column)
    for name, m in METHODS.items():
        table.add_row(name, m.title + (" (needs --like RUN)" if m.matches else ""), m.source)
    console().print(table)
