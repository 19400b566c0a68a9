"""The bytes of a trace: its Arrow schema and metadata, where its whole messages end, and who may write it."""

import io
import json
import struct
import time
from array import array
from pathlib import Path
from typing import Any, Dict, Iterable, Mapping, Optional, Sequence, Tuple

import numpy as np
import pyarrow as pa

from ...errors import UsageError
from ...meters.base import Channel
from .series import Array

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows, where traces are read and none is written
    fcntl = None

SCHEMA_VERSION = 1
METADATA_KEY = b"energytrain"
ANCHOR_KEY = b"anchor"
END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"

_CONTINUATION = 0xFFFFFFFF
_COLUMNS = (
    pa.field("channel", pa.int16(), nullable=False),
    pa.field("t_ns", pa.int64(), nullable=False),
    pa.field("value", pa.float64()),
    pa.field("error", pa.string()),
)


def whole_messages(data: bytes, path: Path, from_start: bool) -> Tuple[int, bool]:
    """How many bytes of `data` are whole messages, and whether the end-of-stream marker follows them."""
    head = data[:4]
    if from_start and not struct.pack("<I", _CONTINUATION).startswith(head) and any(head):
        raise UsageError(f"{path} is not a trace.", "Name a file that energytrain's recorder wrote.")
    reader = pa.BufferReader(data)
    at = 0
    while len(data) - at >= 8:
        continuation, size = struct.unpack_from("<II", data, at)
        if continuation != _CONTINUATION:  # a tail that the file system lost in a crash reads as zeros
            break
        if size == 0:
            return at, True
        reader.seek(at)
        try:
            pa.ipc.read_message(reader)
        except (pa.ArrowInvalid, OSError):
            break
        at = reader.tell()
    return at, False


def sparse_strings(rows: int, texts: Mapping[int, Optional[str]]) -> pa.Array:
    """A string column that is null except where `texts` has one."""
    pieces = {row: text.encode() for row, text in texts.items() if text is not None}
    offsets = array("i", [0])
    for row in range(rows):
        offsets.append(offsets[-1] + len(pieces.get(row, b"")))
    data = b"".join(pieces[row] for row in sorted(pieces))
    return pa.Array.from_buffers(
        pa.string(), rows, [pa.py_buffer(bitmap(rows, pieces)), pa.py_buffer(offsets), pa.py_buffer(data)]
    )


def plain_column(column: pa.Array, kind: Any) -> Tuple[Array, Array]:
    """A column of numbers as (values, which are not null). Through its buffers, as pyarrow's own conversion imports
    all of pandas where that is installed."""
    validity, data = column.buffers()
    rows = slice(column.offset, column.offset + len(column))
    values = np.frombuffer(data, kind)[rows]
    if validity is None:
        return values, np.ones(len(column), bool)
    return values, np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")[rows].astype(bool)


def bitmap(rows: int, ones: Iterable[int]) -> bytes:
    """Arrow's bitmap of `rows` bits, least significant first, with these at one."""
    bits = np.zeros(rows, np.uint8)
    bits[list(ones)] = 1
    return np.packbits(bits, bitorder="little").tobytes()


def make_schema(channels: Sequence[Channel], attempt: int, host: str, boot_id: str) -> pa.Schema:
    meta = {
        "schema_version": SCHEMA_VERSION,
        "channels": [channel.to_json() for channel in channels],
        "host": host,
        "boot_id": boot_id,
        "attempt": attempt,
    }
    return pa.schema(_COLUMNS, metadata={METADATA_KEY: json.dumps(meta)})


def empty_stream() -> bytes:
    sink = io.BytesIO()
    schema = make_schema((), 0, "unknown", "unknown")
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_table(schema.empty_table())
    return sink.getvalue()


def read_metadata(schema: pa.Schema, path: Path) -> Dict[str, Any]:
    raw = (schema.metadata or {}).get(METADATA_KEY)
    if raw is None or not schema.equals(pa.schema(_COLUMNS)):
        raise UsageError(f"{path} is an Arrow stream but no trace.", "Name a file that energytrain's recorder wrote.")
    try:
        meta = json.loads(raw)
        version = meta["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(path, str(error)) from error
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"the trace {path} has schema version {version}; this energytrain reads version {SCHEMA_VERSION}.",
            "Read it with the energytrain that wrote it, or a newer one.",
        )
    return dict(meta)


def damaged(path: Path, why: str) -> UsageError:
    return UsageError(f"the trace {path} is damaged: {why}.", "Restore it from a copy, or move it away.")


def lock_file(fd: int, wait_seconds: float = 0.0) -> bool:
    """Takes the file's advisory lock, which ends with the process; True also where the file system has no locks.

    Elsewhere than on POSIX systems nobody records, and there is nobody to lock out.
    """
    if fcntl is None:
        return True
    give_up = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= give_up:
                return False
            time.sleep(0.05)
        except OSError:
            return True
