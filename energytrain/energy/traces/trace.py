"""A trace on disk: the time-stamped samples of one attempt on one host, as an Arrow IPC stream.

A row is one reading: `channel` (its index in the channel table), `t_ns` (CLOCK_MONOTONIC, middle of the read), `value`
(joules or watts, null for a failed read) and `error` (the driver's words, null otherwise). The schema's metadata holds,
under "energytrain", JSON with the schema version, the channel table, host, boot id and attempt; every batch carries
one moment on three clocks under "anchor" ("monotonic,boottime,realtime" in ns).

Every write is one whole message, so a trace can be read while it grows, and a process that is killed tears at most the
last one. One writer owns a trace from its creation to its end and nobody appends to it later.
"""

import io
import math
import os
from array import array
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
import pyarrow as pa

from ...errors import UsageError
from ...meters.base import Channel
from .clocks import anchor
from .series import Array, Series, Trace
from .trace_format import (
    ANCHOR_KEY,
    END_OF_STREAM,
    bitmap,
    damaged,
    empty_stream,
    lock_file,
    make_schema,
    plain_column,
    read_metadata,
    sparse_strings,
    whole_messages,
)

LOCK_WAIT_SECONDS = 3.0  # an orphaned recorder notices within about 1 s that its parent is gone

AnyPath = Union[str, "os.PathLike[str]"]


class TraceWriter:
    """Writes a new trace; `path` must not exist (FileExistsError). The schema is on disk when the constructor returns.

    A write that fails (full disk, quota) raises OSError and leaves the file at its last whole message; the writer is
    then `failed` and takes no more.
    """

    def __init__(self, path: AnyPath, channels: Sequence[Channel], attempt: int, host: str, boot_id: str) -> None:
        self.path = Path(path)
        self.failed = False
        self._written = 0
        self._fd: Optional[int] = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            lock_file(self._fd)
            self._sink = io.BytesIO()
            self._schema = make_schema(channels, attempt, host, boot_id)
            self._stream = pa.ipc.new_stream(self._sink, self._schema)
            self._clear()
            self._write_batch()
        except OSError:
            os.close(self._fd)
            raise

    def append(self, channel_index: int, t_ns: int, value: Optional[float], error: Optional[str]) -> None:
        """Holds one reading until the next flush; `value` is None for a failed read, whose `error` is kept."""
        if value is None:
            self._failed[len(self._t)] = error
        self._channel.append(channel_index)
        self._t.append(t_ns)
        self._value.append(math.nan if value is None else value)

    def flush(self) -> None:
        """Writes the held readings as one record batch; nothing where there are none."""
        if self._channel:
            self._write_batch()

    def sync(self) -> None:
        """Puts what was written on the disk itself. May be called from another thread than the writing one."""
        if self._fd is not None:
            os.fsync(self._fd)

    def close(self) -> None:
        """Flushes, marks the end of the stream and syncs; idempotent. The file is closed even if it raises OSError."""
        if self._fd is None:
            return
        try:
            if not self.failed:
                self.flush()
                self._stream.close()
                self._put()
            self.sync()
        finally:
            os.close(self._fd)
            self._fd = None

    def _write_batch(self) -> None:
        # Columns from buffers: pyarrow's conversion of lists imports all of pandas when that is installed.
        rows = len(self._t)
        failed = self._failed
        valid = pa.py_buffer(bitmap(rows, set(range(rows)) - failed.keys())) if failed else None
        columns = [
            pa.Array.from_buffers(pa.int16(), rows, [None, pa.py_buffer(self._channel)]),
            pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(self._t)]),
            pa.Array.from_buffers(pa.float64(), rows, [valid, pa.py_buffer(self._value)]),
            sparse_strings(rows, failed) if failed else pa.nulls(rows, pa.string()),
        ]
        self._clear()
        batch = pa.RecordBatch.from_arrays(columns, schema=self._schema)
        self._stream.write_batch(batch, custom_metadata={ANCHOR_KEY: ",".join(map(str, anchor()))})
        self._put()

    def _clear(self) -> None:
        self._channel = array("h")
        self._t = array("q")
        self._value = array("d")
        self._failed: Dict[int, Optional[str]] = {}

    def _put(self) -> None:
        if self._fd is None or self.failed:
            raise ValueError("this trace takes no more readings")
        data = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        try:
            done = 0
            while done < len(data):
                done += os.write(self._fd, data[done:])
        except OSError:
            self.failed = True
            os.ftruncate(self._fd, self._written)
            raise
        self._written += len(data)


class TraceReader:
    """Reads a trace that may still grow: each `read` takes up what came since the last one."""

    def __init__(self, path: AnyPath) -> None:
        self.path = Path(path)
        self._offset = 0
        self._complete = False
        self._head = b""
        self._meta: Optional[Dict[str, Any]] = None
        self._channels: Tuple[Channel, ...] = ()
        self._times: List[List[Array]] = []
        self._values: List[List[Array]] = []
        self._errors: List[Dict[str, None]] = []
        self._anchors: List[Tuple[int, int, int]] = []

    def read(self) -> Trace:
        """All whole messages so far. FileNotFoundError where there is no file, UsageError where it is no trace."""
        with open(self.path, "rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole, ended = (0, True) if self._complete else whole_messages(data, self.path, self._offset == 0)
        if whole:
            self._take(data[:whole])
            self._offset += whole
        if ended and not self._complete:
            self._complete = True
            self._offset += len(END_OF_STREAM)
            whole += len(END_OF_STREAM)
        return self._trace(torn_bytes=len(data) - whole)

    def _take(self, messages: bytes) -> None:
        """Decodes whole messages; those after the first lot need the schema message put before them."""
        try:
            stream = pa.ipc.open_stream(pa.BufferReader(self._head + messages))
            if self._meta is None:
                self._meta = read_metadata(stream.schema, self.path)
                self._head = stream.schema.serialize().to_pybytes()
                self._channels = tuple(Channel.from_json(c) for c in self._meta["channels"])
                self._times = [[] for _ in self._channels]
                self._values = [[] for _ in self._channels]
                self._errors = [{} for _ in self._channels]
            batches = []
            while True:
                try:
                    batch, custom = stream.read_next_batch_with_custom_metadata()
                except StopIteration:
                    break
                batches.append(batch)
                if custom is not None and ANCHOR_KEY in custom:
                    mono, boot, real = custom[ANCHOR_KEY].split(b",")
                    self._anchors.append((int(mono), int(boot), int(real)))
            table = pa.Table.from_batches(batches, schema=stream.schema)
            table.validate(full=True)
            self._split(table)
        except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValueError) as error:
            raise damaged(self.path, str(error)) from error

    def _split(self, table: pa.Table) -> None:
        if not table.num_rows:
            return
        index, _ = plain_column(table["channel"].combine_chunks(), np.int16)
        times, _ = plain_column(table["t_ns"].combine_chunks(), np.int64)
        values, there = plain_column(table["value"].combine_chunks(), np.float64)
        values = np.where(there, values, np.nan)
        errors = table["error"].combine_chunks().dictionary_encode()
        messages = errors.dictionary.to_pylist()
        codes, told = plain_column(errors.indices, np.int32)
        if not 0 <= index.min() <= index.max() < len(self._channels):
            raise ValueError("a reading names a channel that the trace does not have")
        for number in range(len(self._channels)):
            mine = index == number
            self._times[number].append(times[mine])
            self._values[number].append(values[mine])
            for code in np.unique(codes[mine & told]):
                self._errors[number].setdefault(messages[code])

    def _trace(self, torn_bytes: int) -> Trace:
        series: Dict[str, Series] = {}
        for number, channel in enumerate(self._channels):
            times = self._times[number] = [np.concatenate(self._times[number] or [np.empty(0, np.int64)])]
            values = self._values[number] = [np.concatenate(self._values[number] or [np.empty(0, np.float64)])]
            series[channel.name] = Series(channel, times[0], values[0], tuple(self._errors[number]))
        meta = self._meta or {"host": "unknown", "boot_id": "unknown", "attempt": 0}
        return Trace(
            series=series,
            host=meta["host"],
            boot_id=meta["boot_id"],
            attempt=meta["attempt"],
            anchors=np.array(self._anchors, np.int64).reshape(-1, 3),
            complete=self._complete,
            torn_bytes=torn_bytes,
        )


def read_trace(path: AnyPath) -> Trace:
    """The whole messages of a trace, closed or torn or still growing; `torn_bytes` tells what the rest amounts to.

    A file without even a whole schema gives a Trace with no series. UsageError where the file is no trace, is damaged
    or comes from a newer energytrain; FileNotFoundError where there is none.
    """
    return TraceReader(path).read()


def close_torn(path: AnyPath) -> int:
    """Makes a trace whose writer died an ordinary Arrow stream again, and returns how many bytes that dropped.

    It cuts after the last whole message and adds the end-of-stream marker; a file without a whole schema becomes a
    trace of no channels. A complete trace is left as it is. UsageError while its writer is alive, or if it is no trace.
    """
    path = Path(path)
    with open(path, "r+b") as file:
        if not lock_file(file.fileno(), LOCK_WAIT_SECONDS):
            raise UsageError(
                f"the trace {path} is still being written by another process.", "Wait for it to end, then start again."
            )
        data = file.read()
        whole, ended = whole_messages(data, path, True)
        if ended:
            whole += len(END_OF_STREAM)
        elif whole:
            read_metadata(pa.ipc.open_stream(data[:whole]).schema, path)
        dropped = len(data) - whole
        if not ended or dropped:
            file.truncate(whole)
            file.seek(whole)
            if not ended:
                file.write(END_OF_STREAM if whole else empty_stream())
            file.flush()
            os.fsync(file.fileno())
        return dropped
