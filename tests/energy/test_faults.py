"""Host faults: from traces whose clocks are made up, and from recorders that are really stopped and killed."""

import os
import signal
import time
from pathlib import Path
from typing import Any, Callable, List, Optional, Tuple

import numpy as np
import pytest
from fakes.nvml_fixture import FakeNvml

from energytrain.energy.recorder.client import Recorder
from energytrain.energy.traces import trace as trace_module
from energytrain.energy.traces.faults import Fault, faults_of
from energytrain.energy.traces.series import Series, Trace
from energytrain.energy.traces.trace import TraceWriter, close_torn, read_trace
from energytrain.meters.base import Channel
from energytrain.meters.catalog import MeterSpec
from energytrain.quantities.energy import Scope

SECOND = 1_000_000_000
BEGIN = 5_000 * SECOND
BOOT_AHEAD, REAL_AHEAD = 77 * SECOND, 1_700_000_000 * SECOND
GPU = Channel("nvml:0", "nvml", "nvml:GPU-1", "joules", Scope.CHIP)
RAIL = Channel("ina:VDD_IN", "ina", "ina:0", "watts", Scope.MODULE)
PATIENCE = 20.0

Clocks = Callable[[float], Tuple[float, float]]


class Writer:
    """A recorder of 10 readings a second in batches of a quarter second, whose clocks the test makes up.

    clocks: what boot time and real time are ahead of where they began, in seconds, at a moment of monotonic time.
    """

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, clocks: Clocks) -> None:
        self.now, self._clocks = 0.0, clocks
        monkeypatch.setattr(trace_module, "anchor", self._anchor)
        self.writer = TraceWriter(path, [GPU, RAIL], attempt=1, host="bench", boot_id="boot")

    def _anchor(self) -> Tuple[int, int, int]:
        t = BEGIN + int(self.now * SECOND)
        boot, real = self._clocks(self.now)
        return t, t + BOOT_AHEAD + int(boot * SECOND), t + REAL_AHEAD + int(real * SECOND)

    def read(self, seconds: float, silent: Tuple[int, ...] = ()) -> None:
        """Readings of both channels but for the silent ones."""
        for step in range(1, round(seconds * 10) + 1):
            t = BEGIN + int((self.now + step / 10) * SECOND)
            for index, value in ((0, 20.0 * (self.now + step / 10)), (1, 20.0)):
                if index not in silent:
                    self.writer.append(index, t, value, None)
            if step % 2 == 0:
                before, self.now = self.now, self.now + step / 10
                self.writer.flush()
                self.now = before
        self.now += seconds
        self.writer.flush()


def recorded(path: Path, monkeypatch: pytest.MonkeyPatch, clocks: Clocks, seconds: float = 20.0) -> Trace:
    writer = Writer(path, monkeypatch, clocks)
    writer.read(seconds)
    writer.writer.close()
    return read_trace(path)


def faults(trace: Trace, start: float = 0.0, end: float = 20.0) -> List[Fault]:
    return faults_of(trace, BEGIN + int(start * SECOND), BEGIN + int(end * SECOND))


def test_a_quiet_host_has_no_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real time that is slewed by 500 ppm moves by more than the limit in the end, and is never stepped."""
    assert faults(recorded(tmp_path / "t", monkeypatch, lambda now: (0.0, 5e-4 * now), 20.0)) == []
    slewed = recorded(tmp_path / "slewed", monkeypatch, lambda now: (0.0, 0.08 * now), 20.0)
    assert slewed.anchors[-1, 2] - slewed.anchors[0, 2] > 21 * SECOND
    assert faults(slewed) == []


def test_a_suspended_machine_is_told_by_boot_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slept(now: float) -> Tuple[float, float]:
        ahead = 3600.0 if now > 8.0 else 0.0
        return ahead, ahead

    trace = recorded(tmp_path / "t", monkeypatch, slept)
    (fault,) = faults(trace)
    assert fault.kind == "suspended" and fault.seconds == pytest.approx(3600.0)
    assert BEGIN + 8 * SECOND <= fault.at_ns <= BEGIN + 9 * SECOND
    assert fault.text.startswith("the machine was suspended for 3600.0 s, 8.")
    assert faults(trace, 10.0, 20.0) == [] and faults(trace, 0.0, 6.0) == []


@pytest.mark.parametrize("step, way", [(-3.0, "back"), (0.8, "forward")])
def test_a_wall_clock_that_is_set_is_a_step(
    step: float, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fault,) = faults(recorded(tmp_path / "t", monkeypatch, lambda now: (0.0, step if now > 12.0 else 0.0)))
    assert fault.kind == "stepped" and fault.seconds == pytest.approx(step)
    assert fault.text.startswith(f"the wall clock was set {way} by {abs(step):.1f} s, 12.")


def test_a_small_correction_is_no_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults(recorded(tmp_path / "t", monkeypatch, lambda now: (0.0, 0.4 if now > 12.0 else 0.0))) == []


def test_a_recorder_that_waits_amid_an_anchor_looks_like_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def waited(now: float) -> Tuple[float, float]:
        return (2.0, 4.0) if 7.9 < now < 8.1 else (0.0, 0.0)

    trace = recorded(tmp_path / "t", monkeypatch, waited)
    assert max(trace.anchors[:, 1] - trace.anchors[:, 0]) > BOOT_AHEAD + SECOND
    assert faults(trace) == []


def test_readings_that_stop_and_go_on_are_a_stall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(tmp_path / "t", monkeypatch, lambda now: (0.0, 0.0))
    writer.read(5.0)
    writer.now += 4.0
    writer.read(5.0)
    writer.read(3.0, silent=(1,))
    writer.read(3.0)
    writer.writer.close()
    found = faults(read_trace(tmp_path / "t"))
    assert [fault.kind for fault in found] == ["stalled"] * 3
    assert [fault.meter for fault in found] == ["nvml", "ina", "ina"], "the one that was read on is not the third"
    assert [fault.seconds for fault in found] == pytest.approx([4.1, 4.1, 3.1])
    assert "no reading of 'nvml' for 4.1 s, 5.0 s after the start" in found[0].text
    inside = faults(read_trace(tmp_path / "t"), 6.0, 7.0)
    assert [fault.seconds for fault in inside] == pytest.approx([1.0, 1.0])


def test_slow_reads_are_no_stall(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "t", [RAIL], attempt=1, host="bench", boot_id="boot")
    for step in range(10):
        writer.append(0, BEGIN + 2 * step * SECOND, 20.0, None)
    writer.close()
    assert faults(read_trace(tmp_path / "t"), 0.0, 30.0) == []


def test_a_recorder_that_never_went_on_is_stalled_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = recorded(tmp_path / "t", monkeypatch, lambda now: (0.0, 0.0), 5.0)
    found = faults(trace, 0.0, 11.0)
    assert [(fault.kind, round(fault.seconds)) for fault in found] == [("stalled", 6)] * 2


def test_a_torn_trace_says_how_much_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(tmp_path / "t", monkeypatch, lambda now: (0.0, 0.0), 5.0)
    data = (tmp_path / "t").read_bytes()
    (tmp_path / "t").write_bytes(data[:-100])
    (fault,) = faults(read_trace(tmp_path / "t"), 0.0, 11.0)
    assert fault.kind == "torn" and fault.seconds > 5.9 and "bytes of a torn one" in fault.text


def started(path: Path, fake: FakeNvml, **settings: Any) -> Recorder:
    fake.set(update_ms=20, **settings)
    recorder = Recorder.start(path, [MeterSpec("nvml")])
    assert recorder.failure is None and recorder.wait_sampled(PATIENCE)
    return recorder


def test_a_recorder_that_is_stopped_and_let_go_on(tmp_path: Path, fake_nvml: FakeNvml) -> None:
    recorder = started(tmp_path / "t", fake_nvml)
    begin = time.monotonic_ns()
    time.sleep(0.3)
    assert recorder.pid is not None
    os.kill(recorder.pid, signal.SIGSTOP)
    stopped = time.monotonic_ns()
    time.sleep(1.5)
    os.kill(recorder.pid, signal.SIGCONT)
    time.sleep(0.3)
    end = time.monotonic_ns()
    recorder.stop()
    assert recorder.failure is None
    trace = read_trace(tmp_path / "t")
    stalls = [fault for fault in faults_of(trace, begin, end) if fault.kind == "stalled"]
    assert [fault.meter for fault in stalls] == ["nvml"] and stalls[0].seconds >= 1.4
    assert abs(stalls[0].at_ns - stopped) < SECOND
    assert {fault.kind for fault in faults_of(trace, begin, end)} == {"stalled"}


def test_a_recorder_that_is_killed_leaves_a_trace_without_an_end(tmp_path: Path, fake_nvml: FakeNvml) -> None:
    recorder = started(tmp_path / "t", fake_nvml)
    begin = time.monotonic_ns()
    time.sleep(0.5)
    assert recorder.pid is not None
    os.kill(recorder.pid, signal.SIGKILL)
    recorder.stop()
    end = time.monotonic_ns() + 2 * SECOND
    found: Optional[Fault] = faults_of(read_trace(tmp_path / "t"), begin, end)[-1]
    assert found is not None and found.kind == "torn" and 2.0 <= found.seconds < 10.0
    close_torn(tmp_path / "t")
    closed = faults_of(read_trace(tmp_path / "t"), begin, end)
    assert [fault.kind for fault in closed] == ["stalled"], "what the end of the file no longer says, the readings do"


def _rail(seconds: float, watts: Callable[[float], float]) -> Trace:
    t = np.arange(0, seconds, 0.5)
    series = Series(RAIL, BEGIN + (t * SECOND).astype(np.int64), np.array([watts(one) for one in t]))
    return Trace({RAIL.name: series}, "bench", "boot", 1, np.zeros((0, 3), np.int64))


def test_a_power_that_never_changes_is_said() -> None:
    frozen = _rail(700, lambda t: 20.0)
    (fault,) = faults_of(frozen, BEGIN, BEGIN + 700 * SECOND)
    assert fault.kind == "frozen" and "never changed from 20 W" in fault.text
    assert faults_of(frozen, BEGIN, BEGIN + 500 * SECOND) == []
    assert faults_of(_rail(700, lambda t: 20.0 + 0.1 * (t > 650)), BEGIN, BEGIN + 700 * SECOND) == []
