"""A suite carried out: what is started, skipped, continued and left out, whatever becomes of its runs."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import filelock
import pytest
from suites.making import Stage, Watching

from energytrain.errors import UsageError
from energytrain.runs.folder import RunFolder
from energytrain.suites.run_suite import exit_status, found_outcomes, run_suite

TWO = "matrix: [{method: [dense, eb-ff], seed: [0]}]"
MATCHED = "matrix: [{method: [eb-ff, dense], seed: [0]}, {method: small-dense, like: eb-ff, seed: [0]}]"


@pytest.fixture
def stage(tmp_path, paper_spec):
    return lambda text=TWO: Stage(tmp_path, paper_spec, text)


def carried_out(stage, watching=None, **options):
    """[(word, status), ...] by name, and the suite's exit status."""
    outcomes = run_suite("small", stage.jobs, stage.answers, stage.treatment(**options), watching or Watching())
    return {o.name: (o.word, o.status) for o in outcomes}, exit_status(outcomes, len(stage.jobs))


def test_runs_are_started_in_order_and_what_is_done_is_skipped(stage):
    small, watching = stage(MATCHED), Watching()
    done = {"eb-ff-s0": ("done", 0), "small-dense-s0": ("done", 0), "dense-s0": ("done", 0)}
    assert carried_out(small, watching) == (done, 0)
    assert small.calls() == ["eb-ff-s0", "dense-s0", "small-dense-s0"]
    assert watching.messages == ["what every run says"] * 3
    assert watching.left[0] is None and watching.left[2] > 0 == watching.left[-1]
    assert carried_out(small) == ({name: ("was done", 0) for name in done}, 0)
    assert small.calls() == []


def test_a_run_that_fails_or_dies_does_not_end_the_rest_and_is_tried_again(stage):
    small = stage("matrix: [{method: [dense, eb-ff, eb-reinit], seed: [0]}]")
    small.does = {"dense-s0": "fail", "eb-ff-s0": "die"}
    outcomes = run_suite("small", small.jobs, small.answers, small.treatment(), Watching())
    assert [(o.word, o.why) for o in outcomes] == [
        ("failed", "the loss is no longer finite."),
        ("failed", "ended by signal 9"),
        ("done", ""),
    ]
    assert exit_status(outcomes, 3) == 1
    small.does, _ = {}, small.calls()
    assert carried_out(small)[1] == 0 and small.calls() == ["dense-s0", "eb-ff-s0"]


def test_what_matches_a_run_that_failed_is_left_out(stage):
    small = stage(MATCHED)
    small.does = {"eb-ff-s0": "fail"}
    words, status = carried_out(small)
    assert words["small-dense-s0"] == ("left out", 5) and words["dense-s0"] == ("done", 0) and status == 1


def test_incomplete_metering_is_told_each_time(stage):
    small = stage()
    small.does = {"eb-ff-s0": "incomplete"}
    assert carried_out(small) == ({"dense-s0": ("done", 0), "eb-ff-s0": ("done", 3)}, 3)
    assert carried_out(small) == ({"dense-s0": ("was done", 0), "eb-ff-s0": ("was done", 3)}, 3)


def test_a_signal_is_the_runs_and_ends_the_suite_and_the_same_command_goes_on(stage):
    small = stage()
    small.does = {"dense-s0": "wait"}
    told = []

    def stop_once(job):
        if not told and RunFolder(small.folder / "runs" / "dense-s0").events.exists():
            told.append(job)
            # A terminal's Ctrl-C would reach the run by itself.
            os.kill(os.getpid(), signal.SIGTERM)

    assert carried_out(small, Watching(stop_once)) == ({"dense-s0": ("interrupted", 130)}, 130)
    attempts = RunFolder(small.folder / "runs" / "dense-s0").read()["attempts"]
    assert [a["status"] for a in attempts] == ["interrupted"]
    small.does, _ = {}, small.calls()
    assert carried_out(small)[1] == 0 and small.calls() == ["dense-s0", "eb-ff-s0"]
    assert len(RunFolder(small.folder / "runs" / "dense-s0").read()["attempts"]) == 2


@pytest.mark.parametrize(
    "now",
    [
        {"commit": {"hash": "b" * 40, "dirty": False}},
        {"commit": {"hash": "a" * 40, "dirty": True}},
        {"machine": {"cpu": "y", "threads": 1}},
        {"versions": {"energytrain": "1", "torch": "3"}},
    ],
)
def test_what_another_commit_or_machine_did_is_kept_and_not_taken_as_done(stage, now):
    small = stage()
    carried_out(small)
    small.now = {**small.now, **now}
    small.calls()
    stale = {name: ("left out", 5) for name in ("dense-s0", "eb-ff-s0")}
    outcomes = run_suite("small", small.jobs, small.answers, small.treatment(), Watching())
    assert {o.name: (o.word, o.status) for o in outcomes} == stale and all(o.finished for o in outcomes)
    (name,) = now
    assert name in outcomes[0].why or "torch" in outcomes[0].why or "cpu" in outcomes[0].why
    assert [o.word for o in found_outcomes(small.jobs, small.answers, small.treatment())] == ["left out"] * 2
    assert carried_out(small, accept_changes=True)[1] == 0 and small.calls() == []
    assert carried_out(small, rerun_stale=True)[1] == 0
    assert small.calls() == ["dense-s0 --fresh", "eb-ff-s0 --fresh"]
    assert carried_out(small)[1] == 0 and small.calls() == []


def test_an_unfinished_run_of_another_commit_is_continued_only_where_that_is_allowed(stage):
    small = stage()
    small.does = {"dense-s0": "fail"}
    carried_out(small)
    small.does, small.now = {}, {**small.now, "commit": {"hash": "b" * 40, "dirty": False}}
    small.calls()
    assert carried_out(small)[0]["dense-s0"] == ("left out", 5) and small.calls() == []
    assert carried_out(small, accept_changes=True)[1] == 0
    assert small.calls() == ["dense-s0 --accept-changes"]


def test_other_settings_under_the_same_names_are_refused_before_anything_is_done(stage):
    small = stage()
    carried_out(small)
    small.specs["dense-s0"] = small.specs["dense-s0"].__class__(**{**small.specs["dense-s0"].__dict__, "epochs": 9})
    small.calls()
    with pytest.raises(UsageError, match=r"other runs under this suite's names \(epochs 160, not 9: dense-s0\)"):
        carried_out(small)
    assert small.calls() == []
    words, status = carried_out(small, rerun_stale=True)
    assert status == 0 and small.calls() == ["dense-s0 --fresh"] and words["eb-ff-s0"] == ("was done", 0)


def test_a_damaged_run_is_named_and_left_as_it_is(stage):
    small = stage()
    carried_out(small)
    (small.folder / "runs" / "dense-s0" / "run.json").write_text("{")
    outcomes = run_suite("small", small.jobs, small.answers, small.treatment(), Watching())
    assert outcomes[0].word == "failed" and "cannot be read" in outcomes[0].why
    assert exit_status(outcomes, 2) == 1


def test_a_run_that_another_process_trains_is_waited_for(stage):
    small, watching = stage(), Watching()
    small.does = {"dense-s0": "wait"}
    fake = [*small.treatment().command, str(small.folder / "dense-s0.json")]
    place = ["--name", "dense-s0", "--runs-dir", str(small.folder / "runs")]
    other = subprocess.Popen([*fake, *place], stderr=subprocess.DEVNULL)
    folder = RunFolder(small.folder / "runs" / "dense-s0")
    while not folder.events.exists() or not folder.events.read_bytes():
        assert other.poll() is None
    watching.on_works = lambda job: (small.folder / "go").touch()
    words, status = carried_out(small, watching)
    assert other.wait(20) == 0
    assert (words["dense-s0"], status) == (("was done", 0), 0) and small.calls() == ["dense-s0", "eb-ff-s0"]


def test_a_suite_is_run_once_at_a_time(stage):
    small = stage()
    (small.folder / "runs").mkdir()
    with filelock.FileLock(str(small.folder / "runs" / ".small.bench.lock")):
        with pytest.raises(UsageError, match="is being run in .* already"):
            carried_out(small)


def test_what_a_killed_suite_left_running_is_finished_and_the_next_one_goes_on(stage):
    """The suite in a process of its own dies by SIGKILL while its run is at work."""
    small = stage()
    small.does = {"dense-s0": "wait"}
    treatment = small.treatment()
    code = (
        "import sys; from pathlib import Path; from energytrain.suites.child_run import run_child\n"
        "folder = Path(sys.argv[1])\n"
        "run_child([str(folder / 'dense-s0.json'), '--name', 'dense-s0', '--runs-dir', str(folder / 'runs')],\n"
        "    folder / 'runs' / 'dense-s0', print, print, sys.argv[2:])\n"
    )
    suite = subprocess.Popen(
        [sys.executable, "-c", code, str(small.folder), *treatment.command], stdout=subprocess.DEVNULL
    )
    run = small.folder / "runs" / "dense-s0"
    while not (run / "events.jsonl").exists() or not (run / "events.jsonl").read_bytes():
        assert suite.poll() is None
    suite.kill()
    suite.wait()
    threading.Timer(0.2, (small.folder / "go").touch).start()
    words, status = carried_out(small)
    assert (words["dense-s0"], status) == (("was done", 0), 0)
    assert [a["status"] for a in json.loads((run / "run.json").read_text())["attempts"]] == ["done"]
    assert Path(run / "result.json").exists()
