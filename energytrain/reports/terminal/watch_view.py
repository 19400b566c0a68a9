"""A live look at a trace for people: a line a channel on a terminal of any width, one plain line elsewhere."""

from dataclasses import dataclass
from typing import Collection, Dict, List, Optional, Sequence, Tuple

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ...energy.traces.conditions import THROTTLES
from ...energy.watch import ChannelNow, ConditionNow, Look
from ...meters.base import Channel
from ...quantities.energy import Energy
from ..format import bounds, joules, provenance, seconds, si

BARS = "▁▂▃▄▅▆▇█"
WIDE = 72  # columns from which on a channel fits on one line
LONGEST_NAME = 24
SILENT_SECONDS = 3.0


@dataclass(frozen=True)
class WatchView:
    """One look, with what is watched above it and a hint below it; as wide as the console."""

    look: Look
    title: str
    hint: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self.title, style="bold", overflow="fold")
        yield Text(_state(self.look), style="yellow" if _is_silent(self.look) else "dim", overflow="fold")
        yield Text()
        wide = options.max_width >= WIDE
        for channel in self.look.channels:
            yield (_wide if wide else _narrow)(self.look, channel)
        if self.look.primary:
            yield Text(f"* total {_power(self.total_watts)}, {_energy(self.total_joules)}", style="bold")
        for line in condition_lines(self.look):
            yield Text(line, overflow="fold")
        if self.hint:
            yield Text(self.hint, style="dim", overflow="fold")

    @property
    def total_watts(self) -> Optional[float]:
        return _sum([now.watts for now in self.look.channels if now.channel.name in self.look.primary])

    @property
    def total_joules(self) -> Optional[float]:
        return _sum([now.joules for now in self.look.channels if now.channel.name in self.look.primary])


def plain_line(look: Look, doing: str = "") -> str:
    """One look in one line: seconds, what is done, and of each channel watts and joules."""
    parts = [f"{look.seconds:.1f} s", *([doing] if doing else [])]
    if _is_silent(look):
        parts.append(_state(look))
    for now in look.channels:
        figures = f"failed: {now.error}" if now.error else f"{_power(now.watts)} {_energy(now.joules, now.partial)}"
        parts.append(f"{_marked(look, now)} {figures}")
    return "  ".join(parts)


def total_line(energy: Energy) -> str:
    """The energy of all that was watched, in one line."""
    told = energy.to_json()
    if energy.joules is None:
        return f"{seconds(energy.seconds)}: energy missing: {energy.reason}"
    return f"{seconds(energy.seconds)}: {joules(told)} ({bounds(told)}), {provenance(told)}"


def sparkline(recent: Sequence[Optional[float]], width: int) -> str:
    """The last `width` values as bars from 0 to their largest; a blank where there is none.

    >>> sparkline([None, 0.0, 50.0, 100.0], 4)
    ' ▁▅█'
    """
    shown = recent[-width:]
    most = max((value for value in shown if value is not None), default=0.0)
    return "".join(" " if value is None else _bar(value, most) for value in shown)


def _bar(value: float, most: float) -> str:
    share = max(0.0, value / most) if most > 0 else 0.0
    return BARS[min(len(BARS) - 1, int(share * (len(BARS) - 1) + 0.5))]


def condition_lines(look: Look) -> List[str]:
    """What else the sensors say: a line for each channel or meter that it belongs to."""
    channels = {now.channel.name for now in look.channels}
    groups: Dict[str, List[str]] = {}
    for now in look.conditions:
        owner, name = _owner(now.channel, channels)
        groups.setdefault(owner, []).append(f"{name} {condition(now)}")
    return [f"{owner}: {', '.join(words)}" for owner, words in groups.items()]


def condition(now: ConditionNow) -> str:
    """The value of a condition in words."""
    if now.value is None:
        return "unknown"
    value, quantity = now.value, now.channel.quantity
    if quantity == "celsius":
        return f"{value:.0f} °C"
    if quantity == "hertz":
        return si(value, "Hz")
    if quantity == "percent":
        return f"{value:.0f} %"
    if quantity == "limit_watts":
        return si(value, "W")
    if quantity == "flags":
        return _flags(now.channel, int(value))
    return f"{value:g}"


def _flags(channel: Channel, bits: int) -> str:
    """What holds a GPU back, in words; of other flags the number, as their bits are the driver's own."""
    if not channel.meter.startswith("nvml"):
        return hex(bits)
    return " and ".join(word for bit, word in THROTTLES.items() if bits & bit) or "none that slow it"


def _owner(channel: Channel, channels: Collection[str]) -> Tuple[str, str]:
    """("nvml:0", "temperature") where there is a channel of that name, else ("jtop", "GPU temperature")."""
    prefix, _, name = channel.name.partition(" ")
    if prefix in channels and name:
        return prefix, name
    meter, _, name = channel.name.partition(":")
    return (meter, name) if name else ("", channel.name)


def _state(look: Look) -> str:
    if _is_silent(look):
        return f"no new reading for {seconds(look.silent_seconds)}"
    return f"{seconds(look.seconds)} of readings" + (", ended" if look.ended else "")


def _is_silent(look: Look) -> bool:
    return not look.ended and look.silent_seconds > SILENT_SECONDS


def _wide(look: Look, now: ChannelNow) -> Table:
    """One line: name, watts, the last minute, joules."""
    name, watts, recent, energy = _cells(look, now)
    row = Table.grid(padding=(0, 2, 0, 0), expand=True)
    longest = max(len(_marked(look, one)) for one in look.channels)
    row.add_column(width=min(longest, LONGEST_NAME), overflow="ellipsis", no_wrap=True)
    row.add_column(width=8, justify="right", no_wrap=True)
    row.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    row.add_column(width=17, justify="right", no_wrap=True)
    row.add_row(name, watts, recent, energy)
    return row


def _narrow(look: Look, now: ChannelNow) -> Table:
    """Two lines: name and joules, then watts and the last seconds."""
    name, watts, recent, energy = _cells(look, now)
    first = Table.grid(padding=(0, 1, 0, 0), expand=True)
    first.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    first.add_column(justify="right", no_wrap=True)
    first.add_row(name, energy)
    second = Table.grid(padding=(0, 1, 0, 0), expand=True)
    second.add_column(width=8, justify="right", no_wrap=True)
    second.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    second.add_row(watts, recent)
    both = Table.grid(expand=True)
    both.add_row(first)
    both.add_row(second)
    return both


@dataclass(frozen=True)
class _Recent:
    """The sparkline in whatever width is left."""

    recent: Sequence[Optional[float]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(sparkline(self.recent, options.max_width), style="green", no_wrap=True)


def _cells(look: Look, now: ChannelNow) -> Tuple[Text, Text, RenderableType, Text]:
    """Name, watts, the last minute or why the last read failed, joules."""
    bold = "bold" if now.channel.name in look.primary else ""
    recent: RenderableType = _Recent(now.recent) if now.error is None else Text(now.error, style="yellow")
    energy = Text(_energy(now.joules, now.partial), style=bold)
    return Text(_marked(look, now), style=bold), Text(_power(now.watts), style=bold), recent, energy


def _marked(look: Look, now: ChannelNow) -> str:
    return now.channel.name + (" *" if now.channel.name in look.primary else "")


def _power(value: Optional[float]) -> str:
    return "-" if value is None else si(value, "W")


def _energy(value: Optional[float], partial: bool = False) -> str:
    return "-" if value is None else si(value, "J") + (" + gaps" if partial else "")


def _sum(values: Sequence[Optional[float]]) -> Optional[float]:
    return sum(v for v in values if v is not None) if values and all(v is not None for v in values) else None
