"""Files that are whole or not there, with real processes that are killed and really run out of room."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from energytrain.atomic import write_bytes, write_json

WRITE_FOREVER = """
import sys
from energytrain.atomic import write_bytes
for round in range(10**9):
    write_bytes(sys.argv[1], bytes([round % 256]) * 300_000)
"""


def test_readers_and_the_next_start_meet_whole_files_only(tmp_path: Path) -> None:
    """A reader beside the writer, and what is left when the writer is killed."""
    target = tmp_path / "data"
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITE_FOREVER, str(target)])
        while not target.exists():
            assert writer.poll() is None
            time.sleep(0.001)
        seen = [_whole(target) for _ in range(300)]
        patience = time.monotonic() + 60  # a writer that was given no processor meanwhile
        while len(set(seen)) == 1 and time.monotonic() < patience:
            seen.append(_whole(target))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert len(set(seen)) > 1
        _whole(target)


def _whole(target: Path) -> int:
    content = target.read_bytes()
    assert len(content) == 300_000 and content.count(content[:1]) == 300_000
    return content[0]


def test_without_room_the_old_file_stays_and_nothing_else_does(tmp_path: Path) -> None:
    target = tmp_path / "data"
    write_bytes(target, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError):
            write_bytes(target, b"n" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["data"]


def test_json_is_readable_and_refuses_what_json_has_not(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"a": [1, 0.1]})
    assert json.loads(target.read_text()) == {"a": [1, 0.1]}
    with pytest.raises(ValueError):
        write_json(target, {"a": float("nan")})
    assert json.loads(target.read_text()) == {"a": [1, 0.1]}
