"""`energytrain bench` as a person meets it: real processes on digits, killed and started again."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from energytrain.runs.folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]
TINY = (
    "{dataset: digits, width: 0.0625, limit: 128, epochs: 1, batch-size: 64, eps: 1, queue: 1, align: 1, meter: none, "
    "device: generic-cpu, compute: cpu}"
)
ONE = "matrix: [{method: dense}]"
MATCHED = "matrix: [{method: [dense, eb-ff], seed: [0]}, {method: small-dense, like: eb-ff, seed: [0]}]"


def command(*arguments):
    return [sys.executable, "-m", "energytrain", "bench", *map(str, arguments)]


def bench(*arguments, cwd):
    return subprocess.run(command(*arguments), cwd=cwd, capture_output=True, text=True, timeout=300)


def suite(folder, text, defaults=TINY, name="tiny"):
    path = folder / f"{name}.yaml"
    path.write_text(f"schema_version: 1\nname: {name}\ndefaults: {defaults}\n{text}\n")
    return path.name


def test_help_shows_an_example(tmp_path):
    done = bench("--help", cwd=tmp_path)
    assert done.returncode == 0 and "SUITE.yaml" in done.stdout and "schema_version: 1\n" in done.stdout


@pytest.mark.parametrize(
    "text, words",
    [
        ("matrix: [{method: eb-fff}]", "unknown method 'eb-fff'. Did you mean 'eb-ff'?"),
        ("matrix: [{method: eb-ff, prune-ration: 0.5}]", "Did you mean 'prune-ratio'?"),
        ("matrix: []", "at 'matrix'"),
        ("matrix: [{method: eb-ff}, {method: eb-ff}]", "two runs of the suite are called 'eb-ff-s0'"),
        ("matrix: [{method: eb-ff, epochs: many}]", "the run 'eb-ff-s0' cannot be: Invalid value for '--epochs'"),
    ],
)
def test_a_wrong_suite_is_one_sentence_and_exit_2(text, words, tmp_path):
    done = bench(suite(tmp_path, text), cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert done.stdout == "" and [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_a_missing_file_and_options_that_exclude_each_other(tmp_path):
    done = bench("nowhere.yaml", cwd=tmp_path)
    assert done.returncode == 2 and "there is no suite file 'nowhere.yaml'" in done.stderr
    for pair in (("--rerun-stale", "--accept-changes"), ("--dry-run", "--report")):
        done = bench(suite(tmp_path, ONE), *pair, cwd=tmp_path)
        assert done.returncode == 2 and "Give one of the two." in done.stderr


def test_a_value_out_of_range_is_said_before_anything_runs(tmp_path):
    done = bench(suite(tmp_path, "matrix: [{method: dense}, {method: eb-ff, eps: 2}]"), cwd=tmp_path)
    assert done.returncode == 2 and "the run 'eb-ff-s0' cannot be: --eps must" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_suite_is_trained_shown_and_then_skipped(tmp_path):
    file = suite(tmp_path, ONE)
    done = bench(file, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "[1/1] dense-s0 starts" in done.stdout and "[1/1] dense-s0 done in" in done.stdout
    assert "useful FLOPs" in done.stdout and "Every energy is modelled" in done.stdout and "\x1b" not in done.stdout
    again = bench(file, "--json", cwd=tmp_path)
    told = json.loads(again.stdout)
    assert again.returncode == told["exit_status"] == 0
    assert told["runs"] == [{"run": "dense-s0", "state": "was done", "why": "", "folder": "runs/tiny/dense-s0"}]
    (group,) = told["groups"]
    assert group["name"] == "dense" and group["accuracy"]["n"] == 1 and group["energies"][0]["provenance"] == "modelled"
    assert len(RunFolder(tmp_path / "runs" / "tiny" / "dense-s0").read()["attempts"]) == 1


@pytest.mark.slow
def test_a_control_is_matched_to_the_run_of_this_suite(tmp_path):
    file = suite(tmp_path, MATCHED)
    before = json.loads(bench(file, "--dry-run", "--json", cwd=tmp_path).stdout)
    assert not (tmp_path / "runs").exists()
    done = bench(file, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row["state"] for row in told["runs"]] == ["done"] * 3
    results = {row["run"]: json.loads((tmp_path / row["folder"] / "result.json").read_text()) for row in told["runs"]}
    target = results["eb-ff-s0"]["network"]["after"]["macs"]
    assert results["small-dense-s0"]["spec"]["match"] == f"macs:{target}"
    planned = {row["run"]: row["flops"]["value"] for row in before["runs"]}
    assert planned["dense-s0"] == results["dense-s0"]["useful"]["flops"]
    shown = bench(file, "--report", cwd=tmp_path)
    assert shown.returncode == 0 and "points over dense" in shown.stdout
    left = json.loads(bench(file, "--dry-run", "--json", cwd=tmp_path).stdout)
    assert {row["do"] for row in left["runs"]} == {"skip"} and left["sum"]["runs"] == 0
    record = tmp_path / "runs" / "tiny" / "eb-ff-s0" / "run.json"
    record.write_text(re.sub(r'"torch": "[^"]*"', '"torch": "1.0"', record.read_text()))
    stale = bench(file, "--json", cwd=tmp_path)
    assert stale.returncode == 5 and "torch 1.0, not" in stale.stderr
    assert [row["state"] for row in json.loads(stale.stdout)["runs"]] == ["was done", "left out", "was done"]
    again = bench(file, "--rerun-stale", "--json", cwd=tmp_path)
    # The same ticket is drawn again, so that what is matched to it is still matched to it.
    assert [row["state"] for row in json.loads(again.stdout)["runs"]] == ["was done", "done", "was done"]
    assert again.returncode == 0


def started(file, cwd, run):
    """The suite in a process of its own, once the run has begun to train."""
    process = subprocess.Popen(command(file), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    events = cwd / "runs" / "tiny" / run / "events.jsonl"
    while not (events.exists() and '"what": "training"' in events.read_text().replace('":"', '": "')):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


LONG = TINY.replace("epochs: 1", "epochs: 30")


@pytest.mark.slow
def test_a_suite_that_is_killed_goes_on_with_what_it_had(tmp_path):
    file = suite(tmp_path, "matrix: [{method: [dense, eb-reinit], seed: [0]}]", LONG)
    killed = started(file, tmp_path, "eb-reinit-s0")
    killed.kill()
    killed.communicate()
    done = bench(file, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in json.loads(done.stdout)["runs"]] == ["was done", "was done"]
    for name in ("dense-s0", "eb-reinit-s0"):
        assert len(RunFolder(tmp_path / "runs" / "tiny" / name).read()["attempts"]) == 1, "nothing was trained twice"


@pytest.mark.slow
def test_a_suite_and_its_run_that_are_killed_go_on_from_the_last_checkpoint(tmp_path):
    file = suite(tmp_path, "matrix: [{method: [dense, eb-reinit], seed: [0]}]", LONG)
    killed = started(file, tmp_path, "dense-s0")
    run = RunFolder(tmp_path / "runs" / "tiny" / "dense-s0")
    while not list(run.checkpoint.glob("*.json")):
        time.sleep(0.02)
    killed.kill()
    os.kill(run.read()["attempts"][-1]["pid"], signal.SIGKILL)
    killed.communicate()
    done = bench(file, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in json.loads(done.stdout)["runs"]] == ["done", "done"]
    assert [attempt["status"] for attempt in run.read()["attempts"]] == ["killed", "done"]


@pytest.mark.slow
def test_a_signal_ends_the_suite_and_marks_its_run(tmp_path):
    file = suite(tmp_path, "matrix: [{method: [dense, eb-reinit], seed: [0]}]", LONG)
    process = started(file, tmp_path, "dense-s0")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "dense-s0 interrupted" in out and "Traceback" not in err
    attempts = RunFolder(tmp_path / "runs" / "tiny" / "dense-s0").read()["attempts"]
    assert [attempt["status"] for attempt in attempts] == ["interrupted"]
    assert not (tmp_path / "runs" / "tiny" / "eb-reinit-s0").exists()


@pytest.mark.slow
def test_the_example_runs_as_it_was_said_to(tmp_path):
    """Seconds depend on the machine and on what else runs there: they are printed beside the rest, not judged."""
    file = ROOT / "benchmarks" / "suites" / "digits.yaml"
    before = json.loads(bench(file, "--dry-run", "--json", cwd=tmp_path).stdout)
    begun = time.monotonic()
    done = bench(file, "--json", cwd=tmp_path)
    took = time.monotonic() - begun
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {group["name"]: group["accuracy"]["n"] for group in told["groups"]} == {
        "dense": 2,
        "eb-ff-p0.5": 2,
        "small-dense-p0.5": 2,
    }
    flops = sum(group["flops"]["mean"] * group["flops"]["n"] for group in told["groups"])
    joules = sum(group["energies"][0]["joules"]["mean"] * group["flops"]["n"] for group in told["groups"])
    whole = before["sum"]
    ratios = whole["flops"] / flops, whole["seconds"] / took, sum(whole["joules"].values()) / joules
    print("said over done: FLOPs {:.2f}, seconds {:.2f}, joules {:.2f}".format(*ratios))
    assert 0.5 < ratios[0] < 2 and 0.5 < ratios[2] < 2
