"""Faults of the host while a run trains: training goes on, the result is saved, and what is amiss is said."""

import os
import resource
import signal
import subprocess
import sys
import time

import pytest
from execution.small import SMALL, run_small

from energytrain.energy.recorder.client import Recorder
from energytrain.execution.listener import Silent
from energytrain.execution.resolve import resolve
from energytrain.execution.run import execute
from energytrain.meters.catalog import parse_meter
from energytrain.runs.events import read_events
from energytrain.runs.result import run_result

METERED = {"name": "run", "method": "dense", "epochs": 3, "sample_hz": 100.0, "baseline": 0.0}


class Amid(Silent):
    """Does something once, in the middle of the second epoch's steps."""

    def __init__(self, act):
        self._act, self._steps = act, 0

    def step(self, done, steps):
        self._steps += 1
        if self._steps == steps + 2:
            self._act()


def run_with(folder, act, **options):
    spec, settings = resolve({**SMALL, **METERED, "meter": ("nvml",), "runs_dir": str(folder), **options})
    return execute(spec, settings, Amid(act))


def own_recorder():
    """The recorder among the children of this process."""
    listed = subprocess.run(["ps", "-wweo", "pid,ppid,args"], capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    (pid,) = [
        int(p) for p, parent, args in rows if int(parent) == os.getpid() and "energytrain.energy.recorder" in args
    ]
    return pid


def hold_up():
    pid = own_recorder()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5)
    os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("counter", [True, False], ids=["counter", "power"])
def test_a_recorder_that_is_held_up_costs_readings_of_power_and_none_of_a_counter(counter, fake_nvml, tmp_path):
    fake_nvml.set(update_ms=20, instant=1, counter=int(counter))
    outcome = run_with(tmp_path, hold_up)
    result = outcome.result
    told, others = (result["notes"], result["problems"]) if counter else (result["problems"], result["notes"])
    assert any("no reading of 'nvml' for " in text and "the recorder was held up" in text for text in told)
    assert not any("no reading" in text for text in others)
    assert outcome.exit_status == (0 if result["complete"] else 3) and (counter or not result["complete"])
    assert result["status"] == "done" and result["accuracy"]["test"] is not None
    energy = result["useful"]["measured"]
    assert energy["low"] <= 200.0 * result["useful"]["seconds"] <= energy["high"]


def test_a_full_disk_ends_the_trace_and_neither_the_run_nor_its_result(fake_nvml, tmp_path):
    def fill():
        (trace,) = (tmp_path / "run" / "traces").glob("*.arrows")
        room = trace.stat().st_size
        resource.prlimit(own_recorder(), resource.RLIMIT_FSIZE, (room, room))
        time.sleep(2.5)  # until it has tried to write, and has told so

    outcome = run_with(tmp_path, fill)
    result = outcome.result
    assert outcome.exit_status == 3 and result["status"] == "done" and result["accuracy"]["test"] is not None
    (lost,) = [problem for problem in result["problems"] if "cannot be written" in problem]
    assert "the recorder stored no more during the run: the trace cannot be written: File too large" in lost
    assert any("the trace has no end" in problem for problem in result["problems"])
    assert run_result(tmp_path / "run", recompute=True)["problems"] == result["problems"]


def test_a_recorder_that_does_not_start_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    outcome = run_small(tmp_path, meter=("nvml",), **METERED)
    assert outcome.exit_status == 3 and outcome.result["status"] == "done"
    (problem,) = outcome.result["problems"]
    assert "meter 'nvml' could not be used: the recorder cannot be started" in problem


@pytest.fixture
def other_run(fake_nvml, tmp_path):
    """Starts what another run has on this machine: a recorder that writes into its folder."""
    fake_nvml.be_alone()
    started = []

    def start(name):
        (tmp_path / name / "traces").mkdir(parents=True)
        started.append(Recorder.start(tmp_path / name / "traces" / "1-bench.arrows", [parse_meter("nvml")]))

    yield start
    for recorder in started:
        recorder.stop()


def test_runs_at_once_on_one_gpu_are_named_whichever_began_first(other_run, tmp_path):
    other_run("earlier")

    outcome = run_with(tmp_path, lambda: other_run("later"))
    assert outcome.exit_status == 0
    named = [note.split("'")[1] for note in outcome.result["notes"] if "metered by the same sensors" in note]
    assert {"earlier", "later"} <= set(named)
    kinds = {mark["kind"]: mark for mark in read_events(tmp_path / "run" / "events.jsonl")}
    assert "earlier" in kinds["attempt"]["beside"] and "later" in kinds["beside"]["runs"]


def test_what_the_sensors_said_and_who_else_used_the_gpu_is_kept(fake_nvml, tmp_path):
    """Process 1 is on the GPU, which is at 81 °C and held back by its power cap and its heat."""
    names = tmp_path / "root" / "proc" / "self" / "ns"
    names.mkdir(parents=True)
    (names / "pid").symlink_to("pid:[4026531836]")  # as outside of containers, where NVML's ids can be understood
    fake_nvml.be_alone()
    fake_nvml.set(update_ms=20, temperature_c=81, sm_mhz=1300, clock_events=0x44, compute_pids="1")
    outcome = run_small(tmp_path, **METERED, meter=(f"nvml:root={tmp_path / 'root'}",))
    result = outcome.result
    assert outcome.exit_status == 0 and result["complete"]
    assert result["notes"] == ["another process used nvml:0 for 100 % of the training: its energy is in these joules"]
    told = result["conditions"]
    assert told["nvml:0 temperature"]["mean"] == 81.0 and told["nvml:0 SM clock"]["mean"] == 1.3e9
    assert told["nvml:0 clock events"]["shares"] == {"0x4": 1.0, "0x40": 1.0}
    trained = sum(span["seconds"] for span in result["phases"])
    assert told["nvml:0 temperature"]["seconds"] == pytest.approx(trained, rel=0.01)
    (observer,) = result["observer"]
    assert [meter["meter"] for meter in observer["meters"]] == ["nvml", "nvml conditions"]
    assert all(meter["reads"] > 0 and meter["cpu_seconds"] >= 0 for meter in observer["meters"])
