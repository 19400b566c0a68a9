"""The recorder process against real signals, forks, limits and a fake NVIDIA driver."""

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import numpy as np
import pytest
from fakes.nvml_fixture import FakeNvml

from energytrain.energy.recorder import client as recorder_client
from energytrain.energy.recorder.client import Recorder
from energytrain.energy.recorder.config import RecorderConfig
from energytrain.energy.recorder.outbox import Outbox
from energytrain.energy.traces.trace import close_torn, read_trace
from energytrain.meters.catalog import MeterSpec, parse_meter

ROOT = Path(__file__).resolve().parents[2]
NVML = [MeterSpec("nvml")]
PATIENCE = 20.0  # seconds; how long a test waits for what must happen before it fails


def until(condition: Callable[[], Any]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    """Whether the process has ended (a zombie has, too: it only waits for somebody to collect it)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Recorder]]:
    started: List[Recorder] = []

    def begin(**settings: Any) -> Recorder:
        trace = tmp_path / f"{len(started)}.arrows"
        started.append(Recorder.start(trace, **dict({"meters": NVML}, **settings)))
        return started[-1]

    yield begin
    for recorder in started:
        recorder.stop()
        assert recorder.pid is None or gone(recorder.pid)


class Trainer:
    """A script in a process of its own that prints lines of JSON."""

    HEAD = """
        import json, os, signal, sys, time
        from energytrain.energy.recorder.client import Recorder
        from energytrain.meters.catalog import MeterSpec
        def tell(**facts):
            print(json.dumps(facts), flush=True)
        """

    def __init__(self, folder: Path, code: str, **options: Any) -> None:
        script = folder / "trainer.py"
        script.write_text(textwrap.dedent(self.HEAD) + textwrap.dedent(code))
        environment = dict(os.environ, PYTHONPATH=str(ROOT))
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(folder / "trace.arrows")],
            stdout=subprocess.PIPE,
            env=environment,
            **options,
        )
        self.trace = folder / "trace.arrows"

    def facts(self) -> Dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the script ended without a word"
        return json.loads(line)  # type: ignore[no-any-return]


def test_it_records_what_the_meter_says(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    recorder = start()
    assert recorder.failure is None and recorder.alive and recorder.unavailable == []
    assert [channel.name for channel in recorder.channels if channel.is_power] == ["nvml:0"]
    assert recorder.wait_sampled(PATIENCE)
    time.sleep(0.3)
    assert recorder.flush(PATIENCE)
    growing = read_trace(recorder.trace).series["nvml:0"]
    assert len(growing.t) > 5 and growing.t[-1] < time.monotonic_ns()
    recorder.stop()
    trace = read_trace(recorder.trace)
    assert trace.complete and trace.torn_bytes == 0 and trace.attempt == 1
    series = trace.series["nvml:0"]
    assert len(series.t) > len(growing.t) and (np.diff(series.t) > 0).all()
    watts = np.diff(series.values).sum() / (np.diff(series.t).sum() * 1e-9)
    assert watts == pytest.approx(200.0, rel=0.05)
    assert len(trace.anchors) >= 2


def test_the_status_shows_watts_joules_and_its_own_cost(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    fake_nvml.set(update_ms=20)
    recorder = start()

    def counted() -> bool:
        latest = recorder.latest()
        return latest is not None and (latest["channels"]["nvml:0"]["joules"] or 0.0) > 100.0

    assert until(counted)
    status = recorder.latest()
    assert status is not None and status["error"] is None
    figures = status["channels"]["nvml:0"]
    assert figures["watts"] == pytest.approx(200.0, rel=0.25)
    assert figures["joules"] > 50 and figures["partial"] is False
    assert figures["update_seconds"] == pytest.approx(0.02, rel=0.5)
    assert status["cpu_seconds"] > 0


def test_it_reads_no_faster_than_the_meter_updates(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    fake_nvml.set(update_ms=100)
    recorder = start(hz=200.0)

    def slower() -> bool:
        recorder.flush()
        spans = np.diff(read_trace(recorder.trace).series["nvml:0"].t)
        return len(spans) > 10 and bool(np.median(spans[-10:]) > 15e6)

    assert until(slower)


@pytest.mark.slow
def test_a_power_that_jumps_rarely_is_read_as_often_as_asked(
    start: Callable[..., Recorder], fake_nvml: FakeNvml
) -> None:
    """Its jumps are the load's rhythm: taken for the sensor's, they would slow the reads down to it."""
    fake_nvml.set(counter=0, instant=1, update_ms=5, square_period_ms=200, square_low_mw=100_000)
    recorder = start(hz=200.0)
    assert recorder.wait_sampled(PATIENCE)
    time.sleep(2.5)
    recorder.stop()
    assert np.median(np.diff(read_trace(recorder.trace).series["nvml:0"].t)[-100:]) < 15e6


@pytest.mark.slow
def test_an_asked_rate_below_the_useful_one_is_kept(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    recorder = start(hz=20.0)
    assert recorder.wait_sampled(PATIENCE)
    time.sleep(0.5)
    recorder.stop()
    assert np.diff(read_trace(recorder.trace).series["nvml:0"].t).min() > 20e6


def test_stopping_twice_and_from_two_threads(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    recorder = start()
    threads = [threading.Thread(target=recorder.stop) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.stop()
    assert recorder.pid is not None and gone(recorder.pid)
    assert not recorder.alive and recorder.failure is None
    assert not recorder.flush()
    assert read_trace(recorder.trace).complete


def test_a_stop_reads_past_the_last_edge(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    fake_nvml.set(update_ms=100)
    recorder = start()
    assert recorder.wait_sampled(PATIENCE)
    edge = time.monotonic_ns()
    recorder.stop()
    series = read_trace(recorder.trace).series["nvml:0"]
    after = series.values[series.t > edge]
    assert len(np.unique(after)) >= 2, "an update follows the edge"


def test_sigkill_of_the_parent_ends_it_though_a_fork_holds_the_pipe(tmp_path: Path, fake_nvml: FakeNvml) -> None:
    trainer = Trainer(
        tmp_path,
        """
        recorder = Recorder.start(sys.argv[1], [MeterSpec("nvml")])
        recorder.wait_sampled()
        os.dup(recorder._process.stdin.fileno())  # what a fork from C code would hold on to
        worker = os.fork()
        if not worker:
            time.sleep(120)
        tell(recorder=recorder.pid, worker=worker)
        time.sleep(120)
        """,
    )
    pids = trainer.facts()
    try:
        trainer.process.kill()
        trainer.process.wait()
        killed = time.monotonic_ns()
        assert until(lambda: gone(pids["recorder"]))
        assert not gone(pids["worker"])
    finally:
        os.kill(pids["worker"], signal.SIGKILL)
    trace = read_trace(trainer.trace)
    assert trace.complete and trace.torn_bytes == 0
    assert trace.series["nvml:0"].t[-1] - killed < 2e9, "it went on recording for nobody"


def test_an_exit_without_a_word_ends_it(tmp_path: Path, fake_nvml: FakeNvml) -> None:
    trainer = Trainer(
        tmp_path,
        """
        recorder = Recorder.start(sys.argv[1], [MeterSpec("nvml")])
        tell(recorder=recorder.pid)
        os._exit(0)
        """,
    )
    pid = trainer.facts()["recorder"]
    assert until(lambda: gone(pid))
    assert read_trace(trainer.trace).complete


def test_a_stop_works_while_a_fork_holds_the_pipe_and_the_fork_has_no_say(tmp_path: Path, fake_nvml: FakeNvml) -> None:
    trainer = Trainer(
        tmp_path,
        """
        recorder = Recorder.start(sys.argv[1], [MeterSpec("nvml")])
        recorder.wait_sampled()
        os.dup(recorder._process.stdin.fileno())
        worker = os.fork()
        if not worker:
            recorder.stop()
            tell(alive=recorder.alive, flushed=recorder.flush(), latest=recorder.latest())
            time.sleep(120)
        time.sleep(0.5)
        tell(worker=worker, alive=recorder.alive, flushed=recorder.flush())
        recorder.stop()
        tell(failure=recorder.failure, exit=recorder._process.returncode)
        """,
    )
    assert trainer.facts() == {"alive": False, "flushed": False, "latest": None}
    facts = trainer.facts()
    try:
        assert facts["alive"] and facts["flushed"]
        assert trainer.facts() == {"failure": None, "exit": 0}
    finally:
        os.kill(facts["worker"], signal.SIGKILL)
        trainer.process.wait()


@pytest.mark.slow
def test_it_ends_with_its_parent_while_a_driver_hangs(tmp_path: Path, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(read_sleep_ms=60_000)
    trainer = Trainer(
        tmp_path,
        """
        import threading
        threading.Thread(target=Recorder.start, args=(sys.argv[1], [MeterSpec("nvml")], 100.0, 1, 60.0)).start()
        time.sleep(1)
        tell(children=open(f"/proc/self/task/{threading.main_thread().native_id}/children").read().split()
             + [c for t in os.listdir("/proc/self/task") for c in open(f"/proc/self/task/{t}/children").read().split()])
        time.sleep(120)
        """,
    )
    (pid,) = {int(child) for child in trainer.facts()["children"]}
    trainer.process.kill()
    trainer.process.wait()
    assert until(lambda: gone(pid))


def test_a_driver_that_hangs_at_the_start_is_given_up(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    fake_nvml.set(read_sleep_ms=60_000)
    recorder = start(wait_seconds=0.5)
    assert not recorder.alive and recorder.channels == ()
    assert recorder.failure == "the recorder was not ready after 0.5 s."
    assert recorder.pid is not None and gone(recorder.pid)


def test_a_meter_that_dies_and_comes_back(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    recorder = start()
    assert recorder.wait_sampled(PATIENCE)
    fake_nvml.lose_gpu()

    def error() -> Any:
        status = recorder.latest()
        return status and status["channels"]["nvml:0"]["error"]

    assert until(error)
    status = recorder.latest()
    assert status is not None and status["channels"]["nvml:0"]["watts"] is None and error() == "GPU is lost"
    fake_nvml.set(lost_from_ns__0=0)
    assert until(lambda: not error())
    recorder.stop()
    assert recorder.failure is None
    series = read_trace(recorder.trace).series["nvml:0"]
    assert series.errors == ("GPU is lost",)
    lost = np.isnan(series.values)
    assert lost.any() and not lost[0] and not lost[-1]
    assert np.count_nonzero(np.diff(lost.astype(int)) == 1) == 1


def test_a_read_that_hangs_has_no_time(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    recorder = start()
    assert recorder.wait_sampled(PATIENCE)
    fake_nvml.set(read_sleep_ms=400)
    time.sleep(0.4)
    fake_nvml.set(read_sleep_ms=0)

    def failed() -> bool:
        recorder.flush()
        return read_trace(recorder.trace).series["nvml:0"].errors == ("the read took too long to have a time",)

    assert until(failed)


def test_a_recorder_that_is_killed_disturbs_nobody(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    recorder = start()
    assert recorder.wait_sampled(PATIENCE) and recorder.flush(PATIENCE)
    assert recorder.pid is not None
    os.kill(recorder.pid, signal.SIGKILL)
    assert until(lambda: not recorder.alive)
    assert recorder.failure == "the recorder ended with status -9: no message."
    assert not recorder.flush()
    recorder.latest()
    recorder.stop()
    trace = read_trace(recorder.trace)
    assert not trace.complete and len(trace.series["nvml:0"].t) > 0
    close_torn(recorder.trace)
    assert read_trace(recorder.trace).complete


def test_a_stopped_recorder_does_not_hold_up_the_trainer(
    start: Callable[..., Recorder], fake_nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = start()
    assert recorder.pid is not None
    os.kill(recorder.pid, signal.SIGSTOP)
    assert not recorder.flush(timeout=0.1)
    recorder.latest()
    for _ in range(5000):  # more than its standard input takes
        recorder.flush(timeout=0.0)
    monkeypatch.setattr(recorder_client, "STOP_WAIT_SECONDS", 0.2)
    recorder.stop()
    assert gone(recorder.pid) and recorder.failure == "the recorder did not end within 0.2 s."


def test_signals_meant_for_the_trainer_do_not_end_it(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    recorder = start()
    assert recorder.pid is not None and os.getsid(recorder.pid) == recorder.pid
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(recorder.pid, name)
    assert recorder.flush(PATIENCE) and recorder.alive


def test_a_full_disk_stops_the_trace_and_not_the_trainer(tmp_path: Path, fake_nvml: FakeNvml) -> None:
    trainer = Trainer(
        tmp_path,
        """
        recorder = Recorder.start(sys.argv[1], [MeterSpec("nvml")])
        def until(condition):
            for _ in range(400):
                if condition():
                    return
                time.sleep(0.05)
        until(lambda: recorder.failure)
        first = recorder.latest()
        until(lambda: recorder.latest() != first)
        tell(alive=recorder.alive, failure=recorder.failure, flushed=recorder.flush(),
             figures=recorder.latest()["channels"]["nvml:0"])
        recorder.stop()
        tell(exit=recorder._process.returncode)
        """,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (12000, 12000)),
    )
    facts = trainer.facts()
    assert facts["alive"] and facts["flushed"]
    assert facts["failure"] == "the trace cannot be written: File too large."
    assert facts["figures"]["watts"] == pytest.approx(200, rel=0.25)
    assert trainer.facts() == {"exit": 0}
    assert trainer.process.wait() == 0
    trace = read_trace(trainer.trace)
    assert len(trace.series["nvml:0"].t) > 0 and trace.torn_bytes == 0
    close_torn(trainer.trace)


def test_a_folder_that_cannot_be_written(tmp_path: Path, fake_nvml: FakeNvml) -> None:
    recorder = Recorder.start(tmp_path / "no" / "such" / "t.arrows", NVML)
    try:
        assert recorder.failure == "the trace cannot be written: No such file or directory."
        assert recorder.alive and recorder.wait_sampled(PATIENCE)
    finally:
        recorder.stop()


def test_it_loads_neither_torch_nor_what_lies_in_the_users_folder(tmp_path: Path, fake_nvml: FakeNvml) -> None:
    trap = tmp_path / "project"
    trap.mkdir()
    for name in ("numpy", "torch", "pyarrow", "json", "pynvml", "energytrain"):
        (trap / f"{name}.py").write_text(f"open({str(trap / 'sprung')!r}, 'a').write({name!r})\nraise SystemExit(3)\n")
    trainer = Trainer(
        tmp_path,
        """
        recorder = Recorder.start(sys.argv[1], [MeterSpec("nvml")])
        recorder.wait_sampled()
        tell(failure=recorder.failure, maps=open(f"/proc/{recorder.pid}/maps").read(),
             cwd=os.readlink(f"/proc/{recorder.pid}/cwd"))
        recorder.stop()
        """,
        cwd=trap,
    )
    facts = trainer.facts()
    assert trainer.process.wait() == 0
    assert facts["failure"] is None
    assert not (trap / "sprung").exists()
    assert "libarrow" in facts["maps"] and "libtorch" not in facts["maps"]
    assert facts["cwd"] == str(ROOT)


def test_its_modules_load_neither_torch_nor_pandas() -> None:
    code = "import energytrain.energy.recorder.__main__, energytrain.meters.nvml.meter, sys; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"torch", "pandas", "scipy"} & set(told.stdout.split())


def test_meters_that_cannot_be_read_are_named(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    recorder = start(meters=[parse_meter("nvml:gpu=7"), parse_meter("nvml:gpus=0"), parse_meter("nvml")])
    assert [entry["meter"] for entry in recorder.unavailable] == ["nvml:gpu=7", "nvml:gpus=0"]
    no_gpu, no_option = recorder.unavailable
    assert no_gpu["why"] == "there is no GPU '7'." and "GPU-00000000" in str(no_gpu["fix"])
    assert "Did you mean 'gpu'?" in str(no_option["fix"])
    assert sum(channel.is_power for channel in recorder.channels) == 1 and recorder.failure is None


def test_a_gpu_left_out_is_named_beside_the_others(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    fake_nvml.set(gpus=2, mig__1=1)
    recorder = start()
    assert [channel.name for channel in recorder.channels if channel.is_power] == ["nvml:0"]
    assert [entry["meter"] for entry in recorder.unavailable] == ["nvml:1"]


def test_no_meter_at_all_is_no_failure(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    fake_nvml.set(init_error=9)
    recorder = start()
    assert recorder.channels == () and recorder.failure is None
    assert recorder.unavailable[0]["why"] == "the NVIDIA driver is installed but not loaded."
    assert not recorder.wait_sampled(0.0)
    recorder.stop()
    assert read_trace(recorder.trace).series == {}


def test_a_python_that_cannot_start_is_a_failure(
    start: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    recorder = start()
    assert not recorder.alive and "cannot be started" in str(recorder.failure)
    assert not recorder.flush() and recorder.latest() is None


def test_a_process_that_fails_says_why(
    start: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "pyarrow.py").write_text("raise ImportError('pyarrow was built for another machine')")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    recorder = start()
    expected = "the recorder ended with status 1: ImportError: pyarrow was built for another machine."
    assert recorder.failure == expected


def test_a_python_that_prints_when_it_starts(
    start: Callable[..., Recorder], fake_nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('Welcome!'); print('[1]')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    recorder = start()
    assert recorder.failure is None and recorder.wait_sampled(PATIENCE)


def test_more_files_than_select_takes(start: Callable[..., Recorder], fake_nvml: FakeNvml) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        recorder = start()
        assert recorder.wait_sampled(PATIENCE) and recorder.flush(PATIENCE)
        recorder.stop()
        assert recorder.failure is None
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_config_survives_its_line(tmp_path: Path) -> None:
    config = RecorderConfig(tmp_path / "t", 2, (parse_meter("nvml:gpu=0"),), 50.0, 1234)
    assert RecorderConfig.from_line(config.to_line()) == config


@pytest.mark.parametrize("change", [{"hz": 0}, {"hz": "nan"}, {"meters": [{}]}, {"parent": None}])
def test_a_garbled_config_is_refused(tmp_path: Path, change: Dict[str, Any]) -> None:
    line = RecorderConfig(tmp_path / "t", 2, (), 50.0, 1234).to_line()
    with pytest.raises(ValueError):
        RecorderConfig.from_line(json.dumps(dict(json.loads(line), **change)).encode())


def test_a_full_pipe_drops_what_is_told_and_keeps_what_is_answered() -> None:
    reader, writer = os.pipe()
    outbox = Outbox(writer)
    for number in range(5000):
        outbox.tell({"status": number, "padding": "x" * 50})
    outbox.answer({"flushed": 7})
    received = os.read(reader, 1 << 20)
    outbox.pump()
    received += os.read(reader, 1 << 20)
    lines = [json.loads(line) for line in received.splitlines()]
    told = [line["status"] for line in lines if "status" in line]
    assert told == list(range(len(told))) and len(told) < 5000
    assert lines[-1] == {"flushed": 7}
    os.close(reader)
    outbox.answer({"flushed": 8})
    outbox.tell({"status": 1})
    os.close(writer)
