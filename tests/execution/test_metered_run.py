"""Runs that are measured: the real recorder and the real pynvml over a fake GPU whose true power is known."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from energytrain.runs.events import read_events
from energytrain.runs.result import run_result

ARGUMENTS = (
    "run --dataset digits --width 0.125 --epochs 6 --batch-size 64 --eps 1 --queue 1 --align 1 "
    "--device generic-cpu --compute cpu --name run --json --baseline 0"
).split()
ROWS = ("useful", "evaluation", "spent")


def command(folder, meter, *more):
    return [sys.executable, "-m", "energytrain", *ARGUMENTS, "--meter", meter, "--runs-dir", str(folder), *more]


def energytrain(folder, meter, *more):
    return subprocess.run(command(folder, meter, *more), capture_output=True, text=True, timeout=300)


def start_long(folder, *more):
    """A run that is still at work when a test has noticed how far it is."""
    arguments = command(folder, "nvml", "--epochs", "25", *more)
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("meter", ["nvml", "nvml:counter=off"])
def test_joules_are_measured_and_their_bounds_hold_200_watts(meter, fake_nvml, tmp_path):
    fake_nvml.set(update_ms=20)
    done = energytrain(tmp_path, meter, "--sample-hz", "100")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["headline"] == "measured" and result["primary"] == ["nvml:0"] and result["complete"]
    for row in [*result["phases"], *(result[name] for name in ROWS)]:
        energy, truth = row["energy"], 200.0 * row["seconds"]
        assert energy["provenance"] == "measured" and energy["scope"] == "chip", row["phase"]
        assert energy["low"] <= truth <= energy["high"], row["phase"]
        assert energy["joules"] == pytest.approx(truth, rel=0.05, abs=5.0), row["phase"]
    assert "measured" in done.stderr and " W " in done.stderr, "progress shows watts and joules live"
    dense = result["dense"]["energy"]
    assert dense["provenance"] == "extrapolated"
    assert dense["joules"] == pytest.approx(200.0 * result["dense"]["seconds"], rel=0.05, abs=5.0)
    kinds = {row["channel"]["quantity"] for row in result["meters"]} & {"joules", "watts"}  # the rest are conditions
    assert kinds == ({"joules"} if meter == "nvml" else {"watts"})


@pytest.mark.slow
def test_the_table_says_measured(fake_nvml, tmp_path):
    assert energytrain(tmp_path, "nvml").returncode == 0
    report = subprocess.run(
        [sys.executable, "-m", "energytrain", "report", str(tmp_path / "run")], capture_output=True, text=True
    )
    assert report.returncode == 0
    before, inference = report.stdout.split("inference: ")
    assert "measured, chip" in before and "modelled" not in before
    assert inference.count("modelled") == 1, "what using the network costs was not measured, and says so"


def test_a_gpu_lost_half_way_leaves_a_saved_result_and_exit_3(fake_nvml, tmp_path):
    process = start_long(tmp_path)
    events = tmp_path / "run" / "events.jsonl"
    # Lost as retraining begins, so that the search is whole and the rest is not.
    while not (events.exists() and any(e.get("phase") == "retrain" for e in read_events(events))):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    fake_nvml.lose_gpu()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 3, err
    result = json.loads(out)
    assert result["status"] == "done" and result["accuracy"]["test"] is not None
    assert not result["complete"] and any("retrain" in problem for problem in result["problems"])
    rows = {row["phase"]: row for row in result["phases"]}
    assert rows["search"]["energy"]["low"] <= 200.0 * rows["search"]["seconds"] <= rows["search"]["energy"]["high"]
    lost = rows["retrain"]["energy"]
    assert lost["joules"] is None or lost["coverage"] < 0.9, "energy that nobody read is never made up"
    assert (tmp_path / "run" / "model.safetensors").exists() and "Traceback" not in err


@pytest.mark.parametrize("meter", ["nvml", pytest.param("nvml:gpu=0", marks=pytest.mark.slow)])
def test_a_declared_meter_that_is_not_here_does_not_stop_training_and_is_said(meter, tmp_path, monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    done = energytrain(tmp_path, meter, "--epochs", "2")
    assert done.returncode == 3
    result = json.loads(done.stdout)
    assert result["headline"] == "modelled" and result["accuracy"]["test"] is not None
    assert f"meter '{meter}' cannot be used" in done.stderr and "driver" in done.stderr


def test_another_machine_s_meter_never_stands_for_the_device_that_is_modelled(fake_nvml, tmp_path):
    done = energytrain(tmp_path, "nvml", "--device", "tx2", "--epochs", "2")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["headline"] == "modelled" and result["useful"]["energy"]["provenance"] == "modelled"
    assert " J modelled" in done.stderr and " J measured" not in done.stderr
    assert result["useful"]["measured"]["joules"] is not None, "what this machine used is kept beside it"


@pytest.mark.slow
def test_a_meter_that_nobody_named_is_no_primary_for_a_cpu(fake_nvml, tmp_path):
    done = energytrain(tmp_path, "auto", "--epochs", "2")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["headline"], result["primary"]) == ("modelled", [])


def test_a_recorder_that_dies_leaves_training_alone_and_is_said(fake_nvml, tmp_path):
    process = start_long(tmp_path)
    events = tmp_path / "run" / "events.jsonl"
    while not (events.exists() and any(e.get("phase") == "retrain" for e in read_events(events))):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    for child in children_of(process.pid):
        os.kill(child, signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 3, err
    problems = json.loads(out)["problems"]
    assert any("recorder" in problem for problem in problems)
    again = run_result(tmp_path / "run", recompute=True)
    assert {k: v for k, v in again.items() if k != "key"} == {k: v for k, v in json.loads(out).items() if k != "key"}


@pytest.mark.slow
def test_a_budget_in_joules_ends_the_run_whose_recorder_dies_and_one_in_time_continues_it(fake_nvml, tmp_path):
    process = start_long(tmp_path, "--budget", "1000000J")
    events = tmp_path / "run" / "events.jsonl"
    while not (events.exists() and any(e.get("phase") == "retrain" for e in read_events(events))):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    for child in children_of(process.pid):
        os.kill(child, signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130 and "joules of this run went missing" in err, err
    result = json.loads(out)
    assert result["status"] == "budget" and any("recorder" in problem for problem in result["problems"])
    assert result["spent"]["energy"]["joules"] > 0, "what was read until then counts"
    done = energytrain(tmp_path, "nvml", "--epochs", "25", "--budget", "2h")
    assert done.returncode == 3 and json.loads(done.stdout)["status"] == "done", done.stderr


def children_of(pid):
    """Recorders among the direct children of a process (its resource tracker is not one)."""
    found = []
    for line in subprocess.run(["ps", "-wweo", "pid,ppid,args"], capture_output=True, text=True).stdout.splitlines()[
        1:
    ]:
        child, parent, arguments = line.split(None, 2)
        if int(parent) == pid and "energytrain.energy.recorder" in arguments:
            found.append(int(child))
    assert found
    return found
