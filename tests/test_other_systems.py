"""Elsewhere than on Linux nothing is metered, which is said, and all else works.

There is no Windows and no macOS here. A Python process on Linux loses what Python lacks there (modules, functions of
`os`, `select` and `signal`, folders that can be opened) and is told another `sys.platform`, before the first module of
energytrain is imported. Other packages are imported before that: theirs is not the question. So this shows that nothing
in energytrain needs what is missing; it cannot show how the real systems treat paths, open files, line ends, consoles
or processes, nor that torch works there, and /proc and /sys are still to be seen.
"""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Dict

import pytest

from energytrain.energy.traces.trace import TraceWriter
from energytrain.meters.base import Channel
from energytrain.meters.catalog import METERS
from energytrain.quantities.energy import Scope

ROOT = Path(__file__).resolve().parents[1]
NAMES = {"win32": "Windows", "darwin": "macOS"}

PRETEND = """
    import contextlib, importlib, io, json, os, pkgutil, select, signal, subprocess, sys, tempfile, threading, time
    import click, filelock, fvcore.nn, jsonschema, matplotlib.font_manager, numpy, pandas, PIL.Image, pyarrow.ipc
    import rich.console, rich.progress, rich.table, safetensors.torch, sklearn.datasets, torch, yaml
    from energytrain.torchvision_bridge import load_torchvision
    load_torchvision()

    def without(module, *names):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)

    real_open = os.open
    def open_no_folder(path, flags, *more, **named):
        if sys._getframe(1).f_globals["__name__"].startswith("energytrain") and os.path.isdir(path):
            raise PermissionError(13, "Permission denied", path)
        return real_open(path, flags, *more, **named)

    def no_kill(pid, number):
        raise AssertionError("os.kill(pid, 0) is Ctrl-C on Windows")

    sys.platform = sys.argv[1]
    without(os, "sched_getaffinity", "pidfd_open", "memfd_create")
    without(time, "CLOCK_BOOTTIME")
    if sys.platform == "win32":
        for name in ("fcntl", "resource", "termios", "pwd", "grp", "syslog"):
            sys.modules[name] = None
        without(os, "fork", "forkpty", "register_at_fork", "setsid", "killpg", "getpgid", "pread", "pwrite", "mkfifo")
        without(os, "getuid", "geteuid", "getgid", "uname", "getloadavg", "set_blocking", "O_CLOEXEC")
        without(select, "poll", "epoll")
        without(signal, "SIGHUP", "SIGKILL", "SIGALRM", "SIGUSR1", "SIGCHLD", "pthread_sigmask", "setitimer")
        without(time, "clock_gettime", "clock_gettime_ns")
        os.open, os.kill = open_no_folder, no_kill

    def energytrain(*arguments):
        from energytrain.cli.main import run
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            status = run(list(arguments))
        return {"status": status, "out": out.getvalue(), "err": err.getvalue()}
    """
ALL = """
    import energytrain as package
    told = {"help": energytrain("--help")}
    for module in pkgutil.walk_packages(package.__path__, "energytrain."):
        if not module.name.endswith("__main__") or "recorder" in module.name:
            importlib.import_module(module.name)
    told["devices"] = energytrain("devices", "--json")
    told["shown"] = energytrain("devices")
    with package.measure("window") as window:
        pass
    told["measured"] = [window.energy.joules, window.energy.reason]
    from energytrain.energy.recorder.client import Recorder
    from energytrain.energy.traces.trace import close_torn, read_trace
    from energytrain.meters.catalog import MeterSpec
    recorder = Recorder.start(os.path.join(sys.argv[2], "none.arrows"), [MeterSpec("rapl"), MeterSpec("nvml")])
    recorder.stop()
    told["recorder"] = [recorder.alive, recorder.failure, recorder.wait_sampled(0.1)]
    trace = os.path.join(sys.argv[2], "linux.arrows")
    told["trace"] = [close_torn(trace), list(read_trace(trace).series["a"].values)]
    from energytrain.errors import UsageError
    from energytrain.runs.events import EventWriter, read_log
    from energytrain.runs.folder import RunFolder
    marks = os.path.join(sys.argv[2], "marks.jsonl")
    for attempt in (1, 2):
        with EventWriter(marks, attempt) as events:
            events.append("beat")
        with open(marks, "ab") as file:
            file.write(b'{"torn')
    told["marks"] = len(read_log(marks).events)
    folder = os.path.join(sys.argv[2], "held")
    with RunFolder(folder).writing():
        try:
            with RunFolder(folder).writing():
                pass
        except UsageError as error:
            told["held"] = str(error)
    small = "--dataset digits --width 0.0625 --limit 64 --batch-size 64 --eps 1 --queue 1 --align 1 --compute cpu"
    small = ["run", *small.split(), "--device", "generic-cpu", "--runs-dir", sys.argv[2], "--quiet", "--json"]
    told["run"] = energytrain(*small, "--name", "default", "--epochs", "1")
    told["named"] = energytrain(*small, "--name", "named", "--epochs", "1", "--meter", "nvml")
    told["none"] = energytrain(*small, "--name", "none", "--epochs", "1", "--meter", "none")
    told["again"] = energytrain(*small, "--name", "none", "--epochs", "1", "--meter", "none")
    told["runs"] = energytrain("runs", "list", "--runs-dir", sys.argv[2])
    print(json.dumps(told))
    """


@pytest.fixture(scope="module", params=["win32", pytest.param("darwin", marks=pytest.mark.slow)])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    """What a process said that takes itself to be on that system; "system" is its name."""
    folder = tmp_path_factory.mktemp(request.param)
    channel = Channel("a", "m", "s", "watts", Scope.CHIP)
    writer = TraceWriter(folder / "linux.arrows", [channel], 1, "here", "boot")
    writer.append(0, 1, 5.0, None)
    writer.close()
    command = [sys.executable, "-c", textwrap.dedent(PRETEND) + textwrap.dedent(ALL), request.param, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ, COLUMNS="200"))
    assert done.returncode == 0, done.stderr[-3000:]
    return {**json.loads(done.stdout.splitlines()[-1]), "system": NAMES[request.param]}


def test_devices_says_for_each_meter_why_and_what_to_do(told: Dict[str, Any]) -> None:
    assert told["help"]["status"] == told["devices"]["status"] == told["shown"]["status"] == 0
    meters = json.loads(told["devices"]["out"])["meters"]
    assert {"nvml", "rapl"} <= {meter["meter"] for meter in meters} <= set(METERS)
    for meter in meters:
        assert not meter["usable"] and meter["channels"] == []
        assert meter["why"] == f"metering works on Linux only, and this is {told['system']}."
        assert "Run this on Linux" in meter["fix"] and "external meter" in meter["fix"]
    assert told["shown"]["out"].count(f"this is {told['system']}") == len(meters)


def test_a_window_has_no_joules_and_a_reason(told: Dict[str, Any]) -> None:
    joules, reason = told["measured"]
    assert joules is None and f"this is {told['system']}" in reason


def test_a_recorder_does_not_start_and_says_why(told: Dict[str, Any]) -> None:
    alive, failure, sampled = told["recorder"]
    assert not alive and not sampled and f"this is {told['system']}" in failure


def test_a_trace_from_linux_is_read(told: Dict[str, Any]) -> None:
    assert told["trace"] == [0, [5.0]]


def test_marks_and_run_folders_are_written_and_locked(told: Dict[str, Any]) -> None:
    assert told["marks"] == 2
    assert "is being written by process" in told["held"]


def test_training_goes_on_unmetered(told: Dict[str, Any]) -> None:
    assert told["run"]["status"] == 0, told["run"]["err"]
    result = json.loads(told["run"]["out"])
    assert result["problems"] == []
    (why,) = {row["why"] for row in result["device"]["unavailable"]}
    assert why.startswith(f"metering works on Linux only, and this is {told['system']}.")
    assert told["none"]["status"] == told["again"]["status"] == told["runs"]["status"] == 0, told["again"]["err"]


def test_a_meter_that_was_named_makes_the_run_incomplete(told: Dict[str, Any]) -> None:
    assert told["named"]["status"] == 3, told["named"]["err"]
    assert f"this is {told['system']}" in json.loads(told["named"]["out"])["problems"][0]
