"""A program as a child: its status, the signals that are its own, and what it leaves running."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, List

import pytest

from energytrain.energy.child import CannotStart, Child


def ran(script: str, **options: Any) -> Child:
    with Child() as child:
        child.start(["sh", "-c", script], **options)
        assert child.wait()
    return child


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
)
def test_the_status_is_that_of_a_shell(script: str, status: int) -> None:
    assert ran(script).status == status


def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("echo no\n")
    (tmp_path / "other").write_bytes(b"\x7fELF of another machine")
    (tmp_path / "other").chmod(0o755)
    for program, status in (("no-such-program", 127), (str(tmp_path / "text"), 126), (str(tmp_path / "other"), 126)):
        with Child() as child, pytest.raises(CannotStart) as raised:
            child.start([program])
        assert raised.value.exit_status == status and f"'{program}'" in raised.value.message and raised.value.hint


def test_the_window_is_as_long_as_the_program() -> None:
    before = time.monotonic_ns()
    child = ran("sleep 0.3")
    after = time.monotonic_ns()
    assert before <= child.start_ns and child.end_ns <= after
    assert child.end_ns - child.start_ns >= 300_000_000


def test_waiting_for_a_while_tells_whether_it_has_ended() -> None:
    with Child() as child:
        child.start(["sleep", "0.4"])
        assert not child.wait(0.05) and child.end_ns == 0
        assert child.wait(20) and child.end_ns > child.start_ns
        end = child.end_ns
        assert child.wait() and child.end_ns == end


def test_what_it_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    child = ran(f"sleep 60 >{tmp_path}/out 2>&1 & echo $! >{tmp_path}/pid")
    left = int((tmp_path / "pid").read_text())
    os.kill(left, signal.SIGKILL)  # it was there
    assert child.status == 0


def test_its_output_may_go_elsewhere(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file:
        ran("echo said", stdout=file.fileno())
    assert (tmp_path / "out").read_text() == "said\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_to_this_process_is_the_programs(tmp_path: Path, number: int) -> None:
    name = signal.Signals(number).name[3:]
    before = signal.getsignal(number)
    ready = tmp_path / "ready"

    def send() -> None:
        while not ready.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    with Child() as child:
        child.start(["sh", "-c", f"trap 'exit 7' {name}; : >{ready}; while :; do sleep 0.02; done"])
        sender.start()
        assert child.wait(60)
    sender.join()
    assert child.status == 7 and signal.getsignal(number) is before


def test_a_signal_before_it_runs_reaches_it_when_it_does() -> None:
    with Child() as child:
        os.kill(os.getpid(), signal.SIGTERM)
        child.start(["sleep", "60"])
        assert child.wait(60)
    assert child.status == 128 + signal.SIGTERM


SESSION = """
import signal, sys
from energytrain.energy.child import Child
{before}
with Child() as child:
    child.start(["sh", "-c", {script!r}])
    child.wait()
print(child.status)
"""


def in_a_session(before: str, script: str) -> "subprocess.Popen[str]":
    """A process of its own session, without a terminal, that runs a script as its child."""
    command: List[str] = [sys.executable, "-c", SESSION.format(before=before, script=script)]
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=root)


def test_an_interrupt_reaches_it_where_no_terminal_sends_it() -> None:
    process = in_a_session("", "trap 'exit 5' INT; echo ready; while :; do sleep 0.02; done")
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "5\n"


def test_what_was_ignored_stays_ignored_for_both() -> None:
    """As under nohup."""
    ignore = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    process = in_a_session(ignore, "kill -HUP $$; kill -HUP $PPID; echo still there; exit 4")
    assert process.communicate(timeout=60)[0] == "still there\n4\n"
