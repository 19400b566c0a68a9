"""A recorded trace plays again: the same readings, failures and energy, at the same spacing in time."""

import math
import os
from pathlib import Path
from typing import Any, List, Optional, Tuple

import numpy as np
import pytest

from energytrain.energy.integrator.integrate import energy_of
from energytrain.energy.primary import choose_primary
from energytrain.energy.recorder.client import Recorder
from energytrain.energy.replay import ReplayMeter
from energytrain.energy.traces.series import Series
from energytrain.energy.traces.trace import TraceWriter, read_trace
from energytrain.errors import UsageError
from energytrain.meters.base import Channel, conditions_of
from energytrain.meters.catalog import FOUND, METERS, available_meters, open_meter, parse_meter
from energytrain.quantities.energy import Scope

SECOND = 1_000_000_000
START = 5_000 * SECOND  # the clock of the machine on which it was recorded
GPU = Channel("nvml:0", "nvml", "nvml:GPU-1", "joules", Scope.CHIP, gain_error=0.05, resolution=1e-3, max_watts=700.0)
INPUT = Channel("ina:VDD_IN", "ina", "ina:0", "watts", Scope.MODULE, update_seconds=0.1, averaging_seconds=0.1)
PART = Channel("ina:VDD_GPU", "ina", "ina:1", "watts", Scope.RAIL, update_seconds=0.1, part_of="ina:VDD_IN")
HEAT = Channel("nvml:0 temperature", "nvml conditions", "nvml:GPU-1", "celsius", Scope.CHIP)
SECONDS = 8.0

Row = Tuple[int, float, Optional[float], Optional[str]]


def joules(t: float) -> float:
    """100 W, and 300 W in every second second."""
    whole, rest = divmod(t, 2)
    return 400.0 * whole + 100.0 * min(rest, 1) + 300.0 * max(rest - 1, 0)


def shown(t: float) -> float:
    """What the rails' sensor shows of a tenth of it: the mean of the 0.1 s before its last update."""
    update = math.floor(t * 10 + 1e-6) / 10
    return (joules(update) - joules(update - 0.1)) / 0.1 / 10


def record(path: Path, rows: List[Row], *channels: Channel) -> Path:
    """rows: (channel, seconds after the start, value, error)."""
    writer = TraceWriter(path, channels, 1, "bench", "boot-1")
    for channel, t, value, error in rows:
        writer.append(channel, START + int(t * 1e9), value, error)
    writer.close()
    return path


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A trace of 8 s: a counter read 50 times a second, two rails 20 times, a temperature once."""
    rows: List[Row] = [(0, k / 50, 1000 + joules(k / 50), None) for k in range(int(SECONDS * 50) + 1)]
    for k in range(int(SECONDS * 20) + 1):
        rows += [(1, k / 20, shown(k / 20), None), (2, k / 20, shown(k / 20) / 3, None)]
    rows += [(3, float(k), 40.0 + k, None) for k in range(int(SECONDS) + 1)]
    return record(tmp_path / "bench.arrows", rows, GPU, INPUT, PART, HEAT)


class Clock:
    """Stands at a moment that the test sets, in seconds after the trace was opened."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> int:
        return 77 * SECOND + int(self.seconds * 1e9)


def played(path: Path, names: List[str], until: float, hz: float = 100.0, **options: Any) -> Tuple[Any, List[Series]]:
    """The meter, and what is read of it in so many seconds."""
    clock = Clock()
    meter = ReplayMeter(read_trace(path), names, clock=clock, **options)
    t, values, errors = [], [], []
    for k in range(int(until * hz) + 1):
        clock.seconds = k / hz
        t.append(clock())
        readings = meter.read()
        values.append([math.nan if one.value is None else one.value for one in readings])
        errors.append([one.error for one in readings])
    columns = np.array(values).T
    said = [tuple(dict.fromkeys(filter(None, column))) for column in zip(*errors)]
    return meter, [Series(c, np.array(t), column, e) for c, column, e in zip(meter.channels, columns, said)]


@pytest.mark.parametrize("name", ["nvml:0", "ina:VDD_IN"])
@pytest.mark.parametrize(("start", "end"), [(0.5, 7.5), (1.2, 4.9), (2.0, 2.6)])
def test_a_window_has_the_energy_that_was_recorded_in_it(bench: Path, name: str, start: float, end: float) -> None:
    _, (series,) = played(bench, [name], SECONDS)
    recorded = read_trace(bench).series[name]
    was = energy_of(recorded, START + int(start * 1e9), START + int(end * 1e9))
    now = energy_of(series, 77 * SECOND + int(start * 1e9), 77 * SECOND + int(end * 1e9))
    truth = (joules(end) - joules(start)) * (0.1 if name == "ina:VDD_IN" else 1.0)
    assert was.joules is not None and now.joules is not None
    assert now.low <= truth <= now.high and now.low <= was.joules <= now.high
    assert now.joules == pytest.approx(was.joules, abs=0.02 * truth)
    assert now.coverage == 1.0


def test_the_channels_are_those_of_the_trace_under_new_names(bench: Path) -> None:
    meter = open_meter(parse_meter(f"replay:trace={bench}"))
    gpu, total, part = meter.channels
    assert (gpu.name, gpu.meter, gpu.sensor, gpu.scope) == ("replay:nvml:0", "replay", "nvml:GPU-1", Scope.CHIP)
    assert (gpu.gain_error, gpu.max_watts, total.update_seconds) == (0.05, 700.0, 0.1)
    assert part.part_of == total.name
    assert [one.name for one in choose_primary(meter.channels)] == ["replay:ina:VDD_IN"]
    heat = conditions_of(meter)
    assert heat is not None and heat.name == "replay conditions"
    (temperature,) = heat.channels
    assert (temperature.name, temperature.meter) == ("replay:nvml:0 temperature", "nvml conditions")
    assert heat.read()[0].value == 40.0


def test_a_chosen_channel_takes_its_own_conditions_along(bench: Path) -> None:
    only = open_meter(parse_meter(f"replay:trace={bench},channel=ina:VDD_IN+ina:VDD_GPU"))
    assert [one.name for one in only.channels] == ["replay:ina:VDD_IN", "replay:ina:VDD_GPU"]
    assert conditions_of(only) is None
    assert conditions_of(open_meter(parse_meter(f"replay:trace={bench},channel=nvml:0"))) is not None


def test_failed_reads_fail_again_in_the_recorded_words(tmp_path: Path) -> None:
    rows: List[Row] = [(0, k / 50, None if 50 <= k < 100 else joules(k / 50), "GPU is lost") for k in range(201)]
    rows = [(channel, t, value, None if value is not None else error) for channel, t, value, error in rows]
    path = record(tmp_path / "lost.arrows", rows, GPU)
    _, (series,) = played(path, ["nvml:0"], 4.0)
    failed = (series.t[np.isnan(series.values)] - 77 * SECOND) * 1e-9
    assert failed.min() == pytest.approx(1.0, abs=0.011) and failed.max() == pytest.approx(1.98, abs=0.021)
    assert len(failed) == pytest.approx(100, abs=3)
    assert len(series.errors) == 1 and "GPU is lost" in series.errors[0]


@pytest.mark.parametrize("name", ["nvml:0", "ina:VDD_IN"])
def test_a_stretch_without_readings_is_a_gap_again(tmp_path: Path, name: str) -> None:
    channel, value = (GPU, joules) if name == "nvml:0" else (INPUT, shown)
    rows: List[Row] = [(0, k / 50, value(k / 50), None) for k in range(201) if not 60 < k < 140]
    path = record(tmp_path / "stalled.arrows", rows, channel)
    _, (series,) = played(path, [name], 4.0)
    failed = (series.t[np.isnan(series.values)] - 77 * SECOND) * 1e-9
    assert failed.min() == pytest.approx(1.2, abs=0.03) and failed.max() == pytest.approx(2.8, abs=0.03)
    was = energy_of(read_trace(path).series[name], START, START + 4 * SECOND)
    now = energy_of(series, 77 * SECOND, 81 * SECOND)
    assert now.joules == pytest.approx(was.joules, rel=0.01) and now.coverage == pytest.approx(was.coverage, abs=0.03)


def test_behind_the_end_nothing_is_made_up(bench: Path) -> None:
    _, everything = played(bench, ["nvml:0", "ina:VDD_IN"], SECONDS + 2)
    for series in everything:
        good = np.isfinite(series.values)
        assert (series.t[good].max() - 77 * SECOND) * 1e-9 == pytest.approx(SECONDS, abs=0.011)
        assert series.errors == ("the trace has ended",)


@pytest.mark.parametrize("name", ["nvml:0", "ina:VDD_IN"])
def test_played_faster_it_shows_the_same_power_for_a_shorter_time(bench: Path, name: str) -> None:
    meter, (series,) = played(bench, [name], SECONDS / 4, hz=400.0, speed=4.0)
    now = energy_of(series, 77 * SECOND, 77 * SECOND + int(SECONDS / 4 * 1e9))
    truth = joules(SECONDS) / 4 * (0.1 if name == "ina:VDD_IN" else 1.0)
    assert now.low <= truth <= now.high and now.watts == pytest.approx(truth / (SECONDS / 4), rel=0.02)
    if name == "ina:VDD_IN":
        assert meter.channels[0].update_seconds == meter.channels[0].averaging_seconds == 0.025
    else:
        assert meter.channels[0].resolution == GPU.resolution / 4


def test_a_counter_that_wrapped_wraps_again(tmp_path: Path) -> None:
    wrapping = Channel("rapl:p", "rapl", "rapl:p", "joules", Scope.CHIP, max_watts=400.0, wraps_at=500.0)
    rows: List[Row] = [(0, k / 50, joules(k / 50) % 500.0, None) for k in range(401)]
    path = record(tmp_path / "wraps.arrows", rows, wrapping)
    for speed in (1.0, 2.0):
        _, (series,) = played(path, ["rapl:p"], 8 / speed, speed=speed)
        energy = energy_of(series, 77 * SECOND, 77 * SECOND + int(8 / speed * 1e9))
        assert energy.joules == pytest.approx(joules(8.0) / speed, rel=0.01)


def test_the_recorder_plays_it_from_another_folder(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bench.parent)
    recorder = Recorder.start(bench.parent / "again.arrows", [parse_meter("replay:trace=bench.arrows,speed=10")])
    assert recorder.unavailable == [] and recorder.wait_sampled()
    recorder.stop()
    again = read_trace(bench.parent / "again.arrows")
    assert set(again.metered) == {"replay:nvml:0", "replay:ina:VDD_IN", "replay:ina:VDD_GPU"}
    assert set(again.conditions) == {"replay:nvml:0 temperature"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "needs a trace"),
        (":trace=nowhere.arrows", "'nowhere.arrows' cannot be read"),
        (":trace=.", "cannot be read"),
        (":trace=text", "text is not a trace"),
        (":trace=empty.arrows", "holds no reading"),
        (":trace=bench.arrows,channel=nvml:1", "Did you mean 'nvml:0'"),
        (":trace=bench.arrows,channel=nvml:0 temperature", "unknown channel of the trace"),
        (":trace=bench.arrows,speed=0", "speed is '0'"),
        (":trace=bench.arrows,speed=fast", "speed is 'fast'"),
        (":trace=bench.arrows,sped=2", "Did you mean 'speed'"),
    ],
)
def test_what_cannot_be_played_is_refused(
    bench: Path, monkeypatch: pytest.MonkeyPatch, options: str, words: str
) -> None:
    monkeypatch.chdir(bench.parent)
    Path("text").write_text("no trace at all\n")
    record(Path("empty.arrows"), [(0, 0.0, None, "GPU is lost")], GPU)
    with pytest.raises(UsageError, match=words):
        open_meter(parse_meter("replay" + options))
    assert os.getcwd() == str(bench.parent)


def test_it_is_played_only_where_it_is_named() -> None:
    assert "replay" in METERS and "replay" not in FOUND
    assert "replay" not in [found.name for found in available_meters()]
