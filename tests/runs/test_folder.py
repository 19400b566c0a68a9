"""The run folder: one writer, whole files, and nothing overwritten that is not a run of the same specification."""

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from energytrain.energy.traces import clocks
from energytrain.errors import RunFailed, UsageError
from energytrain.runs import folder as folder_module
from energytrain.runs.folder import RunFolder

SPEC = {"method": "eb-ff", "epochs": 3}
HOLD = """
import sys, time
from energytrain.runs.folder import RunFolder
with RunFolder(sys.argv[1]).writing() as folder:
    folder.claim({"method": "eb-ff", "epochs": 3}, "abc")
    folder.begin_attempt(None, {}, {})
    print("ready", flush=True)
    sys.stdin.read()
"""


def _hold(path: Path) -> "subprocess.Popen[str]":
    """Another process that writes the run until its standard input is closed."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "ready\n"
    return holder


def _made(path: Path) -> RunFolder:
    folder = RunFolder(path)
    with folder.writing():
        folder.claim(SPEC, "abc")
        folder.begin_attempt({"hash": "f" * 40, "dirty": False}, {"python": "3"}, {"cpu": "x"})
        folder.end_attempt(1, "done")
    return folder


def _content(path: Path) -> Dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def test_a_run_is_made_and_read(tmp_path: Path) -> None:
    folder = _made(tmp_path / "runs" / "a")
    record = RunFolder.open(folder.path).read()
    assert (record["spec"], record["identity"], record["schema_version"]) == (SPEC, "abc", 1)
    (attempt,) = record["attempts"]
    assert (attempt["number"], attempt["status"], attempt["pid"]) == (1, "done", os.getpid())
    assert (attempt["host"], attempt["boot_id"]) == (clocks.host(), clocks.boot_id())
    assert attempt["commit"] == {"hash": "f" * 40, "dirty": False}
    assert (attempt["versions"], attempt["machine"]) == ({"python": "3"}, {"cpu": "x"})
    assert attempt["started"] <= attempt["ended"] and attempt["ended"].endswith("+00:00")


def test_the_same_run_is_gone_on_with_and_another_refused(tmp_path: Path) -> None:
    folder = _made(tmp_path / "a")
    with folder.writing():
        assert len(folder.claim(SPEC, "abc")["attempts"]) == 1
        before = _content(tmp_path / "a")
        with pytest.raises(UsageError, match="another specification"):
            folder.claim({"method": "dense"}, "xyz")
        assert _content(tmp_path / "a") == before


def test_a_killed_attempt_has_no_end(tmp_path: Path) -> None:
    holder = _hold(tmp_path / "a")
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    folder = RunFolder(tmp_path / "a")
    with folder.writing():
        assert folder.begin_attempt(None, {}, {}) == 2
    attempts = folder.read()["attempts"]
    assert [(a["status"], a["ended"]) for a in attempts] == [("killed", None), ("running", None)]
    assert attempts[0]["pid"] == holder.pid


def test_a_second_writer_is_told_who_writes(tmp_path: Path) -> None:
    holder = _hold(tmp_path / "a")
    before = _content(tmp_path / "a")
    with pytest.raises(UsageError, match=f"being written by process {holder.pid}"):
        with RunFolder(tmp_path / "a").writing():
            pass
    with pytest.raises(UsageError, match="being written"):
        RunFolder(tmp_path / "a").remove()
    assert _content(tmp_path / "a") == before
    # Reading takes no lock.
    assert RunFolder.open(tmp_path / "a").read()["attempts"][0]["status"] == "running"
    holder.communicate("")
    with RunFolder(tmp_path / "a").writing() as folder:
        assert folder.begin_attempt(None, {}, {}) == 2


def test_two_that_start_at_once_do_not_both_write(tmp_path: Path) -> None:
    code = HOLD.replace("sys.stdin.read()", "time.sleep(1)")
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate() for process in both]
    wrote = [out for out, _ in printed if out == "ready\n"]
    refused = [error for _, error in printed if "being written by" in error]
    assert len(wrote) + len(refused) == 2 and len(wrote) >= 1
    # Where one was so much slower that it came second, both wrote, one after the other.
    assert len(RunFolder(tmp_path / "a").read()["attempts"]) == len(wrote)


def _dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def _held_elsewhere(path: Path, writer: Dict[str, Any]) -> int:
    """A lock that some other open file holds, beside what its writer said of itself."""
    (path / ".writer.json").write_text(json.dumps(writer))
    descriptor = os.open(path / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def test_workers_of_a_killed_writer_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked worker inherits the lock and may outlive its parent for a moment."""
    path = _made(tmp_path / "a").path
    writer = {"pid": _dead_pid(), "host": clocks.host(), "boot_id": clocks.boot_id()}
    descriptor = _held_elsewhere(path, writer)
    worker = subprocess.Popen(["sleep", "0.5"], pass_fds=[descriptor])
    os.close(descriptor)
    with RunFolder(path).writing() as folder:
        assert folder.begin_attempt(None, {}, {}) == 2
    worker.wait()
    monkeypatch.setattr(folder_module, "ORPHAN_SECONDS", 0.2)
    descriptor = _held_elsewhere(path, writer)
    with pytest.raises(UsageError, match=f"being written by process {writer['pid']}"):
        with RunFolder(path).writing():
            pass
    os.close(descriptor)


@pytest.mark.parametrize("writer", [{}, {"pid": "x"}, {"pid": 1, "host": "another", "boot_id": "b"}], ids=str)
def test_a_holder_that_cannot_be_judged_counts_as_alive(
    tmp_path: Path, writer: Dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not waited for: the test would not end."""
    monkeypatch.setattr(folder_module, "ORPHAN_SECONDS", 1e9)
    path = _made(tmp_path / "a").path
    descriptor = _held_elsewhere(path, writer)
    with pytest.raises(UsageError, match="being written by"):
        with RunFolder(path).writing():
            pass
    os.close(descriptor)


def test_after_a_reboot_the_old_process_number_means_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = _hold(tmp_path / "a")
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    (tmp_path / "boot_id").write_text("another-boot\n")
    monkeypatch.setattr(clocks, "BOOT_ID_FILE", str(tmp_path / "boot_id"))
    with RunFolder(tmp_path / "a").writing() as folder:
        folder.begin_attempt(None, {}, {})
    attempts = folder.read()["attempts"]
    assert attempts[0]["boot_id"] != attempts[1]["boot_id"] == "another-boot"


def test_without_the_lock_nothing_is_written(tmp_path: Path) -> None:
    folder = _made(tmp_path / "a")
    for write in (
        lambda: folder.claim(SPEC, "abc"),
        lambda: folder.begin_attempt(None, {}, {}),
        lambda: folder.end_attempt(1, "done"),
    ):
        with pytest.raises(ValueError, match="written only inside"):
            write()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    for use in (RunFolder.open, lambda path: RunFolder(path).remove()):
        with pytest.raises(UsageError, match="is not a run"):
            use(tmp_path)
    with pytest.raises(UsageError, match="neither a run nor empty"):
        with RunFolder(tmp_path).writing():
            pass
    assert _content(tmp_path) == {"thesis.tex": b"mine"}


def test_what_a_killed_start_left_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with RunFolder(path).writing():
        pass
    (path / ".run.json.123.tmp").write_text("{")
    folder = _made(path)
    assert folder.read()["identity"] == "abc"


Change = Callable[[Dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: r.update(schema_version=2), "newer energytrain"),
        (lambda r: r.update(schema_version="1"), "not written by energytrain"),
        (lambda r: r.pop("format"), "not written by energytrain"),
        (lambda r: r.update(format="other"), "not written by energytrain"),
        (lambda r: r.pop("spec"), "damaged"),
        (lambda r: r.update(identity=None), "damaged"),
        (lambda r: r.update(attempts={}), "damaged"),
        (lambda r: r["attempts"].append(3), "damaged"),
        (lambda r: r["attempts"][0].update(number=2), "damaged"),
    ],
)
def test_a_run_json_that_is_not_ours_is_refused(tmp_path: Path, change: Change, says: str) -> None:
    folder = _made(tmp_path / "a")
    record = json.loads(folder.run_file.read_text())
    change(record)
    folder.run_file.write_text(json.dumps(record))
    before = folder.run_file.read_bytes()
    with pytest.raises(UsageError, match=says):
        RunFolder.open(folder.path)
    with folder.writing(), pytest.raises(UsageError, match=says):
        folder.claim(SPEC, "abc")
    with pytest.raises(UsageError, match=says):
        folder.remove()
    assert folder.run_file.read_bytes() == before


@pytest.mark.parametrize("text", [b"", b"{", b"null", b"[]", b"\xff", b"[" * 100_000], ids=lambda t: repr(t[:5]))
def test_a_run_json_that_is_no_json_is_refused(tmp_path: Path, text: bytes) -> None:
    folder = _made(tmp_path / "a")
    folder.run_file.write_bytes(text)
    with pytest.raises(UsageError, match="cannot be read|not written by"):
        RunFolder.open(folder.path)


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "runs" / "a", Path("/proc/runs/a"), tmp_path / "file"):
        with pytest.raises(UsageError, match="cannot be written") as caught:
            with RunFolder(path).writing(room_bytes=0):
                pass
        assert "--runs-dir" in str(caught.value)


def test_a_folder_without_the_right_to_write_is_a_clear_error() -> None:
    """As another user, for root may write everywhere; and so not in pytest's own folders, which only root may enter."""
    code = """
import os, sys
from energytrain.errors import UsageError
from energytrain.runs.folder import RunFolder
path = sys.argv[1]
if os.geteuid() == 0:
    os.setgid(65534), os.setuid(65534)
for path in (path, path + "/new", path + "/new/newer"):
    try:
        with RunFolder(path).writing(room_bytes=0):
            print("wrote")
    except UsageError as error:
        print(error)
"""
    with tempfile.TemporaryDirectory() as outside:
        os.chmod(outside, 0o555)
        done = subprocess.run([sys.executable, "-c", code, outside], capture_output=True, text=True)
        assert done.stdout.count("cannot be written (Permission denied)") == 3, done
        assert os.listdir(outside) == []


def test_a_disk_without_room_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no room for a run.*MB are free"):
        with RunFolder(tmp_path / "runs" / "a").writing(room_bytes=1 << 62):
            pass
    assert list(tmp_path.iterdir()) == []


def test_room_that_runs_out(tmp_path: Path) -> None:
    """At the start it is the user's to know before training; at the end the run has failed, and run.json is whole."""
    folder = RunFolder(tmp_path / "a")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))

    def free() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    try:
        with folder.writing():
            full()
            with pytest.raises(UsageError, match="cannot be written"):
                folder.claim({"text": "x" * 5000}, "abc")
            assert not folder.exists()
            free()
            folder.claim({"text": "x" * 5000}, "abc")
            before = folder.run_file.read_bytes()
            full()
            with pytest.raises(UsageError, match="cannot be written"):
                folder.begin_attempt(None, {}, {})
            assert folder.run_file.read_bytes() == before
            free()
            folder.begin_attempt(None, {}, {})
            full()
            with pytest.raises(RunFailed, match="cannot be written"):
                folder.end_attempt(1, "done")
            assert folder.read()["attempts"][0]["status"] == "running"
    finally:
        free()


def test_a_trace_has_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _made(tmp_path / "a")
    monkeypatch.setattr(folder_module, "host", lambda: "../a b")
    trace = folder.trace(3)
    assert trace == folder.path / "traces" / "3-.._a_b.arrows" and trace.parent.is_dir()


def test_a_run_is_begun_anew_beside_files_of_others(tmp_path: Path) -> None:
    folder = _made(tmp_path / "a")
    folder.events.write_text("old")
    (folder.path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="written only inside"):
        folder.discard()
    with folder.writing():
        folder.discard()
        assert not folder.exists() and not folder.events.exists()
        record = folder.claim({"method": "dense"}, "xyz")
    assert (record["identity"], record["attempts"]) == ("xyz", [])
    assert (folder.path / "notes.txt").read_text() == "mine"


def test_a_run_is_removed_and_what_is_not_its_own_stays(tmp_path: Path) -> None:
    folder = _made(tmp_path / "a")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.json").write_text("mine")
    for own in (folder.events, folder.ticket, folder.model, folder.result, folder.trace(1)):
        own.write_text("")
    folder.checkpoint.symlink_to(elsewhere)
    (folder.path / "notes.txt").write_text("mine")
    left = folder.remove()
    assert [p.name for p in left] == ["checkpoint", "notes.txt"]
    assert (elsewhere / "x.json").read_text() == "mine"
    (folder.path / "notes.txt").unlink()
    folder.checkpoint.unlink()
    again = _made(folder.path)
    again.checkpoint.mkdir()
    (again.checkpoint / "00000001.json").write_text("{}")
    assert again.remove() == []
    assert not again.path.exists()
