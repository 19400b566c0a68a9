"""Traces survive whatever tears them, and stay ordinary Arrow streams."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import List, Sequence, Tuple

import numpy as np
import pyarrow as pa
import pytest

from energytrain.energy.traces import trace as trace_module
from energytrain.energy.traces.trace import TraceReader, TraceWriter, close_torn, read_trace
from energytrain.energy.traces.trace_format import END_OF_STREAM, SCHEMA_VERSION, make_schema
from energytrain.errors import UsageError
from energytrain.meters.base import Channel
from energytrain.quantities.energy import Scope

ROOT = Path(__file__).resolve().parents[2]
GPU = Channel("nvml:0", "nvml", "nvml:GPU-1", "joules", Scope.CHIP, gain_error=0.05, max_watts=700.0)
RAIL = Channel("ina:VDD_IN", "ina", "ina:0", "watts", Scope.MODULE, update_seconds=0.4)


def write(path: Path, batches: Sequence[Sequence[Tuple[int, int, object, object]]], close: bool = True) -> List[int]:
    """Writes a trace and returns the size of the file after each batch."""
    writer = TraceWriter(path, [GPU, RAIL], attempt=3, host="bench", boot_id="boot-1")
    sizes = [path.stat().st_size]
    for rows in batches:
        for channel, t, value, error in rows:
            writer.append(channel, t, value, error)  # type: ignore[arg-type]
        writer.flush()
        sizes.append(path.stat().st_size)
    if close:
        writer.close()
    else:
        os.close(writer._fd)  # type: ignore[arg-type]  # as when the process is killed
        writer._fd = None
    return sizes


BATCHES = (
    [(0, 10, 5.0, None), (1, 11, 7.5, None), (0, 20, 6.0, None)],
    [(0, 30, None, "GPU is lost"), (1, 31, 7.0, None), (0, 40, None, "GPU is lost"), (1, 41, None, None)],
    [(1, 51, None, "tréma"), (0, 50, 9.0, None)],
)


def opened_by_pyarrow(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file:
        return pa.ipc.open_stream(file).read_all()


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    write(tmp_path / "t.arrows", BATCHES)
    trace = read_trace(tmp_path / "t.arrows")
    assert (trace.host, trace.boot_id, trace.attempt) == ("bench", "boot-1", 3)
    assert trace.complete and trace.torn_bytes == 0
    assert list(trace.series) == ["nvml:0", "ina:VDD_IN"]
    gpu, rail = trace.series.values()
    assert gpu.channel == GPU and rail.channel == RAIL
    assert gpu.t.tolist() == [10, 20, 30, 40, 50] and gpu.t.dtype == np.int64
    np.testing.assert_array_equal(gpu.values, [5.0, 6.0, np.nan, np.nan, 9.0])
    assert gpu.errors == ("GPU is lost",)
    np.testing.assert_array_equal(rail.values, [7.5, 7.0, np.nan, np.nan])
    assert rail.errors == ("tréma",)
    assert trace.anchors.shape == (4, 3)
    assert (np.diff(trace.anchors[:, 0]) >= 0).all()


def test_a_trace_without_readings_has_its_channels(tmp_path: Path) -> None:
    write(tmp_path / "t.arrows", [])
    trace = read_trace(tmp_path / "t.arrows")
    assert [len(series.t) for series in trace.series.values()] == [0, 0]


def test_pyarrow_opens_a_closed_trace(tmp_path: Path) -> None:
    path = tmp_path / "t.arrows"
    write(path, BATCHES)
    table = opened_by_pyarrow(path)
    table.validate(full=True)
    assert table.column_names == ["channel", "t_ns", "value", "error"]
    assert table["value"].to_pylist() == [5.0, 7.5, 6.0, None, 7.0, None, None, None, 9.0]
    assert table["error"].to_pylist() == [None] * 3 + ["GPU is lost", None, "GPU is lost", None, "tréma", None]
    meta = json.loads(table.schema.metadata[b"energytrain"])
    assert meta["schema_version"] == 1
    assert [channel["name"] for channel in meta["channels"]] == ["nvml:0", "ina:VDD_IN"]
    if importlib.util.find_spec("polars"):
        assert importlib.import_module("polars").read_ipc_stream(path)["t_ns"].to_list() == table["t_ns"].to_pylist()


def test_torn_at_every_byte_of_the_last_batch(tmp_path: Path) -> None:
    path = tmp_path / "t.arrows"
    *_, whole, _ = write(path, BATCHES)
    data = path.read_bytes()
    assert len(data) - whole > 300
    for cut in range(whole, len(data)):
        path.write_bytes(data[:cut])
        before = read_trace(path)
        in_end_marker = cut >= len(data) - len(END_OF_STREAM)
        kept, rows = (len(data) - len(END_OF_STREAM), (5, 4)) if in_end_marker else (whole, (4, 3))
        assert (before.complete, before.torn_bytes) == (False, cut - kept)
        assert tuple(len(series.t) for series in before.series.values()) == rows
        assert close_torn(path) == cut - kept
        after = read_trace(path)
        assert (after.complete, after.torn_bytes) == (True, 0)
        for name, series in before.series.items():
            np.testing.assert_array_equal(after.series[name].values, series.values)
        assert opened_by_pyarrow(path).num_rows == sum(rows)
        assert close_torn(path) == 0


def test_torn_inside_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "t.arrows"
    write(path, BATCHES)
    data = path.read_bytes()
    schema_ends = len(make_schema([GPU, RAIL], 3, "bench", "boot-1").serialize())
    for cut in (0, 1, 3, 4, 7, 8, 9, schema_ends // 2, schema_ends - 1):
        path.write_bytes(data[:cut])
        trace = read_trace(path)
        assert (trace.series, trace.complete, trace.torn_bytes) == ({}, False, cut)
        assert close_torn(path) == cut
        assert opened_by_pyarrow(path).num_rows == 0
        assert read_trace(path).complete


def test_a_tail_of_zeros_is_torn(tmp_path: Path) -> None:
    """What a file system may leave of the last writes when the power goes."""
    path = tmp_path / "t.arrows"
    sizes = write(path, BATCHES, close=False)
    path.write_bytes(path.read_bytes() + bytes(1000))
    assert (read_trace(path).torn_bytes, read_trace(path).complete) == (1000, False)
    assert close_torn(path) == 1000
    assert path.stat().st_size == sizes[-1] + len(END_OF_STREAM)


def test_reading_goes_on_while_the_trace_grows(tmp_path: Path) -> None:
    path = tmp_path / "t.arrows"
    writer = TraceWriter(path, [GPU], 1, "bench", "boot-1")
    reader = TraceReader(path)
    assert reader.read().series["nvml:0"].t.tolist() == []
    for number in range(5):
        writer.append(0, number, float(number), None)
        writer.flush()
        assert reader.read().series["nvml:0"].t.tolist() == list(range(number + 1))
    assert not reader.read().complete
    writer.close()
    writer.close()
    last = reader.read()
    assert last.complete and last.torn_bytes == 0
    assert reader.read().series["nvml:0"].values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert len(reader.read().anchors) == len(read_trace(path).anchors) == 6


def test_a_trace_is_never_appended_to_by_another(tmp_path: Path) -> None:
    path = tmp_path / "t.arrows"
    write(path, BATCHES)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        TraceWriter(path, [GPU], 1, "bench", "boot-1")
    assert path.read_bytes() == before


def test_a_living_writer_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.arrows"
    writer = TraceWriter(path, [GPU], 1, "bench", "boot-1")
    monkeypatch.setattr(trace_module, "LOCK_WAIT_SECONDS", 0.1)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="still being written"):
        close_torn(path)
    assert path.read_bytes() == before
    writer.close()
    assert close_torn(path) == 0


@pytest.mark.parametrize("content", [b"t,value\n1,2\n", b"PK\x03\x04" + bytes(100), b"\xff\xff\xff\xfe" + bytes(40)])
def test_a_foreign_file_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.arrows"
    path.write_bytes(content)
    for function in (read_trace, close_torn):
        with pytest.raises(UsageError, match="is not a trace"):
            function(path)
    assert path.read_bytes() == content


def foreign_stream(path: Path, schema: pa.Schema, rows: Sequence[dict]) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
        stream.write_table(pa.Table.from_pylist(list(rows), schema=schema))


def test_an_arrow_stream_that_is_no_trace_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.arrows"
    foreign_stream(path, pa.schema([("a", pa.int64())]), [{"a": 1}])
    path.write_bytes(path.read_bytes()[:-3])
    before = path.read_bytes()
    for function in (read_trace, close_torn):
        with pytest.raises(UsageError, match="no trace"):
            function(path)
    assert path.read_bytes() == before


def test_a_newer_trace_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.arrows"
    schema = make_schema([GPU], 1, "bench", "boot-1")
    meta = dict(json.loads(schema.metadata[b"energytrain"]), schema_version=SCHEMA_VERSION + 1)
    foreign_stream(path, schema.with_metadata({b"energytrain": json.dumps(meta)}), [])
    with pytest.raises(UsageError, match="schema version 2"):
        read_trace(path)


@pytest.mark.parametrize("meta", [b"{", b"[]", b'{"schema_version": 1}', b'{"schema_version": 1, "channels": [{}]}'])
def test_garbled_metadata_is_one_sentence(tmp_path: Path, meta: bytes) -> None:
    path = tmp_path / "t.arrows"
    foreign_stream(path, make_schema([GPU], 1, "bench", "b").with_metadata({b"energytrain": meta}), [])
    with pytest.raises(UsageError, match="damaged"):
        read_trace(path)


def test_a_reading_of_no_channel_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "t.arrows"
    schema = make_schema([GPU], 1, "bench", "b")
    foreign_stream(path, schema, [{"channel": 1, "t_ns": 1, "value": 1.0, "error": None}])
    with pytest.raises(UsageError, match="channel"):
        read_trace(path)


def test_a_missing_file_is_not_an_empty_trace(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_trace(tmp_path / "t.arrows")


def run_python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_a_full_disk_leaves_whole_messages(tmp_path: Path) -> None:
    path = tmp_path / "t.arrows"
    told = run_python(
        """
        import resource, sys
        from energytrain.energy.traces.trace import TraceWriter
        from energytrain.meters.base import Channel
        from energytrain.quantities.energy import Scope
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        writer = TraceWriter(sys.argv[1], [Channel("c", "m", "s", "watts", Scope.CHIP)], 1, "h", "b")
        for number in range(1000):
            writer.append(0, number, 1.0, None)
            try:
                writer.flush()
            except OSError as error:
                print(number, error.errno, writer.failed)
                break
        writer.append(0, number, 1.0, None)
        try:
            writer.flush()
        except ValueError:
            print("takes no more")
        writer.close()
        """,
        str(path),
    )
    first, second = told.splitlines()
    number, _, failed = first.split()
    assert failed == "True" and second == "takes no more"
    trace = read_trace(path)
    assert trace.series["c"].t.tolist() == list(range(int(number)))
    assert trace.torn_bytes == 0 and not trace.complete
    assert close_torn(path) == 0
    assert opened_by_pyarrow(path).num_rows == int(number)


def test_writing_and_reading_load_neither_torch_nor_pandas(tmp_path: Path) -> None:
    told = run_python(
        """
        import sys
        from energytrain.energy.traces.trace import TraceWriter, read_trace
        from energytrain.meters.base import Channel
        from energytrain.quantities.energy import Scope
        writer = TraceWriter(sys.argv[1], [Channel("c", "m", "s", "watts", Scope.CHIP)], 1, "h", "b")
        writer.append(0, 1, 1.0, None)
        writer.append(0, 2, None, "lost")
        writer.close()
        print(read_trace(sys.argv[1]).series["c"].values.tolist())
        print([name for name in ("torch", "pandas") if name in sys.modules])
        """,
        str(tmp_path / "t.arrows"),
    )
    assert told.splitlines() == ["[1.0, nan]", "[]"]
