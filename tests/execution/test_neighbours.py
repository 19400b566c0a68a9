"""Runs beside this one: found among the recorders at work, by the sensors in the traces that they hold open."""

import json
import os

import pyarrow as pa
import pytest

from energytrain.energy.recorder.client import Recorder
from energytrain.energy.traces.trace_format import METADATA_KEY, SCHEMA_VERSION, make_schema
from energytrain.execution import neighbours
from energytrain.execution.neighbours import Neighbours, runs_beside
from energytrain.meters.catalog import parse_meter

FIRST, SECOND = (f"nvml:GPU-00000000-0000-0000-0000-{number:012d}" for number in (0, 1))


@pytest.fixture
def recording(fake_nvml, tmp_path):
    """Starts a recorder of one GPU into `folder`."""
    fake_nvml.set(gpus=2)
    started = []

    def start(folder, gpu=0):
        trace = tmp_path / folder / "1-bench.arrows"
        trace.parent.mkdir(parents=True)
        started.append(Recorder.start(trace, [parse_meter(f"nvml:gpu={gpu}")]))
        assert started[-1].channels
        return started[-1]

    yield start
    for recorder in started:
        recorder.stop()


def mine(names):
    """Of the names found those of this test: other tests may be at work on this machine."""
    return [name for name in names if name.startswith("mine")]


def test_runs_on_the_same_sensor_are_found_while_their_recorder_is_at_work(recording):
    one = recording("mine-a/traces")
    recording("mine-b/traces", gpu=1)
    assert {channel.sensor for channel in one.channels} == {FIRST}
    assert mine(runs_beside({FIRST}, own=None)) == ["mine-a"]
    assert mine(runs_beside({SECOND}, own=None)) == ["mine-b"]
    assert mine(runs_beside({FIRST, SECOND}, own=one.pid)) == ["mine-b"], "one's own recorder is nobody else's"
    assert mine(runs_beside({"nvml:another"}, own=None)) == []
    one.stop()
    assert mine(runs_beside({FIRST}, own=None)) == []


def test_a_recorder_that_only_watches_is_no_run(recording):
    recording("mine-watch")
    assert mine(runs_beside({FIRST}, own=None)) == []


def test_each_is_told_once_and_looking_takes_little_time(recording, monkeypatch):
    looks = []
    monkeypatch.setattr(neighbours, "runs_beside", lambda sensors, own: looks.append(1) or ["a", "b"][: len(looks)])
    monkeypatch.setattr(neighbours, "SOONEST_SECONDS", 0.0)
    monkeypatch.setattr(neighbours, "MOST_OF_TIME", float("inf"))
    beside = Neighbours({FIRST}, own=None)
    assert [beside.newly_found() for _ in range(3)] == [["a"], ["b"], []]
    monkeypatch.setattr(neighbours, "SOONEST_SECONDS", 3600.0)
    beside.newly_found()
    before = len(looks)
    assert [beside.newly_found() for _ in range(3)] == [[], [], []] and len(looks) == before
    beside.newly_found(must_look=True)
    assert len(looks) == before + 1
    looks.clear()
    assert Neighbours(set(), own=None).newly_found(must_look=True) == [] and not looks, "no meter, no neighbours"


def test_what_is_no_recorder_and_what_cannot_be_read_is_passed_over(tmp_path):
    for process, words in (("1", b"python\0-m\0http.server\0"), ("2", b"python\0-m\0energytrain.energy.recorder\0")):
        (tmp_path / process).mkdir()
        (tmp_path / process / "cmdline").write_bytes(words)
    (tmp_path / "3").mkdir()
    (tmp_path / "2" / "fd").mkdir()
    torn = tmp_path / "mine" / "traces" / "1-h.arrows"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"\xff\xff\xff\xff\x10\0\0\0")
    os.symlink(torn, tmp_path / "2" / "fd" / "7")
    assert runs_beside({FIRST}, own=None, proc=tmp_path) == []
    (tmp_path / "2" / "fd" / "7").unlink()
    (tmp_path / "2" / "fd").rmdir()
    assert runs_beside({FIRST}, own=None, proc=tmp_path) == []


def stream(meta, columns=True):
    """A trace without readings, with this as its metadata."""
    schema = make_schema((), 1, "h", "b") if columns else pa.schema([("power", pa.float64())])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema.with_metadata({METADATA_KEY: json.dumps(meta)})):
        pass
    return sink.getvalue().to_pybytes()


MINE = {"schema_version": SCHEMA_VERSION, "channels": [{"sensor": FIRST}]}
WHOLE = stream(MINE)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no Arrow at all, but long enough for a header",
        b"\xff\xff\xff\xff\xff\xff\xff\x7f" + WHOLE[8:],
        WHOLE[: len(WHOLE) // 2],
        WHOLE[:8] + bytes(len(WHOLE) - 8),
        stream(MINE, columns=False),
        stream({**MINE, "schema_version": SCHEMA_VERSION + 1}),
        stream({"schema_version": SCHEMA_VERSION}),
        stream({**MINE, "channels": None}),
        stream({**MINE, "channels": [{"meter": "nvml"}, {"sensor": [FIRST]}, FIRST]}),
        stream([FIRST]),
    ],
    ids=["empty", "text", "long", "half", "zeros", "columns", "newer", "no table", "null", "no sensor", "a list"],
)
def test_a_trace_that_cannot_be_understood_is_no_neighbour_and_hides_none(data, tmp_path):
    """Beside it, of the same recorder, one that can be and one that is gone."""
    (tmp_path / "2" / "fd").mkdir(parents=True)
    (tmp_path / "2" / "cmdline").write_bytes(b"python\0-m\0energytrain.energy.recorder\0")
    for number, (run, content) in enumerate((("mine-a", data), ("mine-b", WHOLE), ("mine-c", None))):
        trace = tmp_path / run / "traces" / "1-h.arrows"
        trace.parent.mkdir(parents=True)
        if content is not None:
            trace.write_bytes(content)
        os.symlink(trace, tmp_path / "2" / "fd" / str(number))
    assert runs_beside({FIRST}, own=None, proc=tmp_path) == ["mine-b"]
