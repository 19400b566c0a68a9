"""A program started as a child: it keeps the terminal and gets the signals that were meant for it."""

import contextlib
import os
import signal
import subprocess
from types import FrameType, TracebackType
from typing import Any, Dict, List, Optional, Sequence, Type

from ..errors import EnergytrainError
from .traces.clocks import monotonic_ns

NOT_FOUND, NOT_EXECUTABLE, BY_SIGNAL = 127, 126, 128  # as shells have it; the last plus the signal's number
_PASSED_ON = ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_KEYS = ("SIGINT", "SIGQUIT")


class CannotStart(EnergytrainError):
    """The program is not there (exit status 127) or cannot be executed (126)."""

    def __init__(self, program: str, error: OSError) -> None:
        missing = isinstance(error, FileNotFoundError)
        super().__init__(f"'{program}' cannot be started: {error.strerror}.", "Give a program's name or path.")
        self.exit_status = NOT_FOUND if missing else NOT_EXECUTABLE


class Child:
    """A context manager: inside it signals are for the child, and end this process no more.

    What the terminal's keys send (Ctrl-C) reaches the child by itself where this process is in the foreground, and is
    passed on where it is not. In the foreground SIGINT and SIGQUIT are taken for the keys' whoever sent them, as `time`
    does: Python tells a handler nothing of the sender, and a program that hears Ctrl-C twice mostly gives up without
    tidying. SIGTERM always goes through. Signals that were ignored before stay so, for the child as well.
    start_ns, end_ns: CLOCK_MONOTONIC just before the program was started and just after it had ended.
    received: the signals that came for it.
    """

    def __init__(self) -> None:
        self.start_ns = self.end_ns = 0
        self._process: Optional[subprocess.Popen[bytes]] = None
        self.received: List[int] = []
        self._early: List[int] = []
        self._before: Dict[int, Any] = {}

    def __enter__(self) -> "Child":
        for name in _PASSED_ON:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._pass_on)
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def start(self, command: Sequence[str], stdout: Optional[int] = None, stderr: Optional[int] = None) -> None:
        """Starts the program with this process's input, output and errors; descriptors for its output and its errors.

        CannotStart where it is not there or cannot be executed.
        """
        self.start_ns = monotonic_ns()
        try:
            self._process = subprocess.Popen(list(command), stdout=stdout, stderr=stderr)
        except OSError as error:
            raise CannotStart(command[0], error) from error
        for number in self._early:
            self._send(number)

    def wait(self, seconds: Optional[float] = None) -> bool:
        """Waits for the program's end, for so long at most: whether it has ended. What it left running may go on."""
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self.end_ns = self.end_ns or monotonic_ns()
        return True

    @property
    def status(self) -> int:
        """The program's exit status, 128 and the number of the signal where one ended it; only after its end."""
        assert self._process is not None and self._process.returncode is not None
        status = self._process.returncode
        return BY_SIGNAL - status if status < 0 else status

    def _pass_on(self, number: int, frame: Optional[FrameType]) -> None:
        self.received.append(number)
        if number in [getattr(signal, name, None) for name in _KEYS] and _in_foreground():
            return
        if self._process is None:
            self._early.append(number)
        else:
            self._send(number)

    def _send(self, number: int) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


def _in_foreground() -> bool:
    """Whether the terminal sends its keys' signals to this process's group, and with it to the child."""
    if not hasattr(os, "ctermid"):
        return True  # Windows: the keys reach every process of a console
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY)
    except OSError:  # there is none
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
