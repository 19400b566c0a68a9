"""Runs on a Jetson: the whole command over a fake board whose power follows a known curve."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from fakes.jtop_service import RealJtop
from fakes.tegra import EIO_FILE, FakeBoard, Wave

from energytrain.devices.setup import load_setup
from energytrain.execution.metering import Metering, meters_of
from energytrain.execution.resolve import device_is_here, resolve
from energytrain.runs.events import read_events

ARGUMENTS = (
    "run --dataset digits --method eb-ff --width 0.125 --epochs 6 --batch-size 64 --eps 1 --queue 1 --align 1 "
    "--compute cpu --name run --json --sample-hz 50 --baseline 0"
).split()
WORK = ("training", "pruning")
WAVES = {"VDD_IN": Wave(4.0, 9.0, 1.3), "VDD_SYS_GPU": Wave(1.0, 4.0, 1.3), "VDD_SYS_CPU": Wave(0.8, 1.4, 1.3)}


@pytest.fixture
def tx2(tmp_path):
    """A TX2 with all its monitors, which read 1 % low."""
    board = FakeBoard(tmp_path / "board", "tx2", gain=0.99)
    board.power(VDD_MUX=5.0, VDD_SYS_DDR=0.9, VDD_SYS_SOC=0.7)
    board.play(**{label: wave.watts for label, wave in WAVES.items()})
    yield board
    board.close()


def energytrain(folder, *more, cwd=None):
    command = [sys.executable, "-m", "energytrain", *ARGUMENTS, "--runs-dir", str(folder), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd)


def spans(folder, phase):
    """(begin, end) in seconds of CLOCK_MONOTONIC of the spans of a phase."""
    begins, found = {}, []
    for event in read_events(folder / "run" / "events.jsonl"):
        if event["kind"] == "start" and event["what"] in WORK and event["phase"] == phase:
            begins[event["span"]] = event["t"] * 1e-9
        elif event["kind"] == "end" and event["span"] in begins:
            found.append((begins[event["span"]], event["t"] * 1e-9))
    return found


def check_measured(done, folder, meter):
    """The result of a run on the fake TX2: measured by `meter` on its input, with bounds that hold the truth."""
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["headline"] == "measured" and result["primary"] == [f"{meter}:VDD_IN"] and result["complete"]
    assert {row["phase"] for row in result["phases"]} >= {"search", "retrain"}
    useful = 0.0
    for row in result["phases"]:
        truth = sum(WAVES["VDD_IN"].joules(*span) for span in spans(folder, row["phase"]))
        energy = row["energy"]
        assert (energy["provenance"], energy["scope"]) == ("measured", "module"), row["phase"]
        assert energy["low"] <= truth <= energy["high"], row["phase"]
        useful += truth
    energy = result["useful"]["energy"]
    assert energy["low"] <= useful <= energy["high"] and energy["joules"] == pytest.approx(useful, rel=0.1, abs=3.0)
    rails = {row["channel"]["name"]: row["channel"] for row in result["meters"] if row["channel"]["meter"] == meter}
    assert len(rails) == 6 and rails[f"{meter}:VDD_SYS_GPU"]["part_of"] == f"{meter}:VDD_IN"
    assert "modelled" not in done.stderr


def test_a_run_on_a_tx2_is_measured_on_its_input_and_the_bounds_hold_the_truth(tx2, tmp_path):
    done = energytrain(tmp_path, "--device", "tx2", "--meter", f"ina3221:root={tx2.root}")
    check_measured(done, tmp_path, "ina3221")


@pytest.mark.slow
def test_jtop_s_own_service_measures_the_same_run(tx2, tmp_path):
    service = RealJtop(tmp_path, tx2.root)
    try:
        meter = f"jtop:socket={service.socket},root={tx2.root}"
        done = energytrain(tmp_path, "--device", "tx2", "--meter", meter)
    finally:
        service.close()
    check_measured(done, tmp_path, "jtop")


@pytest.mark.slow
def test_a_rail_that_cannot_be_read_is_said_and_the_total_stands(tx2, tmp_path):
    """The board's folder is named from where the command runs, which is not where the recorder works."""
    tx2.replace("VDD_SYS_GPU", EIO_FILE)
    done = energytrain(tmp_path, "--device", "tx2", "--meter", "ina3221:root=board", "--epochs", "2", cwd=tmp_path)
    assert done.returncode == 3
    result = json.loads(done.stdout)
    assert result["headline"] == "measured" and result["useful"]["energy"]["coverage"] > 0.99
    assert any("VDD_SYS_GPU" in problem and "Input/output error" in problem for problem in result["problems"])


def test_a_tx2_s_files_make_no_other_board_of_this_machine(tx2):
    spec, _ = resolve({"device": "orin-nx", "meter": (f"ina3221:root={tx2.root}",), "compute": "cpu"})
    assert not device_is_here(spec)


@pytest.mark.parametrize("meter, here", [("root={root}", True), ("board=tx2", True), ("board=nano", False)])
def test_a_tx2_is_where_a_meter_is_shown_its_files_or_told_so(tx2, meter, here):
    spec, _ = resolve({"device": "tx2", "meter": ("ina3221:" + meter.format(root=tx2.root),), "compute": "cpu"})
    assert device_is_here(spec) is here


def test_one_of_the_meters_that_a_board_takes_is_enough(tx2, tmp_path):
    board = replace(load_setup("tx2"), meters_required=((f"jtop:socket={tmp_path}/none", f"ina3221:root={tx2.root}"),))
    spec, _ = resolve({"device": "tx2", "compute": "cpu"})
    metering = Metering.start(spec, board, True, tmp_path / "one.arrows", 1)
    metering.stop()
    assert metering.primary == ("ina3221:VDD_IN",)
    assert not [row for row in metering.unavailable if row["declared"]]
    both = replace(board, meters_required=((f"ina3221:root={tmp_path}/no", f"jtop:board=tx2,socket={tmp_path}/no"),))
    metering = Metering.start(spec, both, True, tmp_path / "none.arrows", 1)
    assert metering.primary == () and [row["meter"].partition(":")[0] for row in metering.unavailable[:2]] == [
        "ina3221",
        "jtop",
    ]
    assert all(row["declared"] and row["why"] for row in metering.unavailable[:2])
    assert meters_of(spec, board, here=False)[1] == []
