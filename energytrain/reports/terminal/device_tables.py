"""What `energytrain devices` prints: this machine's meters, what observing costs, the devices, one of them in full.

A part that is a str is for copying: it is not to be broken into lines.
"""

from typing import Any, Dict, Iterable, Iterator, Mapping, Optional, Sequence

from rich import box
from rich.console import RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...devices.setup import Setup
from ...meters.base import Channel
from ..format import share_of_time, si

Row = Mapping[str, Any]
TOLD_ERROR = 0.01  # of an update period: what it is unsure by is shown where that is more


def meter_lines(here: str, meters: Sequence[Row]) -> Iterator[RenderableType]:
    """Of each meter whether it can be used on this machine, and if not (or in part), why not and what to do."""
    yield Text(f"meters on this machine ({here})", style="italic")
    for row in meters:
        answer = "yes" if row["why"] is None else f"{'in part' if row['usable'] else 'no'}, {row['why']}"
        yield Padding(Text(f"{row['meter']}: {answer}"), (0, 0, 0, 2), expand=False)
        if row["fix"]:
            yield f"      {row['fix']}"
    yield Text()


def channels_table(meters: Sequence[Row], primary: Sequence[str]) -> Iterator[RenderableType]:
    """The channels of the meters that can be used, and in a line of its own what else each of them tells."""
    usable = [row for row in meters if row["usable"]]
    if not usable:
        return
    # A power reading is compared with a counter only where both were asked for.
    compared = any(probed["counter"] for row in usable for probed in row["probed"] or ())
    columns = ("channel", "covers", "total", "now", "updates", *(("averages over",) if compared else ()), "bounds")
    table = _table("their channels", columns)
    for row in usable:
        known = {probed["channel"]: probed for probed in row["probed"] or ()}
        for channel in map(Channel.from_json, row["channels"]):
            probed = known.get(channel.name)
            watts = None if probed is None else probed["watts"]
            table.add_row(
                escape(channel.name),
                channel.scope.value + (f", in {escape(channel.part_of)}" if channel.part_of else ""),
                "yes" if channel.name in primary else "",
                "" if watts is None else si(watts, "W"),
                updates_in_words(channel, probed),
                *((averaging_in_words(probed),) if compared else ()),
                bounds_in_words(channel),
            )
    yield table
    for row in usable:
        if row["conditions"]:
            yield Text(f"{row['meter']} also tells: {_names(row['conditions'])}")
    yield Text()


def cost_table(meters: Sequence[Row], hz: float) -> Iterator[RenderableType]:
    """What reading each meter costs; nothing where none was measured."""
    rows = [row for row in meters if row["cost"] is not None]
    if rows:
        title = f"what observing costs, at {hz:g} readings a second"
        table = _table(title, ("meter", "one reading takes", "of one processor core", "adds to what it shows"))
        for row in rows:
            cost = row["cost"]
            share = f"{100 * cost['cpu_share']:.2f} %"
            table.add_row(escape(row["meter"]), _time(cost["read_seconds"]), share, _added(cost["added_watts"]))
        yield table
        yield Text()


def devices_table(devices: Sequence[Row]) -> RenderableType:
    columns = ("device", "what it is", "here", "energy without its meters", "meters it requires")
    table = _table("devices a run can be for (--device)", columns)
    for row in devices:
        model = f"modelled ({row['profile']})" if row["profile"] else "missing (no profile)"
        table.add_row(
            row["device"], row["title"], "yes" if row["here"] else "no", model, escape(", ".join(row["requires"]))
        )
    return table


def prepare_lines(setup: Setup) -> Iterator[RenderableType]:
    """How a person prepares the device; nothing where there is nothing to do."""
    if setup.prepare:
        yield Text(f"to prepare {setup.name} by hand (energytrain runs none of these itself):")
    for step in setup.prepare:
        yield f"  {step.command}"
        yield Padding(Text(step.why), (0, 0, 0, 6), expand=False)


def device_in_full(setup: Setup, here: bool) -> Iterator[RenderableType]:
    """Everything that the setup of one device says."""
    yield f"{setup.name}: {setup.title}"
    yield "this machine is one" if here else "this machine is none: a run for it trains here"
    yield f"energy without its meters: {'modelled by its profile' if setup.profile else 'missing, it has no profile'}"
    required = ", ".join(" or ".join(choice) for choice in setup.meters_required)
    yield f"meters it requires: {required or 'none'}"
    yield f"trains on: {setup.compute}"
    yield ""
    if setup.rails:
        table = _table("power rails", ("rail", "covers", "contained in", "monitor, channel", "shunt", "at most"))
        for rail in setup.rails:
            table.add_row(
                escape(rail.name),
                rail.scope + (", of the carrier board" if rail.carrier else ""),
                escape(rail.part_of or ""),
                f"{rail.chip}, {rail.channel}",
                "" if rail.shunt_ohms is None else f"{rail.shunt_ohms * 1e3:g} mΩ",
                "" if rail.max_watts is None else si(rail.max_watts, "W"),
            )
        yield table
    yield from prepare_lines(setup)
    yield from (Text(f"note: {note}") for note in setup.notes)


def updates_in_words(channel: Channel, probed: Optional[Row]) -> str:
    """How often a channel's value changes: as probed, else as its driver states it."""
    if probed is not None and probed["update_seconds"] is not None:
        often = f"every {_time(probed['update_seconds'])}"
        if probed["error_seconds"] is not None and probed["error_seconds"] > TOLD_ERROR * probed["update_seconds"]:
            often += f" ± {_time(probed['error_seconds'])}"
        return f"{often} or more often" if probed["at_most"] else often
    if channel.update_seconds is not None:
        return f"every {_time(channel.update_seconds)} as stated"
    return "not known" if probed is None else "not seen to change"


def averaging_in_words(probed: Optional[Row]) -> str:
    """What a power reading was found to average over beside its sensor's counter; nothing where there was none."""
    if probed is None or probed["counter"] is None:
        return ""
    span = probed["averaging"]
    if span is None:
        return "cannot tell"
    return f"{_time(span['seconds'])}" if span["low"] > 0 else f"at most {_time(span['high'])}"


def bounds_in_words(channel: Channel) -> str:
    """A channel's own errors (95 %), such as "±5 %, steps of 0.001 J".

    >>> from energytrain.quantities.energy import Scope
    >>> bounds_in_words(Channel("a", "m", "s", "watts", Scope.CHIP, gain_error=0.05, resolution=0.001))
    '±5 %, steps of 0.001 W'
    """
    words = [f"±{100 * channel.gain_error:g} %"] if channel.gain_error else []
    if channel.offset_watts:
        words.append(f"±{si(channel.offset_watts, 'W')}")
    if channel.resolution:
        words.append(f"steps of {si(channel.resolution, 'J' if channel.quantity == 'joules' else 'W')}")
    if channel.averaging_seconds:
        words.append(f"mean of {_time(channel.averaging_seconds)}")
    if channel.observed_share < 1:
        words.append(f"sees {share_of_time(channel.observed_share)} of the time")
    return ", ".join(words) or "none stated"


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", pad_edge=False, box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _names(conditions: Sequence[Row]) -> str:
    """The names of conditions; of those of one kind, as several GPUs have, one with their number."""
    kinds: Dict[str, int] = {}
    for channel in conditions:
        prefix, _, kind = channel["name"].partition(" ")
        name = kind if prefix.partition(":")[2].isdigit() else channel["name"]
        kinds[name] = kinds.get(name, 0) + 1
    return ", ".join(name if number == 1 else f"{name} ({number})" for name, number in kinds.items())


def _time(value: float) -> str:
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


def _added(watts: Optional[Sequence[float]]) -> str:
    if watts is None:
        return "cannot be told"
    low, high = watts
    if low <= 0 <= high:
        return f"less than {si(max(abs(low), abs(high)), 'W')}"
    return f"{low:.3g} to {high:.3g} W" + (" (the sensor loses by being read)" if high < 0 else "")
