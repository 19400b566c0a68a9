"""jtop's own service over the files of fake boards: the meter jtop gives what the meter ina3221 gives."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict

import pytest
from fakes.jtop_fixture import INTERVAL, by_name, until, whole
from fakes.jtop_service import RealJtop
from fakes.tegra import FakeBoard, Wave

from energytrain.energy.integrator.integrate import energy_of
from energytrain.energy.recorder.client import Recorder
from energytrain.energy.traces.trace import read_trace
from energytrain.meters.base import left_out
from energytrain.meters.catalog import open_meter, parse_meter

ROOT = Path(__file__).resolve().parents[2]
OLD_GENERATION = "4.2.12"  # what a TX2's JetPack 4 gets


def labels(channels: Any) -> Dict[str, Any]:
    """The channels by their rails, and without what tells one meter of a board from another."""
    return {
        channel.name.partition(":")[2]: replace(
            channel,
            name="",
            meter="",
            part_of=channel.part_of and channel.part_of.partition(":")[2],
            update_seconds=None,
        )
        for channel in channels
    }


@pytest.mark.parametrize("name", ["tx2", "nano", "orin-nano", "agx-orin"])
def test_the_real_service_gives_the_same_rails_as_the_files_of_the_board(name: str, tmp_path: Path) -> None:
    board = FakeBoard(tmp_path / "board", name)
    direct = open_meter(parse_meter(f"ina3221:root={board.root}"))
    watts = {channel.name.partition(":")[2]: 2.0 + number for number, channel in enumerate(direct.channels)}
    board.power(**watts)
    service = RealJtop(tmp_path, board.root)
    meter = open_meter(parse_meter(f"jtop:socket={service.socket},root={board.root},interval={INTERVAL}"))
    try:
        assert labels(meter.channels) == labels(direct.channels)
        assert [part[0].partition(":")[2] for part in left_out(meter)] == [
            part[0].partition(":")[2] for part in left_out(direct)
        ]
        readings = until(lambda: by_name(meter), whole)
        for channel, reading in zip(direct.channels, direct.read()):
            assert reading.value == pytest.approx(watts[channel.name.partition(":")[2]], abs=channel.resolution)
            assert readings[channel.name.replace("ina3221", "jtop")].value == pytest.approx(reading.value, abs=0.0011)
    finally:
        meter.close()
        service.close()


def agree(folder: Path, name: str, samples: int, interval: float, wave: Wave) -> None:
    """jtop and the files of a board tell the same energy of a changing load, and the right one, within their bounds."""
    board = FakeBoard(folder / "board", name, samples=samples)
    board.play(VDD_IN=wave.watts)
    service = RealJtop(folder, board.root)
    texts = [
        f"jtop:socket={service.socket},root={board.root},interval={interval}",
        f"ina3221:root={board.root},rails=total",
    ]
    recorder = Recorder.start(folder / "trace.arrows", [parse_meter(text) for text in texts], 50.0)
    assert recorder.unavailable == []
    time.sleep(5.0)
    recorder.stop()
    service.close()
    board.close()
    trace = read_trace(folder / "trace.arrows")
    start = int(trace.metered["jtop:VDD_IN"].t[0]) + 1_500_000_000
    end = start + 3_000_000_000
    truth = wave.joules(start * 1e-9, end * 1e-9)
    for meter in ("jtop", "ina3221"):
        energy = energy_of(trace.metered[f"{meter}:VDD_IN"], start, end)
        assert energy.low <= truth <= energy.high, meter
        assert energy.coverage > 0.9  # the files are read often, and a busy machine misses some of it


def test_it_agrees_with_the_files_of_the_board(tmp_path: Path) -> None:
    agree(tmp_path, "tx2", 64, 0.5, Wave(5.0, 13.0, 2.3))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "samples", "interval", "period"),
    [
        ("tx2", 64, 0.2, 1.0),
        ("tx2", 64, 0.5, 0.7),
        ("tx2", 64, 0.5, 4.1),
        ("orin-nano", 1, 0.5, 0.7),
        ("orin-nano", 16, 0.2, 1.0),
        ("orin-nano", 16, 0.5, 4.1),
    ],
)
def test_it_agrees_with_the_files_of_any_board(
    name: str, samples: int, interval: float, period: float, tmp_path: Path
) -> None:
    agree(tmp_path, name, samples, interval, Wave(5.0, 13.0, period))


@pytest.mark.slow
def test_the_generation_that_a_tx2_gets(tmp_path: Path) -> None:
    """All quick tests of the meter jtop with jetson-stats 4.2, client and service."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(tmp_path)]
    got = subprocess.run([*install, f"jetson-stats=={OLD_GENERATION}"], capture_output=True, text=True)
    if got.returncode != 0:
        pytest.skip(f"pip cannot get jetson-stats {OLD_GENERATION}: {got.stderr.strip().splitlines()[-1]}")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    which = [sys.executable, "-c", "import jtop; print(jtop.__version__)"]
    version = subprocess.run(which, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    assert version == OLD_GENERATION
    files = [str(file) for file in Path(__file__).parent.glob("test_jtop*.py")]
    tests = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", *files]
    done = subprocess.run(tests, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "skipped" not in done.stdout
