"""`energytrain devices`: what can be metered on this machine, why not where it cannot, and what can be modelled."""

import json
from typing import Any, Dict, List

import click


@click.command(help="What can be metered here, why not and the fix, and the devices that can be modelled.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(as_json: bool, debug: bool) -> None:
    from ..devices.detect import detect, is_here
    from ..devices.setup import load_setup, setup_names
    from ..meters.catalog import available_meters

    here = detect()
    meters: List[Dict[str, Any]] = [
        {"meter": m.name, "usable": m.ok, "channels": [c.to_json() for c in m.channels], "why": m.why, "fix": m.fix}
        for m in available_meters()
    ]
    setups = [load_setup(name) for name in setup_names()]
    devices = [
        {
            "device": s.name,
            "title": s.title,
            "here": is_here(s),
            "profile": s.profile,
            "requires": list(s.meters_required),
        }
        for s in setups
    ]
    if as_json:
        click.echo(json.dumps({"this_machine": here, "meters": meters, "devices": devices}, indent=1))
        return
    _show(here, meters, devices)


def _show(here: str, meters: List[Dict[str, Any]], devices: List[Dict[str, Any]]) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from .console import console

    out = console()
    table = Table(title=f"meters on this machine ({here})", title_justify="left", pad_edge=False, box=box.SIMPLE_HEAD)
    for column in ("meter", "usable", "what it covers, or why not and what to do"):
        table.add_column(column)
    for row in meters:
        covers = ", ".join(f"{c['name']} ({c['scope']}, {c['quantity']})" for c in row["channels"])
        text = covers if row["usable"] else f"{row['why']} {row['fix'] or ''}".strip()
        table.add_row(row["meter"], "yes" if row["usable"] else "no", escape(text))
    out.print(table)
    table = Table(
        title="devices a run can be for (--device)", title_justify="left", pad_edge=False, box=box.SIMPLE_HEAD
    )
    for column in ("device", "what it is", "here", "energy without its meters", "meters it requires"):
        table.add_column(column)
    for row in devices:
        here_too = "yes" if row["here"] else "no"
        model = f"modelled ({row['profile']})" if row["profile"] else "missing (no profile)"
        table.add_row(row["device"], row["title"], here_too, model, ", ".join(row["requires"]))
    out.print(table)
