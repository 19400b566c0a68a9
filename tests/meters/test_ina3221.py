"""The INA3221 driver over fake boards: what it reads, what it says of its errors, and what it does when files fail."""

import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict

import pytest
from fakes.tegra import EACCES_FILE, EIO_FILE, FakeBoard, Wave

from energytrain.energy.integrator.integrate import energy_of
from energytrain.energy.primary import choose_primary
from energytrain.energy.recorder.client import Recorder
from energytrain.energy.traces.trace import read_trace
from energytrain.errors import MeterUnavailable, UsageError
from energytrain.meters.base import Channel, left_out
from energytrain.meters.catalog import available_meters, open_meter, parse_meter
from energytrain.meters.jetson.ina3221_chip import averaging_times, channel_errors, timing_of

BOARDS: Dict[str, Dict[str, float]] = {  # what the rails of each board show; nested ones inside their parents
    "tx2": {"VDD_IN": 9.0, "VDD_SYS_GPU": 4.0, "VDD_SYS_CPU": 2.0, "VDD_MUX": 3.0},
    "nano": {"POM_5V_IN": 6.0, "POM_5V_GPU": 2.0, "POM_5V_CPU": 1.5},
    "xavier-nx": {"VDD_IN": 12.0, "VDD_CPU_GPU_CV": 6.0, "VDD_SOC": 2.0},
    "agx-xavier": {"GPU": 10.0, "CPU": 4.0, "SOC": 3.0, "CV": 0.5, "VDDRQ": 2.0, "SYS5V": 3.0},
    "orin-nano": {"VDD_IN": 11.0, "VDD_CPU_GPU_CV": 5.0, "VDD_SOC": 2.0},
    "orin-nx": {"VDD_IN": 19.0, "VDD_CPU_GPU_CV": 11.0, "VDD_SOC": 3.0},
    "agx-orin": {"VDD_GPU_SOC": 20.0, "VDD_CPU_CV": 6.0, "VIN_SYS_5V0": 5.0, "VDDQ_VDD2_1V8AO": 1.5},
}
AVERAGED = (("tx2", 64), ("agx-orin", 1))
MODULE = {"tx2": 9, "nano": 6, "xavier-nx": 12, "agx-xavier": 22.5, "orin-nano": 11, "orin-nx": 19, "agx-orin": 31}


def opened(fake: FakeBoard, **options: str) -> Any:
    text = ",".join(f"{key}={value}" for key, value in {"root": fake.root, **options}.items())
    return open_meter(parse_meter(f"ina3221:{text}"))


def watts(meter: Any) -> Dict[str, float]:
    return {c.name.partition(":")[2]: r.value for c, r in zip(meter.channels, meter.read())}


def half_width(channel: Channel, value: float) -> float:
    return channel.gain_error * value + channel.offset_watts + channel.resolution


@pytest.fixture
def tx2(tmp_path: Path) -> FakeBoard:
    board = FakeBoard(tmp_path, "tx2")
    board.power(**BOARDS["tx2"])
    return board


@pytest.fixture
def orin(tmp_path: Path) -> FakeBoard:
    board = FakeBoard(tmp_path / "orin", "orin-nx", samples=1)
    board.power(**BOARDS["orin-nx"])
    return board


@pytest.mark.parametrize("name", BOARDS)
def test_the_total_of_each_board_is_what_its_module_draws(name: str, tmp_path: Path) -> None:
    board = FakeBoard(tmp_path, name)
    board.power(**BOARDS[name])
    meter = opened(board)
    assert left_out(meter) == ()
    read = watts(meter)
    chosen = choose_primary(meter.channels)
    total = sum(read[channel.name.partition(":")[2]] for channel in chosen)
    bound = sum(half_width(c, read[c.name.partition(":")[2]]) for c in chosen)
    assert abs(total - MODULE[name]) <= bound < 0.25 * MODULE[name] + 0.1
    for channel in meter.channels:
        label = channel.name.partition(":")[2]
        assert abs(read[label] - BOARDS[name].get(label, 0.0)) <= half_width(channel, read[label]), label


def test_a_tx2_reads_its_module_and_on_request_its_carrier_board(tx2: FakeBoard) -> None:
    assert [c.name for c in opened(tx2).channels][:3] == [
        "ina3221:VDD_SYS_GPU",
        "ina3221:VDD_SYS_SOC",
        "ina3221:VDD_4V0_WIFI",
    ]
    assert len(opened(tx2).channels) == 6
    meter = opened(tx2, carrier="on")
    assert len(meter.channels) == 12 and watts(meter)["VDD_MUX"] == pytest.approx(3.0, abs=0.1)
    assert [c.name for c in choose_primary(meter.channels)] == ["ina3221:VDD_IN"]


def test_only_the_rails_of_the_total(tx2: FakeBoard, tmp_path: Path) -> None:
    assert list(watts(opened(tx2, rails="total"))) == ["VDD_IN"]
    agx = FakeBoard(tmp_path / "agx", "agx-orin")
    assert list(watts(opened(agx, rails="total"))) == ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"]


def test_what_the_files_say_of_a_rail_s_errors(tx2: FakeBoard, orin: FakeBoard) -> None:
    channel = {c.name: c for c in opened(tx2).channels}["ina3221:VDD_IN"]
    assert channel.resolution == pytest.approx(40e-6 / 0.005 * 19.096), "one step of the shunt at this voltage"
    assert channel.offset_watts == pytest.approx(110e-6 / 0.005 * 19.096)
    assert 0.012 < channel.gain_error < 0.03
    assert (channel.update_seconds, channel.smoothing_seconds) == (0.0066, pytest.approx(64 * 0.0066))
    channel = opened(orin).channels[0]
    assert channel.resolution == pytest.approx(40e-6 / 0.005 * 5.096)
    assert (channel.update_seconds, channel.averaging_seconds) == (None, None), "one conversion is a moment"


def test_a_monitor_that_sleeps_between_reads_is_read_at_a_moment(tmp_path: Path) -> None:
    channel = opened(FakeBoard(tmp_path, "tx2", samples=1)).channels[0]
    assert (channel.update_seconds, channel.averaging_seconds) == (None, None)


def test_hwmon_s_own_words_on_its_averaging(tmp_path: Path) -> None:
    channel = opened(FakeBoard(tmp_path, "xavier-nx", samples=128, round_seconds=0.007)).channels[0]
    assert channel.update_seconds == pytest.approx(0.007)
    assert channel.smoothing_seconds == channel.averaging_seconds == pytest.approx(128 * 0.007)


def test_without_the_device_tree_s_words_the_board_s_table_stands_in(tx2: FakeBoard) -> None:
    expected = opened(tx2).channels
    for device in (tx2.root / "sys/bus/i2c/devices").iterdir():
        shutil.rmtree(device / "of_node")
    assert opened(tx2).channels == expected


def test_a_disabled_input_is_not_metered_and_missed_where_the_total_needs_it(tmp_path: Path) -> None:
    board = FakeBoard(tmp_path, "agx-orin")
    (board.file("VDDQ_VDD2_1V8AO").parent / "in2_enable").write_text("0\n")
    meter = opened(board)
    assert len(meter.channels) == 3 and left_out(meter) == ()
    (board.file("VIN_SYS_5V0").parent / "in3_enable").write_text("0\n")
    meter = opened(board)
    assert [part for part, _, _ in left_out(meter)] == ["ina3221:VIN_SYS_5V0"] and choose_primary(meter.channels) == ()


@pytest.mark.parametrize("kind", ["power", "volts"])
def test_a_failed_read_is_a_gap_with_the_kernel_s_words_and_never_a_zero(orin: FakeBoard, kind: str) -> None:
    meter = opened(orin)
    orin.replace("VDD_IN", EIO_FILE, kind)
    first, *others = meter.read()
    name = orin.file("VDD_IN", kind).name
    assert (first.value, first.error) == (None, f"{name}: Input/output error")
    assert all(reading.value is not None for reading in others)


@pytest.mark.parametrize("text", ["", "12 34\n", "0x1f\n", "-\n", "\xff\n"])
def test_torn_text_is_a_failed_read(tx2: FakeBoard, text: str) -> None:
    meter = opened(tx2)
    tx2.file("VDD_IN").write_text(text, encoding="latin-1")
    reading = {c.name: r for c, r in zip(meter.channels, meter.read())}["ina3221:VDD_IN"]
    assert reading.value is None and str(reading.error).startswith("in_power0_input says '")


def test_a_negative_current_is_what_the_chip_says(tx2: FakeBoard) -> None:
    tx2.file("VDD_4V0_WIFI").write_text("-38\n")
    assert watts(opened(tx2))["VDD_4V0_WIFI"] == pytest.approx(-0.038)


def test_a_monitor_that_vanishes_and_comes_back(tx2: FakeBoard, tmp_path: Path) -> None:
    meter = opened(tx2)
    device = (tx2.root / "sys/bus/i2c/devices/0-0041").resolve()
    device.rename(tmp_path / "away")
    lost = {c.name: r.error for c, r in zip(meter.channels, meter.read()) if r.value is None}
    assert sorted(lost) == ["ina3221:VDD_IN", "ina3221:VDD_SYS_CPU", "ina3221:VDD_SYS_DDR"]
    assert lost["ina3221:VDD_IN"] == "in_power0_input: No such file or directory"
    (tmp_path / "away").rename(device)
    assert all(reading.value is not None for reading in meter.read())


def test_a_rail_that_fails_as_it_is_opened_is_kept(tx2: FakeBoard) -> None:
    tx2.replace("VDD_SYS_CPU", EIO_FILE)
    assert len(opened(tx2).channels) == 6


def test_a_file_that_may_not_be_read_is_named_with_the_fix(tx2: FakeBoard) -> None:
    if not os.path.exists(EACCES_FILE):
        pytest.skip("no file here refuses root")
    tx2.replace("VDD_IN", EACCES_FILE)
    with pytest.raises(MeterUnavailable) as caught:
        opened(tx2)
    assert "may not read" in caught.value.message and "in_power0_input" in caught.value.message
    assert "sudo chmod a+r" in str(caught.value.hint)


def test_a_board_whose_rails_all_fail(tx2: FakeBoard) -> None:
    for label in ("VDD_IN", "VDD_SYS_CPU", "VDD_SYS_DDR", "VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_4V0_WIFI"):
        tx2.replace(label, EIO_FILE)
    with pytest.raises(MeterUnavailable, match="Input/output error"):
        opened(tx2)


def test_a_board_without_monitors(tmp_path: Path) -> None:
    board = FakeBoard(tmp_path, "nano")
    board.remove("6-0040")
    with pytest.raises(MeterUnavailable) as caught:
        opened(board)
    assert "no INA3221" in caught.value.message
    assert "-v /sys:/sys:ro" in str(caught.value.hint) and "--privileged is not needed" in str(caught.value.hint)


def test_no_jetson(tmp_path: Path) -> None:
    (found,) = available_meters([parse_meter(f"ina3221:root={tmp_path}")])
    assert not found.ok and "no Jetson" in str(found.why)


def test_a_container_that_hides_the_device_tree(tx2: FakeBoard) -> None:
    shutil.rmtree(tx2.root / "sys/firmware")
    (tx2.root / "etc/nv_tegra_release").unlink()
    with pytest.raises(MeterUnavailable):
        opened(tx2)
    assert [c.name for c in choose_primary(opened(tx2, board="tx2").channels)] == ["ina3221:VDD_IN"]


def test_an_unknown_board_says_what_would_make_a_total(tmp_path: Path) -> None:
    board = FakeBoard(tmp_path, "other")
    meter = opened(board)
    assert len(meter.channels) == 3 and choose_primary(meter.channels) == () and len(left_out(meter)) == 1
    with pytest.raises(MeterUnavailable, match="contain others is not known"):
        opened(board, rails="total")


def test_two_rails_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    board = FakeBoard(tmp_path, "agx-orin")
    board.file("VDDQ_VDD2_1V8AO", "label").write_text("VDD_CPU_CV\n")
    names = [channel.name for channel in opened(board).channels]
    assert len(set(names)) == len(names) == 4
    assert [c.name for c in choose_primary(opened(board).channels)] == [
        "ina3221:VDD_GPU_SOC",
        "ina3221:VDD_CPU_CV",
        "ina3221:VIN_SYS_5V0",
    ]


def test_a_shunt_that_the_kernel_has_wrong_is_refused(orin: FakeBoard) -> None:
    (orin.file("VDD_IN").parent / "shunt1_resistor").write_text("5\n")
    meter = opened(orin)
    assert [c.name for c in meter.channels] == ["ina3221:VDD_CPU_GPU_CV", "ina3221:VDD_SOC"]
    why = {part: why for part, why, _ in left_out(meter) if "ohms" in why}
    assert list(why) == ["ina3221:VDD_IN"] and "5e-06 ohms" in why["ina3221:VDD_IN"]
    assert choose_primary(meter.channels) == ()


def test_where_a_rail_of_a_sum_has_a_wrong_shunt_there_is_no_total(tmp_path: Path) -> None:
    board = FakeBoard(tmp_path, "agx-orin")
    (board.file("VDD_GPU_SOC").parent / "shunt1_resistor").write_text("5\n")
    meter = opened(board)
    assert "ina3221:VDD_CPU_CV" in [channel.name for channel in meter.channels]
    assert "ina3221:VDD_GPU_SOC" not in [channel.name for channel in meter.channels]
    assert choose_primary(meter.channels) == ()


@pytest.mark.parametrize("options", [{"rails": "some"}, {"carrier": "yes"}, {"board": "tx3"}])
def test_wrong_options(tx2: FakeBoard, options: Dict[str, str]) -> None:
    with pytest.raises(UsageError):
        opened(tx2, **options)


def test_the_chip_s_registers() -> None:
    assert timing_of(0x7727) == (0.0066, 64) and timing_of(0x7127) == (0.0066, 1)
    assert timing_of(0x7C07) == (0.00084, 512) and timing_of(0x4127) == (0.0022, 1)
    assert averaging_times(0.0066, 1) == {}
    lag = pytest.approx(0.4224)
    assert averaging_times(0.0066, 64) == {
        "update_seconds": 0.0066,
        "averaging_seconds": lag,
        "smoothing_seconds": lag,
    }


def test_what_is_not_known_is_taken_for_the_worst() -> None:
    worst = channel_errors(None, None)
    for volts, ohms in ((5.0, 0.005), (19.0, 0.005), (20.0, 0.002), (0.0, 0.01)):
        known = channel_errors(volts, ohms)
        assert known["offset_watts"] <= worst["offset_watts"] and known["resolution"] <= worst["resolution"]
        assert math.isfinite(known["gain_error"])


def test_the_truth_lies_inside_the_bounds(tmp_path: Path) -> None:
    """Square waves on chips that read 1 % high and 60 uV off, with and without averaging, through the real recorder."""
    boards = {name: FakeBoard(tmp_path / name, name, samples, gain=1.01, offset_uv=60.0) for name, samples in AVERAGED}
    waves = {f"ina3221:{label}": Wave(0.4 * top, top, 1.7) for name in boards for label, top in BOARDS[name].items()}
    for name, board in boards.items():
        board.play(**{label: waves[f"ina3221:{label}"].watts for label in BOARDS[name]})
    meters = [parse_meter(f"ina3221:root={board.root}") for board in boards.values()]
    recorder = Recorder.start(tmp_path / "t.arrows", meters, hz=50.0)
    try:
        assert recorder.unavailable == [] and recorder.wait_sampled(20)
        time.sleep(1.0)
        begin = time.monotonic()
        time.sleep(4.0)
        end = time.monotonic()
        time.sleep(1.0)
    finally:
        recorder.stop()
        for board in boards.values():
            board.close()
    series = {name: one for name, one in read_trace(recorder.trace).metered.items() if name in waves}
    assert len(series) == 7
    for name, one in series.items():
        truth = waves[name].joules(begin, end)
        energy = energy_of(one, int(begin * 1e9), int(end * 1e9))
        assert energy.joules is not None and energy.low <= truth <= energy.high, name
        assert energy.joules == pytest.approx(truth, rel=0.1, abs=4.0) and energy.coverage > 0.99, name


def test_it_needs_no_library_that_is_not_installed_anyway() -> None:
    code = "import energytrain.meters.jetson.ina3221, sys; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "jtop", "pynvml", "numpy", "pyarrow"} & set(told.stdout.split())
