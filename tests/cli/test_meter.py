"""`energytrain meter` as a person meets it: real processes, signals and a terminal, over a fake NVIDIA driver."""

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any, Iterator, List, Optional, Tuple

import pytest
from fakes.nvml_fixture import FakeNvml

from energytrain.cli.main import run
from energytrain.energy.recorder.client import Recorder
from energytrain.energy.traces import clocks
from energytrain.meters.catalog import MeterSpec
from energytrain.runs.events import EventWriter
from energytrain.runs.folder import RunFolder

ENERGYTRAIN = [sys.executable, "-m", "energytrain"]


def energytrain(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*ENERGYTRAIN, *arguments], capture_output=True, text=True, timeout=120, **options)


def started(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """In a session of its own, so that a signal to it is no signal to anybody else, and no terminal sends it any."""
    return subprocess.Popen(
        [*ENERGYTRAIN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def test_the_programs_output_and_status_are_its_own(fake_nvml: FakeNvml) -> None:
    done = energytrain("meter", "--", "sh", "-c", "cat; echo aside >&2; sleep 0.3; exit 3", input="given\n")
    assert done.returncode == 3 and done.stdout == "given\n"
    assert done.stderr.startswith("aside\n") and "\x1b" not in done.stderr
    (row,) = [line for line in done.stderr.splitlines() if "nvml:0 " in line and " J " in line]
    assert "measured, chip" in row and " W " in row and " to " in row
    assert "exit status 3 after" in done.stderr and "one processor core" in done.stderr


def test_json_stands_alone_where_it_is_put(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    done = energytrain("meter", "--json", "--", "sh", "-c", "echo said; exit 0")
    told = json.loads(done.stdout)
    assert done.returncode == 0 and done.stderr == "said\n"
    assert told["status"] == 0 and told["energy"]["provenance"] == "measured" and told["primary"] == ["nvml:0"]
    file = tmp_path / "report.json"
    done = energytrain(
        "meter", "--json", "-o", str(file), "--interval", "0.2", "--", "sh", "-c", "echo said; sleep 0.7"
    )
    assert done.stdout == "said\n" and json.loads(file.read_text())["command"][0] == "sh"
    assert done.stderr.startswith("0.2 s  ") and " J (" in done.stderr


def test_without_a_meter_the_program_runs_and_the_fix_is_told(tmp_path: Path) -> None:
    """No fake driver here: nothing can be metered."""
    script = ["sh", "-c", "echo ran; exit 0"]
    named = energytrain("meter", "--meter", f"rapl:root={tmp_path}", "--", *script)
    assert named.returncode == 3 and named.stdout == "ran\n"
    assert "missing" in named.stderr and "incomplete: meter 'rapl" in named.stderr and "no rapl" in named.stderr
    assert " 0 J" not in named.stderr


@pytest.mark.parametrize(("program", "status"), [("no-such-program", 127), (".", 126)])
def test_a_program_that_cannot_be_started(program: str, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["meter", "--meter", "none", "--", program]) == status
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and f"'{program}' cannot be started" in told.err


def test_a_signal_reaches_the_program_and_what_ran_is_told(fake_nvml: FakeNvml) -> None:
    script = "trap 'echo caught; exit 4' INT; echo ready; while :; do sleep 0.05; done"
    process = started("meter", "--json", "--output", "/dev/stderr", "--", "sh", "-c", script)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, report = process.communicate(timeout=60)
    assert process.returncode == 4 and out == "caught\n"
    assert json.loads(report)["energy"]["provenance"] == "measured"


def test_a_terminated_program_ends_it_with_the_signals_status(fake_nvml: FakeNvml) -> None:
    process = started("meter", "--", "sh", "-c", "echo ready; exec sleep 60")
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.terminate()
    _, report = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM and "measured, chip" in report


class Terminal:
    """A process on a terminal of its own: what it shows, and the keys that are pressed."""

    def __init__(self, arguments: List[str], columns: int = 80) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            os.environ.update(TERM="xterm", COLUMNS=str(columns))
            os.execv(arguments[0], arguments)
        self.shown = ""

    def until(self, words: Optional[str]) -> str:
        """Reads until it has shown these words, or has ended."""
        deadline = time.monotonic() + 60
        while words is None or words not in self.shown:
            assert time.monotonic() < deadline, self.shown
            try:
                data = os.read(self._fd, 65536)
            except OSError:  # the other side is closed
                break
            if not data:
                break
            self.shown += data.decode(errors="replace")
        return self.shown

    def press(self, key: bytes) -> None:
        os.write(self._fd, key)

    def end(self) -> Tuple[str, int]:
        """(all that it has shown, its status) when it has ended."""
        self.until(None)
        _, status = os.waitpid(self.pid, 0)
        os.close(self._fd)
        return self.shown, os.WEXITSTATUS(status)


def test_ctrl_c_reaches_the_program_once(fake_nvml: FakeNvml) -> None:
    count = "n=0; trap 'n=$((n+1))' INT; echo ready; i=0; while [ $i -lt 6 ]; do sleep 0.1; i=$((i+1)); done; exit 1$n"
    terminal = Terminal([*ENERGYTRAIN, "meter", "--", "sh", "-c", count])
    terminal.until("ready")
    terminal.press(b"\x03")
    shown, status = terminal.end()
    assert status == 11 and "measured, chip" in shown, shown


def test_in_the_foreground_an_interrupt_is_the_keys_and_a_termination_the_programs(fake_nvml: FakeNvml) -> None:
    """Sent to `meter` alone: the first could as well be the terminal's, which the program has then had already."""
    script = "trap 'echo interrupted' INT; trap 'echo ended; exit 6' TERM; echo ready; while :; do sleep 0.02; done"
    terminal = Terminal([*ENERGYTRAIN, "meter", "--", "sh", "-c", script])
    terminal.until("ready")
    os.kill(terminal.pid, signal.SIGINT)
    time.sleep(0.2)
    os.kill(terminal.pid, signal.SIGTERM)
    shown, status = terminal.end()
    assert status == 6 and "ended\r\n" in shown and "interrupted\r\n" not in shown and "measured, chip" in shown, shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sleep", "1"], "energytrain meter -- sleep"),
        (["--json", "sleep", "--", "1"], "'sleep' is no command of meter"),
        (["--json"], "no program is given"),
        (["--"], "no program is given"),
        (["--json", "watch"], "options of 'watch' belong behind its name"),
        (["--meter", "nvmll", "--", "true"], "Did you mean 'nvml'"),
        (["--meter", "nvml:gpus=1", "--", "true"], "Did you mean 'gpu'"),
        (["--sample-hz", "0", "--", "true"], "--sample-hz"),
        (["--output", "no/such/folder", "--", "true"], "cannot be written"),
        (["--trace", "no/such/folder", "--", "true"], "lies in no folder"),
        (["watch", "nowhere"], "there is no run 'nowhere'"),
        (["watch", "nowhere", "--meter", "nvml"], "by its own meters"),
        (["watch", "--meter", "none"], "no meter was asked for"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_2(
    arguments: List[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert run(["meter", *arguments]) == 2
    finally:
        signal.signal(signal.SIGTERM, before)
    told = capsys.readouterr()
    assert words in told.err and told.out == "" and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_explains_both_forms(arguments: List[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["meter", *arguments]) == 0
    told = capsys.readouterr().out
    assert "-- COMMAND [ARGS]..." in told and "watch" in told and "Exit status" in told and "--meter" in told


def test_a_program_keeps_its_own_options(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["meter", "--meter", "none", "--", "sh", "-c", 'echo "$@"', "sh", "--help", "--", "--json"]) == 0
    assert capfd.readouterr().out == "--help -- --json\n"


def test_a_recorded_program_plays_again(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with training(tmp_path / "run"):
        time.sleep(1.2)
    (trace,) = (tmp_path / "run" / "traces").iterdir()
    again = [
        "meter",
        "--meter",
        f"replay:trace={trace.relative_to(tmp_path)}",
        "--json",
        "-o",
        str(report),
        "--",
        "sleep",
        "0.3",
    ]
    assert energytrain(*again, cwd=tmp_path).returncode == 0
    told = json.loads(report.read_text())
    assert told["primary"] == ["replay:nvml:0"] and told["energy"]["low"] <= 200 * told["seconds"]
    assert told["energy"]["high"] >= 200 * told["seconds"]


def test_the_meters_are_watched_line_by_line_in_a_pipe(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    done = energytrain("meter", "watch", "--seconds", "1.5", cwd=tmp_path)
    *lines, total = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 3 and all("nvml:0 * " in line for line in lines)
    assert float(lines[-1].split("nvml:0 * ")[1].split(" W ")[0]) == pytest.approx(200, rel=0.05)
    assert ": " in total and " J (" in total and total.endswith("measured, chip")
    assert [path.name for path in tmp_path.iterdir()] == ["nvml.control"], "it leaves nothing behind"


def test_watching_as_json_ends_with_ctrl_c_and_the_total(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    process = started("meter", "watch", "--json", cwd=tmp_path)
    assert process.stdout is not None
    first, second = (json.loads(process.stdout.readline()) for _ in range(2))
    assert second["seconds"] > first["seconds"] and second["primary"] == ["nvml:0"] and second["doing"] is None
    assert second["conditions"]["nvml:0 temperature"] == {"quantity": "celsius", "value": 45.0, "error": None}
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and errors == ""
    assert json.loads(out.splitlines()[-1])["total"]["provenance"] == "measured"


@contextlib.contextmanager
def training(path: Path) -> Iterator[None]:
    """A run that this process claims to train, metered by the fake driver."""
    with RunFolder(path).writing(room_bytes=0) as folder:
        folder.claim({"device": "generic-cpu"}, "identity")
        number = folder.begin_attempt(None, {}, {})
        recorder = Recorder.start(folder.trace(number), [MeterSpec("nvml")], 50.0, number)
        with EventWriter(folder.events, number) as events:
            trace = str(recorder.trace.relative_to(path.absolute()))
            events.append("attempt", host=clocks.host(), trace=trace, primary=["nvml:0"], unavailable=[])
            events.append("phase", phase="search", epochs=40)
            events.append("start", span="search/0", phase="search", epoch=2, what="training")
            yield
            events.append("stop", status="done", reason="")
            recorder.stop()
        folder.end_attempt(number, "done")


def test_a_run_under_way_is_watched_until_its_end(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    with training(tmp_path / "runs" / "demo"):
        process = started("meter", "watch", cwd=tmp_path)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        assert all("search, epoch 3 of 40, training" in line and "nvml:0 * " in line for line in lines)
        before = {path: path.stat().st_size for path in (tmp_path / "runs" / "demo").iterdir()}
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "watching the run runs/demo" in errors and len(before) >= 3
    assert out.splitlines()[-2] == "the trace has ended: the run is done."
    assert out.splitlines()[-1].endswith("measured, chip")


def test_a_narrow_terminal_shows_the_view_and_keeps_the_last_one(fake_nvml: FakeNvml) -> None:
    terminal = Terminal([*ENERGYTRAIN, "meter", "watch", "--runs-dir", "nowhere"], columns=40)
    terminal.until("temperature")
    assert "\x1b[?1049h" in terminal.shown, "the view has a screen of its own"
    terminal.press(b"\x03")
    shown, status = terminal.end()
    left = shown.rpartition("\x1b[?1049l")[2]
    assert status == 0 and "nvml:0" in left and "45 °C" in left and "J (" in left and "Traceback" not in shown
