"""Checkpoints that survive a kill at any moment, a full disk and a hostile file.

A checkpoint is two files: `<number>-<hash>.safetensors` with every tensor, and `<number>.json` with everything else
and the name, size and SHA-256 of the first. Each is written beside its place, synced and renamed; the JSON comes last,
so what it names is whole. Names carry the content's hash: writing a number again never touches the file that the JSON
of that number still names. No pickle: a checkpoint is data and can execute nothing.
"""

import errno
import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, NoReturn, Optional, Tuple, Union

import safetensors
import safetensors.torch
import torch

from ..atomic import TEMPORARY_SUFFIX, write_bytes
from ..errors import RunFailed, UsageError

SCHEMA_VERSION = 1
KEEP_ALL = 2**31
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_STATE_NAME = re.compile(r"(\d{8})\.json")
_TENSORS_NAME = re.compile(r"\d{8}-[0-9a-f]{16}\.safetensors")
_TEMPORARY_NAME = re.compile(r"\.\d{8}(\.json|-[0-9a-f]{16}\.safetensors)\.\d+" + re.escape(TEMPORARY_SUFFIX))


@dataclass(frozen=True)
class Checkpoint:
    """What was saved: tensors (on the CPU) and JSON data, under a number that grows."""

    number: int
    tensors: Dict[str, torch.Tensor]
    state: Dict[str, Any]


class CheckpointStore:
    """The checkpoints in one folder, of which one process at a time writes; the last `keep` are kept."""

    def __init__(self, folder: Union[str, Path], keep: int = 2) -> None:
        self.folder = Path(folder)
        self.keep = keep

    def save(self, number: int, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
        """Store checkpoint `number` (0 and up, not below the latest), then drop all but the last `keep`.

        tensors: on any device, in any layout; `state` must be JSON without NaN and infinity (ValueError otherwise).
        Raises RunFailed where it cannot be written (no room, no right); the checkpoints before it stay loadable.
        """
        numbers = self.numbers()
        if number < 0 or (numbers and number < numbers[-1]):
            raise ValueError(f"checkpoint {number} cannot follow {numbers[-1:]}")
        # As it will be read: JSON knows neither tuples nor keys that are numbers, and the hash is of what is read.
        state = json.loads(json.dumps(state, allow_nan=False))
        data = safetensors.torch.save(_storable(tensors))
        digest = hashlib.sha256(data).hexdigest()
        name = f"{number:08d}-{digest[:16]}.safetensors"
        record = {
            "schema_version": SCHEMA_VERSION,
            "number": number,
            "tensors": {"file": name, "bytes": len(data), "sha256": digest},
            "state": state,
            "state_sha256": _state_digest(state),
        }
        text = json.dumps(record, allow_nan=False).encode()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_bytes(self.folder / name, data)
            write_bytes(self._state_file(number), text)
            self._drop_old()
        except OSError as error:
            raise self._failed(error, numbers) from error

    def numbers(self) -> List[int]:
        """The numbers of the checkpoints in the folder, rising; empty where there is no folder yet."""
        if not self.folder.is_dir():
            return []
        found = (_STATE_NAME.fullmatch(entry.name) for entry in self.folder.iterdir())
        return sorted(int(match.group(1)) for match in found if match)

    def load_latest(self) -> Optional[Checkpoint]:
        """The latest checkpoint, or None where none was ever finished.

        Raises UsageError, naming the file, where it is torn, altered or not what this package writes. Nothing is
        deleted and nothing outside the folder is opened.
        """
        numbers = self.numbers()
        return self._load(numbers[-1], numbers[:-1]) if numbers else None

    def load(self, number: int) -> Optional[Checkpoint]:
        """Checkpoint `number`, or None where it is not there; raises as `load_latest` does."""
        return self._load(number, []) if number in self.numbers() else None

    def _load(self, number: int, earlier: List[int]) -> Checkpoint:
        path = self._state_file(number)
        fix = f"Remove that file to go on from checkpoint {earlier[-1]}." if earlier else "Start anew with --fresh."

        def refuse(file: Path, why: str) -> NoReturn:
            raise UsageError(f"the checkpoint '{file}' cannot be used: {why}.", fix)

        try:
            record = json.loads(_read_regular(path))
        except (OSError, ValueError, RecursionError) as error:
            refuse(path, f"it is not readable JSON ({error})")
        try:
            name, size, digest, state = _checked(record, number)
        except (ValueError, RecursionError) as error:
            refuse(path, str(error))
        file = self.folder / name
        try:
            data = _read_regular(file)
        except OSError as error:
            refuse(file, error.strerror or str(error))
        if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
            refuse(file, "its content is not what was written")
        try:
            tensors = safetensors.torch.load(data)
        except (safetensors.SafetensorError, ValueError, RuntimeError, KeyError) as error:
            refuse(file, f"it is no safetensors file ({error})")
        return Checkpoint(number, tensors, state)

    def _state_file(self, number: int) -> Path:
        return self.folder / f"{number:08d}.json"

    def _drop_old(self) -> None:
        """Remove what no kept checkpoint needs. Only names of our own making are touched; JSON goes first."""
        numbers = self.numbers()
        for number in numbers[: -self.keep]:
            self._state_file(number).unlink()
        kept = {_named_tensors(self._state_file(number)) for number in numbers[-self.keep :]}
        for entry in list(self.folder.iterdir()):
            if _TEMPORARY_NAME.fullmatch(entry.name) or (
                _TENSORS_NAME.fullmatch(entry.name) and entry.name not in kept and None not in kept
            ):
                entry.unlink()

    def _failed(self, error: OSError, earlier: List[int]) -> RunFailed:
        kept = f"Checkpoint {earlier[-1]} is kept" if earlier else "No earlier checkpoint exists"
        if error.errno in NO_ROOM:
            return RunFailed(
                f"there is no room for a checkpoint in '{self.folder}' ({error.strerror}).",
                f"{kept}; free some space and start the same command again.",
            )
        return RunFailed(f"a checkpoint could not be written to '{self.folder}' ({error.strerror}).", f"{kept}.")


def _storable(tensors: Mapping[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
    """Contiguous CPU tensors, each with a memory of its own (tied weights share one, which safetensors refuses)."""
    stored: Dict[str, torch.Tensor] = {}
    seen = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().to("cpu").contiguous()
        whole = plain.numel() * plain.element_size() == _storage_bytes(plain)
        if plain.numel() and (plain.data_ptr() in seen or not whole):
            plain = plain.clone()
        seen.add(plain.data_ptr())
        stored[name] = plain
    return stored


def _storage_bytes(tensor: torch.Tensor) -> int:
    # torch 1.13 has only the typed storage.
    storage = tensor.untyped_storage() if hasattr(tensor, "untyped_storage") else tensor.storage()
    return int(storage.nbytes())


def _state_digest(state: Any) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _checked(record: Any, number: int) -> Tuple[str, int, str, Dict[str, Any]]:
    """(file name, bytes, SHA-256, state) of a checkpoint's JSON; ValueError with the reason where it is not one."""
    if not isinstance(record, dict) or type(record.get("schema_version")) is not int:
        raise ValueError("it is not a checkpoint of energytrain")
    if record["schema_version"] > SCHEMA_VERSION:
        raise ValueError("it was written by a newer energytrain")
    tensors, state = record.get("tensors"), record.get("state")
    if record.get("number") != number or not isinstance(tensors, dict) or not isinstance(state, dict):
        raise ValueError("its fields are not those of a checkpoint")
    name, size, digest = tensors.get("file"), tensors.get("bytes"), tensors.get("sha256")
    if not isinstance(name, str) or not _TENSORS_NAME.fullmatch(name):
        raise ValueError(f"it names a file that is not a checkpoint's ({str(name)[:80]!r})")
    if type(size) is not int or not isinstance(digest, str):
        raise ValueError("its fields are not those of a checkpoint")
    # Python's JSON takes NaN, which was never written.
    if record.get("state_sha256") != _state_digest(state):
        raise ValueError("its content is not what was written")
    return name, size, digest, state


def _read_regular(path: Path) -> bytes:
    """The bytes of a plain file; OSError for a link, a pipe or a device, which could lead elsewhere or never end."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise OSError(errno.EINVAL, "it is not a plain file")
    return path.read_bytes()


def _named_tensors(path: Path) -> Optional[str]:
    """The tensors' file that a checkpoint's JSON names, None where it cannot be told: then nothing is dropped."""
    try:
        record = json.loads(_read_regular(path))
        return str(record["tensors"]["file"])
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None
