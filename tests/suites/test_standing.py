"""Where a run stands, and what is decided: of commits of a real repository, too."""

import dataclasses
import subprocess

import pytest
from suites.making import COMMIT, MACHINE, VERSIONS

from energytrain.energy.traces import clocks
from energytrain.quantities.ledger import NetworkBill, WorkItem
from energytrain.runs import machine
from energytrain.runs.events import EventWriter
from energytrain.runs.folder import RunFolder
from energytrain.runs.spec import identity
from energytrain.suites import decision
from energytrain.suites.decision import by_reason, decide
from energytrain.suites.resolving import Answer
from energytrain.suites.standing import Standing, standing


@pytest.fixture
def answer(paper_spec):
    return Answer(paper_spec.to_json(), identity(paper_spec), commit=COMMIT, versions=VERSIONS, machine=MACHINE)


def leave(path, answer, *statuses, commit=COMMIT):
    """A run folder whose attempts ended so."""
    folder = RunFolder(path)
    for status in statuses:
        with folder.writing():
            folder.claim(answer.spec, answer.identity)
            number = folder.begin_attempt(commit, VERSIONS, MACHINE)
            with EventWriter(folder.events, number) as writer:
                writer.append("attempt", host=clocks.host(), boot_id=clocks.boot_id(), primary=[])
                if status != "killed":
                    writer.append("stop", status=status, reason="")
            if status != "killed":
                folder.end_attempt(number, status)


@pytest.mark.parametrize(
    "statuses, what",
    [
        ((), "new"),
        (("done",), "done"),
        (("interrupted",), "unfinished"),
        (("killed",), "unfinished"),
        (("failed", "budget"), "unfinished"),
        (("interrupted", "done"), "done"),
    ],
)
def test_by_how_its_attempts_ended(tmp_path, answer, statuses, what, monkeypatch):
    leave(tmp_path / "run", answer, *statuses)
    # The attempt that was never ended is this process's, which lives, but holds no lock.
    assert standing(tmp_path / "run", answer) == Standing(what)


def test_a_run_that_is_done_is_unfinished_where_the_suite_asks_for_inference_too(tmp_path, answer):
    item = WorkItem("conv", "conv", "forward", "fp32", 10)
    bill = NetworkBill((), (item,), 1, 5).to_json()
    folder = RunFolder(tmp_path / "run")
    with folder.writing():
        folder.claim(answer.spec, answer.identity)
        number = folder.begin_attempt(COMMIT, VERSIONS, MACHINE)
        with EventWriter(folder.events, number) as writer:
            writer.append("attempt", host=clocks.host(), boot_id=clocks.boot_id(), primary=[], here=True)
            facts = {"images": 4, "steps": 1, "per_epoch": [], "epochs": 1, "bill": bill}
            writer.append("phase", phase="train", role="dense", **facts)
            writer.append("stop", status="done", reason="")
        folder.end_attempt(number, "done")
    asked = dataclasses.replace(answer, spec=dict(answer.spec, infer=True))
    assert standing(tmp_path / "run", answer).what == "done"
    assert standing(tmp_path / "run", asked).what == "unfinished"


def test_a_run_that_is_being_written_is_underway(tmp_path, answer):
    leave(tmp_path / "run", answer, "killed")
    with RunFolder(tmp_path / "run").writing():
        assert standing(tmp_path / "run", answer).what == "underway"


def test_what_depends_on_a_run_that_is_not_done_is_not_judged(tmp_path, answer):
    unknown = dataclasses.replace(answer, spec=None, identity=None)
    assert standing(tmp_path / "run", unknown).what == "new"
    leave(tmp_path / "run", answer, "done")
    assert standing(tmp_path / "run", unknown).what == "waits"


def test_where_no_checkout_tells_the_version_does(tmp_path, answer):
    leave(tmp_path / "run", answer, "done", commit=None)
    installed = dataclasses.replace(answer, commit=None)
    assert standing(tmp_path / "run", installed).what == "done"
    newer = dataclasses.replace(installed, versions={**VERSIONS, "energytrain": "2"})
    assert standing(tmp_path / "run", newer) == Standing("stale done", "energytrain 1, not 2")
    assert standing(tmp_path / "run", answer).why == "commit unknown, not aaaaaaaa"


@pytest.fixture
def repository(tmp_path):
    """A checkout whose package lies in a folder, and its commits."""
    root = tmp_path / "checkout"
    (root / "package").mkdir(parents=True)

    def git(*arguments):
        who = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
        done = subprocess.run(["git", "-C", str(root), *who, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(file, text):
        (root / file).write_text(text)
        git("add", ".")
        git("commit", "-q", "-m", "x")
        return {"hash": git("rev-parse", "HEAD"), "dirty": False}

    git("init", "-q")
    return root / "package", commit


def test_a_commit_that_leaves_the_package_as_it_is_changes_no_run(repository, tmp_path, answer, monkeypatch):
    package, commit = repository
    first = commit("package/a.py", "1")
    documents = commit("README", "words")
    code = commit("package/a.py", "2")
    assert machine.same_code(first, documents, package) and not machine.same_code(first, code, package)
    assert not machine.same_code(first, {**documents, "dirty": True}, package)
    assert not machine.same_code(first, {"hash": "0" * 40, "dirty": False}, package) and machine.same_code(None, None)
    same_code = machine.same_code
    monkeypatch.setattr("energytrain.suites.standing.same_code", lambda a, b: same_code(a, b, package))
    leave(tmp_path / "done", answer, "done", commit=first)
    leave(tmp_path / "begun", answer, "interrupted", commit=first)
    later = dataclasses.replace(answer, commit=documents)
    assert decide(standing(tmp_path / "done", later), False, False).do == decision.SKIP
    assert decide(standing(tmp_path / "begun", later), False, False).arguments == ("--accept-changes",)
    changed = dataclasses.replace(answer, commit=code)
    assert decide(standing(tmp_path / "begun", changed), False, False).do == decision.LEAVE


def test_names_are_told_by_their_reason():
    reasons = {f"run-{n}": "commit a" for n in range(6)}
    assert by_reason({"x": "cpu", **reasons}) == ["cpu: x", "commit a: run-0, run-1, run-2, run-3 and 2 more"]
