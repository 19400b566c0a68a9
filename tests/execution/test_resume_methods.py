"""Killed once in every phase of every method and started again, a run ends as if nothing had happened, to the bit."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from energytrain.runs.events import read_events
from energytrain.runs.timeline import USEFUL

DRIVER = Path(__file__).with_name("killed_run.py")
COMMON = (
    "run --dataset digits --width 0.0625 --limit 128 --epochs 3 --batch-size 64 --eps 0.9 --queue 1 --align 1 "
    "--meter none --device generic-cpu --compute cpu --name run --quiet --json"
)
# lt and lt-rewind are the recipe of lt-iterative with other numbers; of its two rounds the second is killed.
METHODS = {
    "lt-iterative": "--rounds 2 --retrain-epochs 2",
    "snip": "",
    "snip --structured": "--retrain reinit",
    "ns": "--retrain low-lr-rewind --retrain-epochs 2",
    "thinet": "--rounds 2 --retrain-epochs 1",
    "sfp": "",
    "l1-filters": "--retrain reinit --retrain-epochs 1",
    "gradual": "--draw-epoch 1 --gradual-epochs 2 --retrain-epochs 2",
    "early-gradual": "--gradual-epochs 2 --retrain-epochs 1",
    "eb-ff": "--search ppr --retrain lr-rewind --retrain-epochs 2",
    "eb-reinit": "--prune-ratio auto --accuracy-budget 80",
    "eb-ll": "",
    "eb-lf": "--master-weights",
}
AVERAGED = "dense --epochs 16 --average --precision bfp8"


def start(folder, method, plan):
    arguments = [
        *COMMON.split(),
        "--method",
        *method.split(),
        *METHODS.get(method, "").split(),
        "--runs-dir",
        str(folder),
    ]
    return subprocess.run([sys.executable, str(DRIVER), json.dumps(plan), *arguments], capture_output=True, timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_killed_in_every_phase_it_ends_as_if_nothing_had_happened(method, tmp_path):
    whole = uninterrupted(tmp_path, method)
    events = read_events(tmp_path / "whole" / "run" / "events.jsonl")
    places = dict.fromkeys((e["phase"], e["what"]) for e in events if e["kind"] == "start" and e["what"] in USEFUL)
    places = {place: None for place in places if not place[0].endswith("-1")}
    plans = [{"kill": "span", "phase": phase, "what": what} for phase, what in places]
    plans.insert(len(plans) // 2, {"kill": "checkpoint"})
    killed_and_continued(tmp_path, method, plans, whole)


@pytest.mark.slow
def test_killed_between_two_epochs_whose_weights_are_averaged(tmp_path):
    """Of 16 epochs the last two are averaged; killed once before the first of them, and once between them."""
    whole = uninterrupted(tmp_path, AVERAGED)
    plan = {"kill": "span", "phase": "train", "what": "training"}
    killed_and_continued(tmp_path, AVERAGED, [{**plan, "after": 15}, {**plan, "after": 2}], whole)


def uninterrupted(folder, method):
    done = start(folder / "whole", method, {"kill": "never"})
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def killed_and_continued(tmp_path, method, plans, whole):
    for plan in plans:
        killed = start(tmp_path / "killed", method, plan)
        assert killed.returncode == -signal.SIGKILL, (plan, killed.stderr.decode())
    done = start(tmp_path / "killed", method, {"kill": "never"})
    assert done.returncode == 0, done.stderr.decode()
    result = json.loads(done.stdout)
    ours, theirs = (load_file(str(tmp_path / name / "run" / "model.safetensors")) for name in ("killed", "whole"))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    for key in ("accuracy", "distances", "network"):
        assert result[key] == whole[key]
    costs = [[(r["phase"], r["epochs"], r["flops"], r["bytes"]) for r in run["phases"]] for run in (result, whole)]
    assert costs[0] == costs[1]
    assert result["lost"]["seconds"] > 0
