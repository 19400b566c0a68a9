"""events.jsonl: a run's marks, one JSON object a line, appended while it trains.

Each has `kind`, `t` (CLOCK_MONOTONIC in ns) and `attempt`; the first of each attempt also has `schema_version`.
A line is written in one call, yet a loss of power, or a kill amid a long one, may leave a torn last line. The reader
passes over it and says so, and the next writer cuts it off, so that nothing is ever glued to it. Whatever else does
not parse is damage, and an error.
"""

import json
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, NamedTuple, Optional, Type, Union

from ..atomic import sync_folder
from ..energy.traces.clocks import monotonic_ns
from ..errors import RunFailed, UsageError

SCHEMA_VERSION = 1
SYNC_SECONDS = 1.0
_BLOCK = 1 << 16

Event = Dict[str, Any]


class EventLog(NamedTuple):
    """The marks in the order they were written, and how many bytes of a torn last line were passed over."""

    events: List[Event]
    torn_bytes: int


class EventWriter:
    """Appends the marks of one attempt. Only the process that holds the run folder's lock may have one.

    Every mark is in the file when `append` returns, so it outlives the process; a thread makes it durable within
    `sync_seconds`, because syncing can take tens of milliseconds on a board's memory card and training must not wait.
    `torn_bytes` is what an earlier attempt's torn last line lost.
    """

    def __init__(self, path: Union[str, Path], attempt: int, sync_seconds: float = SYNC_SECONDS) -> None:
        self.path = Path(path)
        self.attempt = attempt
        self._first = True
        self._dirty = False
        self._failure: Optional[OSError] = None
        self._stop = threading.Event()
        try:
            # Windows would else write two bytes for each line end.
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(self.path, flags, 0o666)
            self.torn_bytes = _close_torn(self._descriptor)
            sync_folder(self.path.parent)
        except OSError as error:
            raise self._cannot_write(error) from error
        self._thread = threading.Thread(target=self._keep_synced, args=(sync_seconds,), daemon=True)
        self._thread.start()

    def append(self, kind: str, t: Optional[int] = None, **fields: Any) -> Event:
        """Write one mark and return it; `t` is now unless given.

        Raises RunFailed where there is no room or the disk fails: then no part of the mark is left in the file, and
        a later mark may be tried. ValueError for a field that JSON has not (NaN) or that is one of the mark's own.
        """
        if {"attempt", "schema_version"} & set(fields):
            raise ValueError("a mark's attempt and schema_version are the writer's to set")
        event: Event = {"kind": kind, "t": monotonic_ns() if t is None else t, "attempt": self.attempt}
        if self._first:
            event["schema_version"] = SCHEMA_VERSION
        event.update(fields)
        line = (json.dumps(event, allow_nan=False) + "\n").encode()
        if self._failure is not None:
            raise self._cannot_write(self._failure)
        before = os.fstat(self._descriptor).st_size
        try:
            _write_all(self._descriptor, line)
        except OSError as error:
            os.ftruncate(self._descriptor, before)
            raise self._cannot_write(error) from error
        self._first = False
        self._dirty = True
        return event

    def sync(self) -> None:
        """Make everything appended so far durable; waits for the disk."""
        self._dirty = False
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._cannot_write(error) from error

    def close(self) -> None:
        """Sync and close; idempotent."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        try:
            self.sync()
        finally:
            os.close(self._descriptor)

    def __enter__(self) -> "EventWriter":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def _keep_synced(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            if self._dirty:
                self._dirty = False
                try:
                    os.fsync(self._descriptor)
                except OSError as error:
                    # Told by the next append: a thread of its own has nobody to raise to.
                    self._failure = error
                    return

    def _cannot_write(self, error: OSError) -> RunFailed:
        return RunFailed(
            f"the marks of this run cannot be written to '{self.path}' ({error.strerror}).",
            "Free some space or give the right to write, and start the same command again.",
        )


def read_events(path: Union[str, Path]) -> List[Event]:
    """The marks of a run, also while it runs; see `read_log`."""
    return read_log(path).events


def read_log(path: Union[str, Path]) -> EventLog:
    """The marks of a run and the torn bytes at the end. A run that was only created has no file yet, and no marks.

    Raises UsageError, naming the line, where anything but the last line is torn or is no mark, and where a newer
    energytrain wrote it.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return EventLog([], 0)
    except OSError as error:
        raise UsageError(f"the marks '{path}' cannot be read ({error.strerror}).", "Check its rights.") from error
    *lines, tail = data.split(b"\n")
    events = []
    for number, line in enumerate(lines, start=1):
        event = _parsed(line)
        if event is None:
            raise UsageError(
                f"the marks '{path}' are damaged in line {number}.", "Restore the file, or repeat the run with --fresh."
            )
        version = event.get("schema_version", SCHEMA_VERSION)
        if type(version) is not int or version > SCHEMA_VERSION:
            raise UsageError(f"the marks '{path}' are in a newer format.", "Update energytrain to read this run.")
        events.append(event)
    last = _parsed(tail)
    if last is None:
        return EventLog(events, len(tail))
    return EventLog([*events, last], 0)


def _parsed(line: bytes) -> Optional[Event]:
    """The mark that `line` holds, or None where it holds none."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or type(event.get("t")) is not int or type(event.get("attempt")) is not int:
        return None
    return event if isinstance(event.get("kind"), str) else None


def _close_torn(descriptor: int) -> int:
    """End the file with a whole line: complete a whole mark's missing line end, cut off anything less.

    Returns the number of bytes cut off.
    """
    size = end = os.fstat(descriptor).st_size
    tail = b""
    while end > 0 and b"\n" not in tail:
        start = max(0, end - _BLOCK)
        os.lseek(descriptor, start, os.SEEK_SET)  # writes append, wherever that is; Windows has no pread
        tail = os.read(descriptor, end - start) + tail
        end = start
    torn = tail[tail.rfind(b"\n") + 1 :]
    if not torn:
        return 0
    if _parsed(torn) is not None:
        _write_all(descriptor, b"\n")
        return 0
    os.ftruncate(descriptor, size - len(torn))
    return len(torn)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
