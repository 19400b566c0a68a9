"""`energytrain devices`: what can be metered on this machine, why not where it cannot, and what can be modelled."""

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Sequence, Tuple

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..meters.catalog import Availability, MeterSpec

PROBE_SECONDS = 2.0
COST_SECONDS = 10.0
COST_HZ = 100.0


@click.command(
    help="What can be metered here, why not and the fix; the devices a run can be for, or one of them in full."
)
@click.argument("name", required=False)
@click.option("--meter", "meters", multiple=True, metavar="NAME[:KEY=VALUE,...]", help="Look at this meter only.")
@click.option("--probe/--no-probe", default=True, help="Read each meter for a while to see how often it updates.")
@click.option("--cost", is_flag=True, help="Measure what reading each meter costs.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    help=f"How long to probe (default {PROBE_SECONDS:g}), and to measure the cost of each (default {COST_SECONDS:g}).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(
    name: Optional[str],
    meters: Tuple[str, ...],
    probe: bool,
    cost: bool,
    seconds: Optional[float],
    as_json: bool,
    debug: bool,
) -> None:
    from ..devices.detect import detect, is_here
    from ..devices.setup import load_setup, setup_names
    from ..energy.primary import choose_primary
    from ..meters.catalog import BY_NAME_ONLY, FOUND, available_meters, meters_named

    if name is not None:
        _show_device(name, as_json)
        return
    here = detect()
    specs, _ = meters_named(meters or FOUND)
    found = _as_recorded(available_meters(specs))
    usable = [(spec, one) for spec, one in zip(specs, found) if one.ok]
    probed = _probed([spec for spec, _ in usable], seconds or PROBE_SECONDS) if probe and usable else None
    costs = {one.name: _cost(spec, seconds or COST_SECONDS) for spec, one in usable} if cost else {}
    primary = [channel.name for channel in choose_primary(channel for one in found for channel in one.channels)]
    rows = [_meter_row(one, probed, costs.get(one.name), primary) for one in found]
    setups = [load_setup(known) for known in setup_names()]
    devices = [
        {
            "device": s.name,
            "title": s.title,
            "here": is_here(s),
            "profile": s.profile,
            "requires": [" or ".join(choice) for choice in s.meters_required],
        }
        for s in setups
    ]
    if as_json:
        told = {"this_machine": here, "meters": rows, "devices": devices, "by_name_only": list(BY_NAME_ONLY)}
        click.echo(json.dumps(told, indent=1))
        return
    _show(here, rows, devices, primary)


def _probed(specs: Sequence["MeterSpec"], seconds: float) -> Optional[Dict[str, Dict[str, Any]]]:
    """By channel name, how often it updates and what it shows; None where nothing can be recorded."""
    from ..energy.probing.probe import probe_meters
    from ..errors import MeterUnavailable

    click.echo(f"probing {', '.join(map(str, specs))} for {seconds:g} s ...", err=True)
    try:
        found = probe_meters(specs, seconds)
    except MeterUnavailable as error:
        click.echo(f"energytrain: {error}", err=True)
        return None
    return {
        one.channel.name: {
            "channel": one.channel.name,
            **asdict(one.updates),
            "watts": one.watts,
            "samples": one.samples,
            "failed": one.failed,
            "counter": one.counter,
            "averaging": None if one.averaging is None else asdict(one.averaging),
        }
        for one in found
    }


def _as_recorded(found: Sequence["Availability"]) -> List["Availability"]:
    """With the channels named as in a trace, where two meters that read the same hardware have names of their own."""
    from ..energy.traces.series import free_name

    named: List[Availability] = []
    taken: List[str] = []
    for one in found:
        channels = []
        for channel in one.channels:
            taken.append(free_name(channel.name, taken))
            channels.append(replace(channel, name=taken[-1]))
        named.append(replace(one, channels=tuple(channels)))
    return named


def _cost(spec: "MeterSpec", seconds: float) -> Optional[Dict[str, Any]]:
    from ..energy.probing.probe import observing_cost
    from ..errors import MeterUnavailable

    click.echo(f"measuring for {seconds:g} s what reading {spec} costs ...", err=True)
    try:
        return asdict(observing_cost(spec, seconds, COST_HZ))
    except MeterUnavailable as error:
        click.echo(f"energytrain: {error}", err=True)
        return None


def _meter_row(
    one: "Availability", probed: Optional[Dict[str, Any]], cost: Optional[Dict[str, Any]], primary: Sequence[str]
) -> Dict[str, Any]:
    names = [channel.name for channel in one.channels]
    return {
        "meter": one.name,
        "usable": one.ok,
        "channels": [channel.to_json() for channel in one.channels],
        "why": one.why,
        "fix": one.fix,
        "primary": [name for name in names if name in primary],
        "conditions": [channel.to_json() for channel in one.conditions],
        "probed": None if probed is None or not one.ok else [probed[name] for name in names if name in probed],
        "cost": cost,
    }


def _show(here: str, meters: List[Dict[str, Any]], devices: List[Dict[str, Any]], primary: Sequence[str]) -> None:
    from ..devices.setup import load_setup
    from ..reports.terminal.device_tables import channels_table, cost_table, devices_table, meter_lines, prepare_lines

    _print(meter_lines(here, meters))
    _print(channels_table(meters, primary))
    _print(cost_table(meters, COST_HZ))
    _print([devices_table(devices)])
    _print(prepare_lines(load_setup(here)))


def _show_device(name: str, as_json: bool) -> None:
    from ..devices.detect import is_here
    from ..devices.setup import load_setup
    from ..reports.terminal.device_tables import device_in_full

    setup = load_setup(name)
    if as_json:
        click.echo(json.dumps({**asdict(setup), "here": is_here(setup)}, indent=1))
        return
    _print(device_in_full(setup, is_here(setup)))


def _print(parts: Iterable["RenderableType"]) -> None:
    from .console import console

    out = console()
    for part in parts:
        out.print(part, markup=False, soft_wrap=isinstance(part, str))
