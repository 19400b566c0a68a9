"""Killed and started again with the same command, a run ends as if nothing had happened, to the bit."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from energytrain.pruning.ticket import Ticket
from energytrain.runs.events import read_events
from energytrain.runs.result import run_result

DRIVER = Path(__file__).with_name("killed_run.py")
ARGUMENTS = (
    "run --dataset digits --width 0.0625 --limit 256 --epochs 8 --batch-size 64 --eps 0.9 --queue 2 --align 1 "
    "--l1 1e-3 --meter none --device generic-cpu --compute cpu --method {method} --name run --quiet --json"
).split()


def command(folder, plan, method):
    arguments = [text.format(method=method) for text in ARGUMENTS]
    return [sys.executable, str(DRIVER), json.dumps(plan), *arguments, "--runs-dir", str(folder)]


def start(folder, plan, method="eb-ff"):
    return subprocess.run(command(folder, plan, method), capture_output=True, timeout=300)


def run_to_the_end(folder, method="eb-ff", **plan):
    done = start(folder, {"kill": "never", **plan}, method)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def assert_same(folder, result, whole_folder, whole):
    ours, theirs = (load_file(str(f / "run" / "model.safetensors")) for f in (folder, whole_folder))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    mine, its = (Ticket.load(f / "run" / "ticket.json") for f in (folder, whole_folder))
    assert mine == its
    assert result["distances"] == whole["distances"] and len(whole["distances"]) >= 2
    assert result["useful"]["flops"] == whole["useful"]["flops"]
    assert [(r["phase"], r["epochs"], r["flops"]) for r in result["phases"]] == [
        (r["phase"], r["epochs"], r["flops"]) for r in whole["phases"]
    ]
    assert result["accuracy"] == whole["accuracy"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, run_to_the_end(folder)


def test_killed_in_search_rebuild_checkpoint_and_retraining_then_continued(whole, tmp_path):
    whole_folder, expected = whole
    plans = [
        {"kill": "mark", "after": 12},
        {"kill": "rebuild"},
        {"kill": "checkpoint", "after": 2},
    ]
    for plan in plans:
        killed = start(tmp_path, plan)
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    result = run_to_the_end(tmp_path)
    assert_same(tmp_path, result, whole_folder, expected)
    assert len(run_result(tmp_path / "run")["phases"]) == 3
    attempts = json.loads((tmp_path / "run" / "run.json").read_text())["attempts"]
    assert [a["status"] for a in attempts] == ["killed"] * 3 + ["done"]
    assert result["lost"]["seconds"] > 0 and result["lost"]["flops"] > 0
    spent, parts = result["spent"], ("useful", "evaluation", "overhead", "lost")
    assert spent["flops"] == sum(result[name]["flops"] for name in parts)
    assert spent["seconds"] >= sum(result[name]["seconds"] for name in parts) * 0.999


@pytest.mark.slow
@pytest.mark.parametrize("method", ["eb-ff", "eb-reinit", "random-ticket"])
def test_killed_at_ten_random_moments_and_once_across_a_reboot(method, whole, tmp_path, tmp_path_factory):
    if method == "eb-ff":
        whole_folder, expected = whole
    else:
        whole_folder = tmp_path_factory.mktemp("whole")
        expected = run_to_the_end(whole_folder, method)
    marks = len(read_events(whole_folder / "run" / "events.jsonl"))
    chance = random.Random(7)
    plans = [{"kill": "mark", "after": chance.randrange(3, marks // 2)} for _ in range(5)]
    plans += [{"kill": "checkpoint", "after": chance.randrange(1, 3)} for _ in range(3)] + [{"kill": "rebuild"}]
    chance.shuffle(plans)
    other_boot = tmp_path / "boot_id"
    other_boot.write_text("0b00715e-d000-4000-8000-000000000001\n")
    kills = 0
    for number, plan in enumerate(plans):
        if number >= len(plans) // 2:
            plan = {**plan, "boot": str(other_boot)}
        killed = start(tmp_path, plan, method)
        kills += killed.returncode == -signal.SIGKILL
    assert start(tmp_path, {"kill": "result", "boot": str(other_boot)}, method).returncode in (0, -signal.SIGKILL)
    assert kills >= 5
    result = run_to_the_end(tmp_path, method, boot=str(other_boot))
    assert_same(tmp_path, result, whole_folder, expected)
    boots = {e["boot_id"] for e in read_events(tmp_path / "run" / "events.jsonl") if e["kind"] == "attempt"}
    assert len(boots) == 2


def interruptible():
    """A job that a shell put into the background ignores SIGINT, and so would the processes of its tests."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupted_by_the_keyboard_it_says_how_to_go_on(tmp_path):
    long = [*command(tmp_path, {"kill": "never"}, "dense"), "--epochs", "40"]
    process = subprocess.Popen(long, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=interruptible)
    events = tmp_path / "run" / "events.jsonl"
    while not (events.exists() and any(e.get("what") == "training" for e in read_events(events))):
        assert process.poll() is None, process.communicate()[1].decode()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and b"the same command continues" in err and b"Traceback" not in err
    assert run_result(tmp_path / "run")["status"] == "interrupted"
    again = subprocess.run(long, capture_output=True, timeout=300)
    assert again.returncode == 0 and json.loads(again.stdout)["status"] == "done"
