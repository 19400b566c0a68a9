"""A growing trace at a glance: watts, joules and the last minute, of what is known and nothing else."""

from pathlib import Path
from typing import Any, Callable, List, Optional

import pytest
from fakes.nvml_fixture import FakeNvml

from energytrain.energy.traces.trace import TraceWriter
from energytrain.energy.watch import BINS, ChannelNow, TraceWatch, own_recorder
from energytrain.errors import MeterUnavailable
from energytrain.meters.base import Channel
from energytrain.meters.catalog import MeterSpec
from energytrain.quantities.energy import Scope

SECOND = 1_000_000_000
START = 7_000 * SECOND
COUNTER = Channel("nvml:0", "nvml", "nvml:GPU-1", "joules", Scope.CHIP, gain_error=0.05, max_watts=700.0)
POWER = Channel("ina:VDD_IN", "ina", "ina:0", "watts", Scope.MODULE, update_seconds=0.1)
HEAT = Channel("nvml:0 temperature", "nvml conditions", "nvml:GPU-1", "celsius", Scope.CHIP)


class Recording:
    """A trace that a test lets grow."""

    def __init__(self, folder: Path, *channels: Channel) -> None:
        self.path = folder / "growing.arrows"
        self._writer = TraceWriter(self.path, channels, 1, "bench", "boot-1")

    def add(self, t: float, value: Optional[float], channel: int = 0, error: Optional[str] = None) -> None:
        self._writer.append(channel, START + round(t * 1e9), value, error)

    def fill(
        self, begin: float, end: float, value: Callable[[float], float], hz: float = 20.0, channel: int = 0
    ) -> None:
        """Reads from `begin` to before `end`, flushed."""
        for number in range(round(begin * hz), round(end * hz)):
            self.add(number / hz, value(number / hz), channel)
        self._writer.flush()

    def end(self) -> None:
        self._writer.close()


def only(watch: TraceWatch) -> ChannelNow:
    (now,) = watch.look().channels
    return now


def known(now: ChannelNow) -> List[float]:
    return [value for value in now.recent if value is not None]


@pytest.mark.parametrize("channel", [COUNTER, POWER])
def test_watts_joules_and_the_last_seconds(tmp_path: Path, channel: Channel) -> None:
    """100 W, and 300 W from the fifth second on."""

    def value(t: float) -> float:
        if channel is POWER:
            return 100.0 if t < 5 else 300.0
        return 10_000 + 100 * t + 200 * max(0.0, t - 5)

    recording = Recording(tmp_path, channel)
    watch = TraceWatch(recording.path)
    assert watch.look().channels[0].watts is None
    recording.fill(0, 3, value)
    assert only(watch).watts == pytest.approx(100) and only(watch).joules == pytest.approx(295)
    recording.fill(3, 10.05, value)
    now = only(watch)
    assert now.watts == pytest.approx(300) and now.joules == pytest.approx(500 + 1500, abs=11)
    assert len(now.recent) == BINS and known(now) == pytest.approx([100] * 5 + [300] * 5, abs=6)
    assert not now.partial and now.error is None
    assert watch.look().seconds == pytest.approx(10)


def test_looks_on_the_way_change_nothing(tmp_path: Path) -> None:
    recording = Recording(tmp_path, COUNTER)
    often = TraceWatch(recording.path)
    for second in range(90):
        recording.fill(second, second + 1, lambda t: 37.0 * t + t * t / 10)
        often.look()
    at_once = only(TraceWatch(recording.path))
    assert only(often).joules == pytest.approx(at_once.joules) and known(only(often)) == pytest.approx(known(at_once))
    assert only(often).joules == pytest.approx(37 * 89.95 + 89.95**2 / 10)
    assert len(known(only(often))) == BINS


def test_a_gap_in_power_is_left_out_and_said(tmp_path: Path) -> None:
    recording = Recording(tmp_path, POWER)
    recording.fill(0, 4, lambda t: 50.0)
    recording.fill(14, 18, lambda t: 50.0)
    now = only(TraceWatch(recording.path))
    assert now.partial and now.joules == pytest.approx(50 * 2 * 3.95)
    seen = [value is not None for value in now.recent[-17:]]  # up to the last whole second
    assert all(seen[:3]) and not any(seen[3:14]) and all(seen[14:]), seen


def test_a_counter_bridges_a_gap_and_tells_a_reset(tmp_path: Path) -> None:
    recording = Recording(tmp_path, COUNTER)
    recording.fill(0, 4, lambda t: 50.0 * t)
    recording.fill(14, 18, lambda t: 50.0 * t)
    now = only(TraceWatch(recording.path))
    assert not now.partial and now.joules == pytest.approx(50 * 17.95) and known(now)[5] == pytest.approx(50)
    recording.fill(18, 20, lambda t: 50.0 * (t - 18))
    now = only(TraceWatch(recording.path))
    assert now.partial and now.joules == pytest.approx(50 * (17.95 + 1.95))


def test_a_counter_that_wraps_goes_on(tmp_path: Path) -> None:
    wrapping = Channel("rapl:p", "rapl", "rapl:p", "joules", Scope.CHIP, max_watts=200.0, wraps_at=250.0)
    recording = Recording(tmp_path, wrapping)
    recording.fill(0, 20, lambda t: (50.0 * t) % 250.0)
    now = only(TraceWatch(recording.path))
    assert not now.partial and now.joules == pytest.approx(50 * 19.95) and now.watts == pytest.approx(50)


def test_a_failing_channel_has_no_watts_and_says_why(tmp_path: Path) -> None:
    recording = Recording(tmp_path, POWER, HEAT)
    recording.fill(0, 3, lambda t: 50.0)
    recording.add(3.0, None, error="GPU is lost")
    recording.add(3.0, None, 1, "GPU is lost")
    recording.end()
    look = TraceWatch(recording.path).look()
    (now,), (heat,) = look.channels, look.conditions
    assert now.watts is None and now.error == "GPU is lost" and now.joules == pytest.approx(50 * 2.95)
    assert heat.value is None and heat.error == "GPU is lost"
    assert look.ended and look.to_json()["channels"]["ina:VDD_IN"]["watts"] is None


def test_a_counter_that_stands_still_does_not_tell_its_power(tmp_path: Path) -> None:
    recording = Recording(tmp_path, COUNTER)
    recording.fill(0, 3, lambda t: 50.0 * t)
    recording.fill(3, 12, lambda t: 150.0)
    assert only(TraceWatch(recording.path)).watts is None


def test_the_total_is_that_of_the_primary_channels(tmp_path: Path) -> None:
    recording = Recording(tmp_path, COUNTER, POWER)
    recording.fill(0, 5, lambda t: 100.0 * t)
    recording.fill(0, 5, lambda t: 30.0, channel=1)
    recording.end()
    watch = TraceWatch(recording.path)
    assert watch.look().primary == ("ina:VDD_IN",)
    assert watch.total().joules == pytest.approx(30 * 4.95, rel=0.02)
    run = TraceWatch(recording.path, ["nvml:0"])
    assert run.look().primary == ("nvml:0",)
    total = run.total()
    assert total.low <= 495 <= total.high  # type: ignore[operator]
    none = TraceWatch(recording.path, [])
    assert none.look().primary == () and none.total().joules is None


def test_meters_of_this_machine_are_read_into_a_folder_that_goes(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    with own_recorder([MeterSpec("nvml")], ["nvml"], 100.0) as recorder:
        watch = TraceWatch(recorder.trace)
        assert recorder.flush() and watch.look().conditions[0].value == 45
        folder = recorder.trace.parent
    assert not folder.exists() and not recorder.alive


@pytest.mark.parametrize("declared", [[], ["nvml"]])
def test_where_there_is_nothing_to_watch_it_says_why(tmp_path: Path, declared: Any) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "nv_tegra_release").touch()
    with pytest.raises(MeterUnavailable, match="Jetson"), own_recorder(
        [MeterSpec("nvml", {"root": str(tmp_path)})], declared, 10.0
    ):
        pass


def test_a_named_meter_that_is_not_there_is_no_view_of_another(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    specs = [MeterSpec("nvml"), MeterSpec("rapl", {"root": str(tmp_path)})]
    with pytest.raises(MeterUnavailable, match="rapl"), own_recorder(specs, ["nvml", "rapl"], 10.0):
        pass
    with own_recorder(specs, [], 10.0) as recorder:
        assert {channel.meter for channel in recorder.channels} >= {"nvml"}
