"""The marks: torn tails, damage, kills in the middle of writing, a full disk, and a reader beside the writer."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

import pytest

from energytrain.errors import RunFailed, UsageError
from energytrain.runs.events import SCHEMA_VERSION, EventWriter, read_events, read_log

WRITE_FOREVER = """
import sys
from energytrain.runs.events import EventWriter
attempt = int(sys.argv[2])
writer = EventWriter(sys.argv[1], attempt)
sys.stdout.write("ready\\n"); sys.stdout.flush()
number = 0
while True:
    writer.append("beat", number=number, text="x" * (number % 7) * 30_000)
    number += 1
"""


def _start_writer(path: Path, attempt: int) -> "subprocess.Popen[str]":
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOREVER, str(path), str(attempt)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
    return writer


def _written(path: Path, *attempts: int) -> List[Dict[str, Any]]:
    for attempt in attempts:
        with EventWriter(path, attempt) as writer:
            writer.append("attempt", host="here")
            writer.append("beat", step=3)
    return read_events(path)


def test_marks_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    before = time.monotonic_ns()
    with EventWriter(path, 2) as writer:
        returned = [writer.append("start", span="a", epoch=None), writer.append("end", t=17, loss=0.1)]
    after = time.monotonic_ns()
    events = read_events(path)
    assert events == returned
    assert [e["kind"] for e in events] == ["start", "end"] and {e["attempt"] for e in events} == {2}
    assert before <= events[0]["t"] <= after and events[1]["t"] == 17
    assert events[0]["schema_version"] == SCHEMA_VERSION and "schema_version" not in events[1]
    assert path.read_bytes().count(b"\n") == 2


def test_a_mark_is_in_the_file_before_the_writer_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writer = EventWriter(path, 1)
    writer.append("beat", step=1)
    assert [e["step"] for e in read_events(path)] == [1]
    writer.close()
    writer.close()


def test_attempts_follow_each_other(tmp_path: Path) -> None:
    events = _written(tmp_path / "events.jsonl", 1, 2, 3)
    assert [e["attempt"] for e in events] == [1, 1, 2, 2, 3, 3]
    assert [e.get("schema_version") for e in events] == [1, None] * 3


def test_a_run_that_never_began_has_no_marks(tmp_path: Path) -> None:
    assert read_log(tmp_path / "events.jsonl") == ([], 0)
    (tmp_path / "empty").write_bytes(b"")
    assert read_log(tmp_path / "empty") == ([], 0)


def test_every_cut_of_the_last_line_is_passed_over_and_never_glued(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    whole = _written(path, 1)
    data = path.read_bytes()
    last = data[:-1].rfind(b"\n") + 1
    for cut in range(last, len(data)):
        path.write_bytes(data[:cut])
        log = read_log(path)
        # The last byte is the line end: without it the mark is whole all the same.
        torn = cut - last if cut < len(data) - 1 else 0
        assert log.torn_bytes == torn
        assert log.events == (whole if cut == len(data) - 1 else whole[:1])
        with EventWriter(path, 2) as writer:
            assert writer.torn_bytes == torn
            added = writer.append("attempt", host="there")
        assert read_log(path) == ([*log.events, added], 0)


def test_a_torn_line_longer_than_a_block_is_cut_off_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    whole = _written(path, 1)
    with path.open("ab") as file:
        file.write(b'{"kind": "' + b"x" * 200_000)
    with EventWriter(path, 2) as writer:
        assert writer.torn_bytes == 200_010
    assert read_log(path) == (whole, 0)
    path.write_bytes(b"x" * 200_000)
    with EventWriter(path, 2) as writer:
        assert writer.torn_bytes == 200_000
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b'{"kind": "be',
        b'{"kind": "a", "t": 1, "att{"kind": "b", "t": 2, "attempt": 1}',
        b"[]",
        b"null",
        b'{"kind": 3, "t": 1, "attempt": 1}',
        b'{"kind": "a", "t": 1.5, "attempt": 1}',
        b'{"kind": "a", "t": true, "attempt": 1}',
        b'{"kind": "a", "t": 1}',
        b"\0\0\0\0",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
    ids=lambda line: repr(line[:30]),
)
def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "events.jsonl"
    _written(path, 1)
    first, second, _ = path.read_bytes().split(b"\n")
    damaged = b"\n".join([first, line, second, b""])
    path.write_bytes(damaged)
    with pytest.raises(UsageError, match="damaged in line 2") as caught:
        read_events(path)
    assert str(path) in caught.value.message and caught.value.hint
    assert path.read_bytes() == damaged


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for version in ("2", '"1"', "1.0"):
        path.write_text(f'{{"kind": "attempt", "t": 1, "attempt": 1, "schema_version": {version}}}\n')
        with pytest.raises(UsageError, match="newer format"):
            read_events(path)


def test_a_mark_that_json_has_not_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path, 1) as writer:
        with pytest.raises(ValueError):
            writer.append("end", loss=float("nan"))
        with pytest.raises(ValueError, match="the writer's"):
            writer.append("end", attempt=3)
        added = writer.append("end", loss=None)
    assert read_events(path) == [added] and added["schema_version"] == SCHEMA_VERSION


def test_a_full_disk_leaves_whole_lines_and_the_run_may_go_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writer = EventWriter(path, 1)
    kept = [writer.append("beat", text="x" * 100)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(RunFailed, match="cannot be written") as caught:
            writer.append("beat", text="y" * 5000)
        assert read_log(path) == (kept, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.exit_status == 1
    kept.append(writer.append("beat", text="z" * 5000))
    writer.close()
    assert read_log(path) == (kept, 0)


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="cannot be written"):
        EventWriter(tmp_path / "none" / "events.jsonl", 1)
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunFailed):
        EventWriter(tmp_path / "folder", 1)
    with pytest.raises(UsageError, match="cannot be read"):
        read_events(tmp_path / "folder")


def test_a_thread_makes_marks_durable_without_being_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted at the system call: a mark is synced soon after it was appended, and an idle writer syncs nothing."""
    synced: List[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), real(descriptor)))
    writer = EventWriter(tmp_path / "events.jsonl", 1, sync_seconds=0.01)
    synced.clear()
    time.sleep(0.1)
    assert synced == []
    writer.append("beat")
    deadline = time.monotonic() + 10
    while not synced and time.monotonic() < deadline:
        time.sleep(0.005)
    assert len(synced) == 1
    writer.close()
    assert len(synced) == 2


def test_a_disk_that_fails_in_the_background_is_told_at_the_next_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = EventWriter(tmp_path / "events.jsonl", 1, sync_seconds=0.01)

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        writer.append("beat")
        writer._thread.join(10)
    with pytest.raises(RunFailed, match="Input/output error"):
        writer.append("beat")
    writer.close()


def test_killed_while_writing_the_marks_go_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for attempt in range(1, 6):
        writer = _start_writer(path, attempt)
        while not any(e["attempt"] == attempt for e in read_events(path)):
            assert writer.poll() is None
        time.sleep(0.01 * attempt)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert writer.stdout is not None
        writer.stdout.close()
    events = read_events(path)
    for attempt in range(1, 6):
        numbers = [e["number"] for e in events if e["attempt"] == attempt]
        assert numbers == list(range(len(numbers)))
    assert [e["attempt"] for e in events] == sorted(e["attempt"] for e in events)
    assert events[-1]["attempt"] == 5


def test_a_reader_beside_the_writer_sees_a_growing_beginning(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writer = _start_writer(path, 1)
    try:
        seen: List[int] = []
        while len(seen) < 3 or seen[-1] < seen[0] + 20:
            assert writer.poll() is None
            numbers = [e["number"] for e in read_events(path)]
            assert numbers == list(range(len(numbers)))
            if numbers and numbers[-1] > (seen[-1] if seen else -1):
                seen.append(numbers[-1])
    finally:
        writer.kill()
        writer.wait()
        assert writer.stdout is not None
        writer.stdout.close()


def test_lines_are_what_any_json_reader_takes(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    written = _written(path, 1)
    assert [json.loads(line) for line in path.read_text().splitlines()] == written
