"""How sure the energy of a load is by a TX2's monitors, from their files and from jtop: prints what the docs say of it.

python -m pytest -s -m slow tests/meters/test_board_bounds.py
"""

import time
from pathlib import Path

import pytest
from fakes.jtop_service import RealJtop
from fakes.tegra import FakeBoard, Wave

from energytrain.energy.integrator.integrate import energy_of
from energytrain.energy.recorder.client import Recorder
from energytrain.energy.traces.trace import read_trace
from energytrain.meters.catalog import parse_meter

LOAD = Wave(5.0, 13.0, 2.0)
WINDOWS = (4.0, 16.0)  # seconds


@pytest.mark.slow
def test_the_files_of_a_board_are_surer_than_jtop_and_both_hold_the_truth(tmp_path: Path) -> None:
    board = FakeBoard(tmp_path / "board", "tx2")
    board.play(VDD_IN=LOAD.watts)
    service = RealJtop(tmp_path, board.root)
    meters = [f"ina3221:root={board.root},rails=total", f"jtop:socket={service.socket},root={board.root}"]
    recorder = Recorder.start(tmp_path / "trace.arrows", [parse_meter(meter) for meter in meters])
    assert recorder.unavailable == []
    time.sleep(max(WINDOWS) + 3.0)
    recorder.stop()
    service.close()
    board.close()
    metered = read_trace(tmp_path / "trace.arrows").metered
    start = int(metered["jtop:VDD_IN"].t[0]) + 1_500_000_000
    for seconds in WINDOWS:
        end = start + int(seconds * 1e9)
        wide = {}
        for meter in ("ina3221", "jtop"):
            energy = energy_of(metered[f"{meter}:VDD_IN"], start, end)
            assert energy.joules is not None and energy.low is not None and energy.high is not None
            assert energy.low <= LOAD.joules(start * 1e-9, end * 1e-9) <= energy.high, meter
            wide[meter] = (energy.high - energy.low) / 2 / energy.joules
            print(f"{meter:<8} {seconds:>4g} s: +-{100 * wide[meter]:.0f} %")
        # What jtop leaves open is at the edges, when its service publishes: the longer the window, the less it weighs.
        assert wide["ina3221"] < wide["jtop"] / (2 if seconds == min(WINDOWS) else 1)
