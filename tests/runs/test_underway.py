"""Whoever watches a run sees what it does, and learns when there is nothing more to see."""

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Iterator, List

import pytest

from energytrain.energy.traces import clocks
from energytrain.energy.traces.trace import TraceWriter
from energytrain.energy.watch import TraceWatch
from energytrain.errors import UsageError
from energytrain.meters.base import Channel
from energytrain.quantities.energy import Scope
from energytrain.runs import underway
from energytrain.runs.events import EventWriter
from energytrain.runs.folder import RunFolder
from energytrain.runs.underway import RunWatch, runs_underway

ROOT = Path(underway.__file__).resolve().parents[2]
GPU = Channel("nvml:0", "nvml", "nvml:GPU-1", "joules", Scope.CHIP)


class Run:
    """A run that this process claims to train."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = RunFolder(path).writing(room_bytes=0)
        self.folder = self._writing.__enter__()
        self.folder.claim({"device": "generic-cpu"}, "identity")
        self.number = self.folder.begin_attempt(None, {}, {})
        self.events = EventWriter(self.folder.events, self.number)

    def begin(self, metered: bool = True) -> TraceWriter:
        trace = self.folder.trace(self.number)
        writer = TraceWriter(trace, [GPU], self.number, clocks.host(), clocks.boot_id())
        self.mark(
            "attempt",
            trace=str(trace.relative_to(self.path)) if metered else None,
            primary=["nvml:0"],
            unavailable=[] if metered else [{"meter": "nvml", "why": "no driver is installed", "fix": None}],
        )
        return writer

    def mark(self, kind: str, **fields: Any) -> None:
        self.events.append(kind, **fields)

    def end(self, status: str) -> None:
        self.mark("stop", status=status, reason="")
        self.folder.end_attempt(self.number, status)
        self.close()

    def close(self) -> None:
        self.events.close()
        self._writing.__exit__(None, None, None)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    one = Run(tmp_path / "runs" / "one")
    yield one
    one.events.close()
    one._writing.__exit__(None, None, None)


def words(watch: RunWatch) -> str:
    return watch.look().words()


def test_it_says_what_the_run_does(run: Run) -> None:
    watch = RunWatch(run.path)
    assert words(watch) == "setting up" and watch.look().trace is None
    run.begin()
    run.mark("start", span="setup/0", phase="setup", epoch=None, what="setup")
    assert words(watch) == "setup"
    run.mark("end", span="setup/0")
    run.mark("phase", phase="search", epochs=40)
    run.mark("start", span="search/1", phase="search", epoch=2, what="training")
    assert words(watch) == "search, epoch 3 of 40, training"
    run.mark("end", span="search/1")
    assert words(watch) == "search, epoch 3 of 40"
    doing = watch.look()
    assert doing.alive and doing.primary == ("nvml:0",) and doing.trace == run.folder.trace(1)
    run.end("done")
    assert words(watch) == "done" and not watch.look().alive


def test_a_mark_that_is_being_written_is_waited_for(run: Run) -> None:
    watch = RunWatch(run.path)
    run.begin()
    with run.folder.events.open("ab") as file:
        file.write(b'{"kind": "start", "span": "a", "pha')
        file.flush()
        assert words(watch) == "setting up"
        file.write(b'se": "search", "epoch": 0, "what": "training", "t": 1, "attempt": 1}\n')
    assert words(watch) == "search, epoch 1, training"


def test_runs_under_way_are_found_the_newest_first(tmp_path: Path) -> None:
    runs = [Run(tmp_path / name) for name in ("b", "a")]
    ended = Run(tmp_path / "c")
    ended.end("done")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    for one in runs:
        one.begin()
    found: List[str] = [path.name for path in runs_underway(tmp_path)]
    assert sorted(found) == ["a", "b"] and found[0] == "a"
    for one in runs:
        one.end("interrupted")
    assert runs_underway(tmp_path) == [] and runs_underway(tmp_path / "nowhere") == []


def test_a_run_without_readings_is_not_watched(run: Run) -> None:
    run.begin(metered=False)
    with pytest.raises(UsageError, match="no readings to watch .nvml: no driver is installed"):
        RunWatch(run.path).begun()


def test_it_is_over_when_its_trace_has_ended(run: Run) -> None:
    trace = run.begin()
    watch = RunWatch(run.path)
    looks = TraceWatch(watch.begun().trace)  # type: ignore[arg-type]
    trace.append(0, clocks.monotonic_ns(), 5.0, None)
    trace.flush()
    assert [watch.over(looks.look()) for _ in range(6)] == [None] * 6, "it stalls, but its run is there"
    trace.close()
    assert watch.over(looks.look()) == "the trace has ended: the run goes on."
    run.end("interrupted")
    assert watch.over(looks.look()) == "the trace has ended: the run was interrupted."


KILLED = """
    import os, sys
    from energytrain.energy.traces import clocks
    from energytrain.energy.traces.trace import TraceWriter
    from energytrain.meters.base import Channel
    from energytrain.quantities.energy import Scope
    from energytrain.runs.events import EventWriter
    from energytrain.runs.folder import RunFolder
    with RunFolder(sys.argv[1]).writing(room_bytes=0) as folder:
        folder.claim({"device": "generic-cpu"}, "identity")
        number = folder.begin_attempt(None, {}, {})
        trace = folder.trace(number)
        writer = TraceWriter(trace, [Channel("a", "m", "s", "watts", Scope.CHIP)], number, "h", "b")
        writer.append(0, clocks.monotonic_ns(), 5.0, None)
        writer.flush()
        EventWriter(folder.events, number).append("attempt", trace=os.path.relpath(trace, sys.argv[1]), primary=["a"])
        os.kill(os.getpid(), 9)
    """


def test_it_is_over_when_run_and_recorder_were_killed(tmp_path: Path) -> None:
    path = tmp_path / "killed"
    script = textwrap.dedent(KILLED)
    assert subprocess.run([sys.executable, "-c", script, str(path)], cwd=ROOT).returncode == -9
    assert runs_underway(tmp_path) == []
    watch = RunWatch(path)
    looks = TraceWatch(watch.begun().trace)  # type: ignore[arg-type]
    said = [watch.over(looks.look()) for _ in range(5)]
    assert said[0] is None and said[-1] == "the trace has ended, without its end mark: the run was killed."
