"""Checkpoints under kills, full disks and hostile files."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import pytest
import safetensors.torch
import torch

from energytrain.errors import RunFailed, UsageError
from energytrain.training.checkpoint import CheckpointStore

ROOT = Path(__file__).resolve().parents[2]


def _tensors(number: int) -> Dict[str, torch.Tensor]:
    return {"weight": torch.full((4, 5), float(number)), "count": torch.tensor(number)}


def _store(folder: Path, *numbers: int) -> CheckpointStore:
    store = CheckpointStore(folder)
    for number in numbers:
        store.save(number, _tensors(number), {"epoch": number})
    return store


def _names(folder: Path) -> "list[str]":
    return sorted(os.listdir(folder))


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "new" / "checkpoint")
    assert store.load_latest() is None
    tensors = {
        "half": torch.randn(3, 4).to(torch.bfloat16),
        "bits": torch.tensor([True, False]),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(7),
        "last": torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last),
        "view": torch.randn(10, 10)[2:5, ::3],
    }
    tensors["tied"] = tensors["scalar"]
    state = {"epoch": 3, "third": 1 / 3, "widths": (1, 2), 10: "a", 9: "b", "nothing": None}
    store.save(3, tensors, state)
    loaded = CheckpointStore(tmp_path / "new" / "checkpoint").load_latest()
    assert loaded is not None and loaded.number == 3
    assert loaded.state == json.loads(json.dumps(state))
    assert set(loaded.tensors) == set(tensors)
    for name, value in tensors.items():
        assert loaded.tensors[name].dtype == value.dtype
        assert torch.equal(loaded.tensors[name], value)


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    store = _store(tmp_path, 1, 2, 5, 6)
    assert store.numbers() == [5, 6]
    assert len(_names(tmp_path)) == 4
    latest = store.load_latest()
    assert latest is not None and latest.state == {"epoch": 6}


def test_a_number_may_be_written_again_but_never_a_lower_one(tmp_path: Path) -> None:
    store = _store(tmp_path, 1, 2)
    store.save(2, _tensors(20), {"epoch": "again"})
    latest = store.load_latest()
    assert latest is not None and latest.state == {"epoch": "again"} and latest.tensors["count"] == 20
    assert len(_names(tmp_path)) == 4
    with pytest.raises(ValueError, match="cannot follow"):
        store.save(1, _tensors(1), {})


def test_foreign_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    foreign = ["notes.txt", "1.json", "model.safetensors", ".other.tmp", "00000001-best.safetensors"]
    for name in foreign:
        (tmp_path / name).write_text("mine")
    _store(tmp_path, 1, 2, 3, 4)
    assert all((tmp_path / name).read_text() == "mine" for name in foreign)


def test_state_that_json_has_not_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    store = _store(tmp_path, 1)
    before = _names(tmp_path)
    with pytest.raises(ValueError):
        store.save(2, _tensors(2), {"loss": float("nan")})
    assert _names(tmp_path) == before


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_at_any_moment_a_whole_checkpoint_is_left(tmp_path: Path, seed: int) -> None:
    script = Path(__file__).with_name("checkpoint_killing.py")
    command = [sys.executable, str(script), str(tmp_path), "60", str(seed)]
    done = subprocess.run(
        command, env=dict(os.environ, PYTHONPATH=str(ROOT)), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["latest"] > 10
    # Kills did fall into the middle of a save, and the next save cleared up behind them.
    assert seen["leftovers"] > 0
    assert len(seen["files"]) == 4 and not any(name.endswith(".tmp") for name in seen["files"])


FULL_DISK = """
import resource, sys, torch
from energytrain.errors import RunFailed
from energytrain.training.checkpoint import CheckpointStore
store = CheckpointStore(sys.argv[1])
store.save(1, {"a": torch.ones(1000)}, {"epoch": 1})
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for limit in sys.argv[2:]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), hard))
    try:
        store.save(2, {"a": torch.ones(10_000)}, {"epoch": 2, "text": "x" * 300_000})
    except RunFailed as error:
        message = f"{error.exit_status} {error}"
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    print(store.load_latest().number, message)
"""


def test_a_full_disk_fails_the_run_and_keeps_the_last_good_one(tmp_path: Path) -> None:
    """The limit is met by the tensors (40 kB), only by the JSON after them (300 kB), or by the first byte."""
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path), "30000", "100000", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.startswith("1 1 there is no room for a checkpoint") and "Checkpoint 1 is kept" in line
    latest = CheckpointStore(tmp_path).load_latest()
    assert latest is not None and latest.number == 1 and torch.equal(latest.tensors["a"], torch.ones(1000))
    assert not [name for name in _names(tmp_path) if name.endswith(".tmp")]
    # With room again the next save works and clears up.
    _store(tmp_path, 2)
    assert CheckpointStore(tmp_path).numbers() == [1, 2]
    assert len(_names(tmp_path)) == 4


def test_a_folder_that_cannot_be_made_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match="could not be written"):
        CheckpointStore(tmp_path / "file" / "checkpoint").save(1, _tensors(1), {})


Change = Callable[[Dict[str, Any]], object]


def _hostile() -> Iterator[Any]:
    def put(*path: str, value: Any) -> Change:
        def change(record: Dict[str, Any]) -> None:
            for key in path[:-1]:
                record = record[key]
            record[path[-1]] = value

        return change

    outside = ("../secret", "/etc/hostname", "a/../../secret", "00000002-0123456789abcdef.safetensors/../x", "", ".")
    for name in outside:
        yield f"file {name!r}", put("tensors", "file", value=name)
    yield "a file that is not there", put("tensors", "file", value="00000002-0123456789abcdef.safetensors")
    yield "a file name that is a number", put("tensors", "file", value=7)
    yield "a wrong hash", put("tensors", "sha256", value="0" * 64)
    yield "a hash that is a list", put("tensors", "sha256", value=["0" * 64])
    yield "a wrong size", put("tensors", "bytes", value=12)
    yield "a size that is true", put("tensors", "bytes", value=True)
    yield "another number", put("number", value=3)
    yield "tensors that are a list", put("tensors", value=[])
    yield "state that is a list", put("state", value=[])
    yield "state that was changed", put("state", "epoch", value=99)
    yield "state with NaN", put("state", "epoch", value=float("nan"))
    yield "a newer schema", put("schema_version", value=2)
    yield "a schema that is text", put("schema_version", value="1")
    yield "no schema", lambda record: record.pop("schema_version")
    yield "nothing", lambda record: record.clear()


def _refused(folder: Path, names: str) -> UsageError:
    before = {name: (folder / name).read_bytes() for name in _names(folder) if (folder / name).is_file()}
    with pytest.raises(UsageError, match="cannot be used") as caught:
        CheckpointStore(folder).load_latest()
    assert caught.value.exit_status == 2 and caught.value.hint
    assert names in caught.value.message
    assert {name: (folder / name).read_bytes() for name in before} == before
    return caught.value


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in _hostile()])
def test_a_hostile_json_is_refused_and_nothing_is_lost(tmp_path: Path, change: Change) -> None:
    folder = tmp_path / "checkpoint"
    _store(folder, 1, 2)
    (tmp_path / "secret").write_text("not yours")
    path = folder / "00000002.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    error = _refused(folder, "00000002")
    assert "secret" not in error.message or "not yours" not in error.message
    assert "go on from checkpoint 1" in str(error)
    path.unlink()
    latest = CheckpointStore(folder).load_latest()
    assert latest is not None and latest.number == 1


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"null", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"schema_version": 1' + b"0" * 5000 + b"}"],
    ids=lambda text: repr(text[:12]),
)
def test_json_that_is_none_is_refused(tmp_path: Path, text: bytes) -> None:
    _store(tmp_path, 1)
    (tmp_path / "00000001.json").write_bytes(text)
    assert "--fresh" in str(_refused(tmp_path, "00000001.json"))


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "gone"])
def test_torn_tensors_are_refused(tmp_path: Path, damage: str) -> None:
    _store(tmp_path, 1, 2)
    (path,) = tmp_path.glob("00000002-*.safetensors")
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        flipped = data[:-1] + bytes([data[-1] ^ 1])
        path.write_bytes({"cut": data[:-3], "flipped": flipped, "emptied": b""}[damage])
    _refused(tmp_path, path.name)


def test_a_file_with_the_right_hash_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    _store(tmp_path, 1)
    for data in (b"", b"\xff" * 64, safetensors.torch.save(_tensors(1))[:-1]):
        digest = hashlib.sha256(data).hexdigest()
        name = f"00000001-{digest[:16]}.safetensors"
        (tmp_path / name).write_bytes(data)
        path = tmp_path / "00000001.json"
        record = json.loads(path.read_text())
        record["tensors"] = {"file": name, "bytes": len(data), "sha256": digest}
        path.write_text(json.dumps(record))
        _refused(tmp_path, name)


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    _store(folder, 1)
    (tensors,) = folder.glob("*.safetensors")
    tensors.rename(tmp_path / "elsewhere")
    tensors.symlink_to(tmp_path / "elsewhere")
    _refused(folder, tensors.name)
    tensors.unlink()
    os.mkfifo(tensors)
    with pytest.raises(UsageError, match="not a plain file"):
        CheckpointStore(folder).load_latest()


def test_a_damaged_older_checkpoint_costs_no_other_file(tmp_path: Path) -> None:
    """What it names cannot be told, so nothing may be dropped while it is kept."""
    store = _store(tmp_path, 1, 2)
    (tmp_path / "00000001.json").write_text("{")
    (tmp_path / "00000002.json").write_text("{")
    tensors = set(tmp_path.glob("*.safetensors"))
    store.save(3, _tensors(3), {})
    assert tensors <= set(tmp_path.glob("*.safetensors"))
