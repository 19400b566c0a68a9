"""The live view fits its terminal, and shows what is known and nothing else."""

import io
from typing import Any, List, Optional, Sequence

import pytest
from rich.console import Console

from energytrain.energy.watch import BINS, ChannelNow, ConditionNow, Look
from energytrain.meters.base import Channel
from energytrain.quantities.energy import Energy, Provenance, Scope
from energytrain.reports.terminal.watch_view import WatchView, condition, plain_line, sparkline, total_line

TWENTY = [None] * (BINS - 20) + [float(value) for value in range(100, 300, 10)]


def now(
    name: str,
    watts: Optional[float] = 203.4,
    joules: Optional[float] = 12_345.0,
    recent: Sequence[Optional[float]] = tuple(TWENTY),
    error: Optional[str] = None,
    partial: bool = False,
) -> ChannelNow:
    channel = Channel(name, name.partition(":")[0], name, "watts", Scope.CHIP)
    return ChannelNow(channel, watts, joules, partial, tuple(recent), error)


def condition_now(name: str, quantity: str, value: Optional[float], meter: str = "nvml conditions") -> ConditionNow:
    return ConditionNow(Channel(name, meter, "s", quantity, Scope.CHIP), value, None if value is not None else "gone")


CONDITIONS = (
    condition_now("nvml:0 temperature", "celsius", 61.0),
    condition_now("nvml:0 SM clock", "hertz", 1.41e9),
    condition_now("nvml:0 clock events", "flags", float(0x4 | 0x20)),
    condition_now("jtop:GPU temperature", "celsius", None, "jtop conditions"),
)


def look(*channels: ChannelNow, silent: float = 0.2, primary: Sequence[str] = ("nvml:0",)) -> Look:
    return Look(channels, CONDITIONS, tuple(primary), 83.0, silent, False)


def lines(view: WatchView, width: int) -> List[str]:
    console = Console(width=width, height=50, record=True, file=io.StringIO())
    console.print(view)
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [30, 40, 60, 72, 100, 200])
def test_at_any_width_every_figure_is_whole(width: int) -> None:
    view = WatchView(look(now("nvml:0"), now("ina3221:VDD_SYS_GPU", 1.234, 56.7)), "run demo: search", "Ctrl-C ends.")
    shown = lines(view, width)
    assert max(map(len, shown)) <= width
    text = "\n".join(shown)
    for figure in ("203 W", "12.3 kJ", "1.23 W", "56.7 J", "nvml:0 *", "1 min 23 s of readings", "Ctrl-C ends."):
        assert figure in text, text
    assert "ina3221:VDD_SYS_GPU" in text
    assert "* total 203 W, 12.3 kJ" in text


def test_the_last_minute_fills_the_width_that_is_there() -> None:
    (row,) = [line for line in lines(WatchView(look(now("nvml:0")), "t"), 120) if line.startswith("nvml:0 *")]
    bars = [mark for mark in row if mark in "▁▂▃▄▅▆▇█"]
    assert len(bars) == 20 and bars == sorted(bars)
    narrow = "\n".join(lines(WatchView(look(now("nvml:0")), "t"), 40))
    assert sum(narrow.count(mark) for mark in "▁▂▃▄▅▆▇█") == 20


def test_what_is_not_known_is_no_zero() -> None:
    view = WatchView(look(now("nvml:0", None, None, [None] * BINS)), "t")
    text = "\n".join(lines(view, 80))
    assert "* total -, -" in text and "0 W" not in text and "0 J" not in text
    assert sparkline([None, None, 0.0], 3) == "  ▁" and sparkline([None] * 4, 4) == "    "


def test_a_failing_channel_says_why_and_gaps_are_said() -> None:
    text = "\n".join(lines(WatchView(look(now("nvml:0", None, 50.0, error="GPU is lost", partial=True)), "t"), 80))
    assert "GPU is lost" in text and "50 J + gaps" in text
    plain = plain_line(look(now("nvml:0", None, 50.0, error="GPU is lost")))
    assert plain == "83.0 s  nvml:0 * failed: GPU is lost"


def test_conditions_are_gathered_by_what_they_belong_to() -> None:
    text = "\n".join(lines(WatchView(look(now("nvml:0")), "t"), 200))
    assert "nvml:0: temperature 61 °C, SM clock 1.41 GHz, clock events power cap and sw thermal slowdown" in text
    assert "jtop: GPU temperature unknown" in text


@pytest.mark.parametrize(
    ("quantity", "value", "words"),
    [
        ("percent", 50.0, "50 %"),
        ("limit_watts", 700.0, "700 W"),
        ("count", 2.0, "2"),
        ("state", 8.0, "8"),
        ("flags", 0.0, "none that slow it"),
    ],
)
def test_a_condition_in_words(quantity: str, value: float, words: str) -> None:
    assert condition(condition_now("nvml:0 x", quantity, value)) == words


def test_silence_is_told() -> None:
    assert "no new reading for 12.0 s" in "\n".join(lines(WatchView(look(now("nvml:0"), silent=12.0), "t"), 80))
    assert plain_line(look(now("nvml:0"), silent=12.0), "search") == (
        "83.0 s  search  no new reading for 12.0 s  nvml:0 * 203 W 12.3 kJ"
    )


def test_the_total_in_one_line() -> None:
    energy: Any = Energy(1234.0, Provenance.MEASURED, Scope.CHIP, "nvml:0", seconds=8.0)
    assert total_line(energy) == "8.0 s: 1.23 kJ (1.23 kJ to 1.23 kJ), measured, chip"
    assert total_line(Energy.missing("nothing was read", 3.0)) == "3.0 s: energy missing: nothing was read"
