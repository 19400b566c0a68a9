"""The run folder: where everything known of one run lies, and who may write there.

run.json holds the specification, its identity and the attempts; it is always replaced whole. One process at a time
writes, under a lock that ends with it. Readers take no lock.
"""

import contextlib
import datetime
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Union

import filelock

from ..atomic import TEMPORARY_SUFFIX, write_json
from ..energy.traces.clocks import boot_id, host
from ..errors import RunFailed, UsageError

SCHEMA_VERSION = 1
FORMAT = "energytrain run"
ROOM_BYTES = 50_000_000
ORPHAN_SECONDS = 15.0
RUNNING = "running"
KILLED = "killed"
_LOCK = ".lock"
_WRITER = ".writer.json"
_REPEAT = "Restore the file, or remove the folder and repeat the run."
_OWN_TICKET = ("ticket.json", "ticket.safetensors", "ticket-mask.safetensors")
_OWN_FILES = ("events.jsonl", *_OWN_TICKET, "model.safetensors", "result.json")
_STATES = (".json", ".safetensors")
# Inner folders before those that they lie in.
_OWN_FOLDERS = {"traces": (".arrows",), "checkpoint/rewind": _STATES, "checkpoint": _STATES}


class RunFolder:
    """A run's folder. Making the object touches nothing; `open` reads, `writing` makes and locks the folder."""

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)
        self.run_file = self.path / "run.json"
        self.events = self.path / "events.jsonl"
        self.checkpoint = self.path / "checkpoint"
        self.ticket = self.path / "ticket.json"
        self.model = self.path / "model.safetensors"
        self.result = self.path / "result.json"
        self._locked = False

    @classmethod
    def open(cls, path: Union[str, Path]) -> "RunFolder":
        """The run in `path`, to read; UsageError where there is none or it cannot be read."""
        folder = cls(path)
        folder.read()
        return folder

    def trace(self, attempt: int) -> Path:
        """Where the trace of an attempt on this host belongs; its folder is made."""
        (self.path / "traces").mkdir(exist_ok=True)
        return self.path / "traces" / f"{attempt}-{re.sub(r'[^A-Za-z0-9.-]', '_', host())}.arrows"

    def exists(self) -> bool:
        return self.run_file.is_file()

    def read(self) -> Dict[str, Any]:
        """run.json: {"spec", "identity", "attempts", ...}, checked. UsageError where it is not a run of this format."""
        try:
            record = json.loads(self.run_file.read_bytes())
        except FileNotFoundError as error:
            raise UsageError(f"'{self.path}' is not a run.", "Name a folder that `energytrain run` made.") from error
        except (OSError, ValueError, RecursionError) as error:
            raise UsageError(f"'{self.run_file}' cannot be read ({error}).", _REPEAT) from error
        version = record.get("schema_version") if isinstance(record, dict) and record.get("format") == FORMAT else None
        if type(version) is not int:
            raise UsageError(f"'{self.run_file}' was not written by energytrain.", "Choose another folder.")
        if version > SCHEMA_VERSION:
            raise UsageError(
                f"the run '{self.path}' was written by a newer energytrain (format {version}).",
                "Update energytrain to read it.",
            )
        attempts = record.get("attempts")
        if (
            not isinstance(record.get("spec"), dict)
            or not isinstance(record.get("identity"), str)
            or not isinstance(attempts, list)
            or not all(isinstance(a, dict) and a.get("number") == n for n, a in enumerate(attempts, start=1))
        ):
            raise UsageError(f"'{self.run_file}' is damaged: its fields are not those of a run.", _REPEAT)
        return dict(record)

    @contextlib.contextmanager
    def writing(self, room_bytes: int = ROOM_BYTES) -> Iterator["RunFolder"]:
        """Make the folder where it is not there, and be its only writer until the end of the block.

        UsageError where it cannot be made, holds something else, has less than `room_bytes` free, or another process
        is writing it; then nothing was changed in it.
        """
        self._make(room_bytes)
        lock = filelock.FileLock(str(self.path / _LOCK))
        self._acquire(lock)
        try:
            with self._at_start():
                write_json(self.path / _WRITER, {"pid": os.getpid(), "host": host(), "boot_id": boot_id()})
            self._locked = True
            yield self
        finally:
            self._locked = False
            lock.release()

    def claim(self, spec: Mapping[str, Any], identity: str) -> Dict[str, Any]:
        """Make this the run of `spec`, or go on with it; gives run.json. UsageError for a run of another identity.

        A run that goes on is noted to `infer` where it now does.
        """
        self._need_lock()
        if self.exists():
            record = self.read()
            if record["identity"] != identity:
                raise UsageError(f"'{self.path}' holds a run of another specification.", "Choose another --name.")
            if spec.get("infer") and not record["spec"].get("infer"):
                record["spec"]["infer"] = True
                with self._at_start():
                    write_json(self.run_file, record)
            return record
        record = {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "identity": identity,
            "spec": dict(spec),
            "attempts": [],
        }
        with self._at_start():
            write_json(self.run_file, record)
        return self.read()

    def begin_attempt(
        self, commit: Optional[Mapping[str, Any]], versions: Mapping[str, Any], machine: Mapping[str, Any]
    ) -> int:
        """Note a new attempt as running; its number, from 1. One that was left running is noted as killed: its end is
        not known, so it has none."""
        self._need_lock()
        record = self.read()
        for attempt in record["attempts"]:
            if attempt.get("status") == RUNNING:
                attempt["status"] = KILLED
        number = len(record["attempts"]) + 1
        record["attempts"].append(
            {
                "number": number,
                "started": now(),
                "ended": None,
                "status": RUNNING,
                "host": host(),
                "boot_id": boot_id(),
                "pid": os.getpid(),
                "commit": None if commit is None else dict(commit),
                "versions": dict(versions),
                "machine": dict(machine),
            }
        )
        with self._at_start():
            write_json(self.run_file, record)
        return number

    def end_attempt(self, number: int, status: str) -> None:
        """Note how an attempt ended (done, interrupted, failed, budget). RunFailed where that cannot be written."""
        self._need_lock()
        record = self.read()
        record["attempts"][number - 1].update(ended=now(), status=status)
        try:
            write_json(self.run_file, record)
        except OSError as error:
            raise RunFailed(
                f"'{self.run_file}' cannot be written ({error.strerror}).", "Free some space; the run itself is kept."
            ) from error

    def discard(self) -> None:
        """Delete all that is the run's own, so that `claim` may begin it anew; files of others are left."""
        self._need_lock()
        for name, suffixes in _OWN_FOLDERS.items():
            _remove_own(self.path / name, suffixes)
        for entry in list(self.path.iterdir()):
            if entry.name in _OWN_FILES or entry.name.endswith(TEMPORARY_SUFFIX):
                entry.unlink()
        # The last: until then what is left is still a run that can be discarded.
        self.run_file.unlink()

    def remove(self) -> List[Path]:
        """Delete the run, and the folder unless files of others are in it: these are given back.

        UsageError where it is no run or is being written.
        """
        self.read()
        with self.writing(room_bytes=0):
            self.discard()
            (self.path / _WRITER).unlink()
            (self.path / _LOCK).unlink()
        left = sorted(self.path.iterdir())
        if not left:
            self.path.rmdir()
        return left

    def _make(self, room_bytes: int) -> None:
        with self._at_start():
            if self.path.is_dir() and not self.exists() and not _is_blank(self.path):
                raise UsageError(
                    f"'{self.path}' is neither a run nor empty; it was left as it is.",
                    "Choose another --name or --runs-dir.",
                )
            free = shutil.disk_usage(_nearest_folder(self.path)).free
            if free < room_bytes:
                raise UsageError(
                    f"there is no room for a run in '{self.path}': {free / 1e6:.0f} MB are free, "
                    f"{room_bytes / 1e6:.0f} MB are needed.",
                    "Free some space, or choose another --runs-dir.",
                )
            self.path.mkdir(parents=True, exist_ok=True)

    def _acquire(self, lock: filelock.BaseFileLock) -> None:
        """Take the lock. A writer that died may have left worker processes that still hold it: they get some time."""
        patience = time.monotonic() + ORPHAN_SECONDS
        while True:
            try:
                lock.acquire(timeout=0)
                return
            except filelock.Timeout as error:
                pid, alive = self._writer()
                if alive or time.monotonic() > patience:
                    who = "another process" if pid is None else f"process {pid}"
                    raise UsageError(
                        f"the run '{self.path}' is being written by {who}.", "Wait for it to end, or stop it."
                    ) from error
                time.sleep(0.05)
            except OSError as error:
                raise self._unwritable(error) from error

    def _writer(self) -> Tuple[Optional[int], bool]:
        """(process id of who wrote last, whether it may be alive); what cannot be known counts as alive."""
        try:
            writer = json.loads((self.path / _WRITER).read_bytes())
            pid = int(writer["pid"])
            # To Windows os.kill(pid, 0) is a Ctrl-C.
            if (writer["host"], writer["boot_id"]) != (host(), boot_id()) or sys.platform == "win32":
                return pid, True
            os.kill(pid, 0)
        except ProcessLookupError:
            return pid, False
        except PermissionError:
            return pid, True
        except (OSError, ValueError, KeyError, TypeError):
            return None, True
        return pid, True

    @contextlib.contextmanager
    def _at_start(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> UsageError:
        return UsageError(
            f"the run folder '{self.path}' cannot be written ({error.strerror}).", "Choose another --runs-dir."
        )

    def _need_lock(self) -> None:
        if not self._locked:
            raise ValueError("a run folder is written only inside `with folder.writing():`")


def now() -> str:
    """The time of day in UTC, ISO 8601, for people: no duration is ever computed from it."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")


def _nearest_folder(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())


def _is_blank(folder: Path) -> bool:
    """Whether nothing is in it but what a writer leaves that was killed before it wrote run.json."""
    return all(
        entry.name in (_LOCK, _WRITER) or (entry.name.startswith(".") and entry.name.endswith(TEMPORARY_SUFFIX))
        for entry in folder.iterdir()
    )


def _remove_own(folder: Path, suffixes: Tuple[str, ...]) -> None:
    # A link to a folder elsewhere is not ours to empty.
    if folder.is_symlink() or not folder.is_dir():
        return
    for entry in list(folder.iterdir()):
        if entry.suffix in suffixes or entry.name.endswith(TEMPORARY_SUFFIX):
            entry.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
