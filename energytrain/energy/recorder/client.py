"""The trainer's side of the recorder process: start, ask, stop. Nothing here blocks training or raises into it.

Only the process that started a recorder commands it. A forked copy of this object is dead: it answers None and False.
"""

import json
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ...meters.base import Channel
from ...meters.catalog import MeterSpec, located, unmetered_system
from .config import DEFAULT_HZ, RecorderConfig

STOP_WAIT_SECONDS = 5.0
POLL_SECONDS = 0.05
_running: "weakref.WeakSet[Recorder]" = weakref.WeakSet()
_PACKAGE_PARENT = Path(__file__).resolve().parents[3]


class Recorder:
    """One recorder process and the trace it writes.

    channels: what it reads; unavailable: {"meter", "why", "fix"} for each meter (or part) that cannot be read.
    failure: why nothing is stored (any more), None while all is well. A failed recorder never raises.
    """

    def __init__(self, trace: Path) -> None:
        self.trace = trace
        self.channels: Tuple[Channel, ...] = ()
        self.unavailable: List[Dict[str, Optional[str]]] = []
        self.pid: Optional[int] = None
        self._failure: Optional[str] = None
        self._owner = os.getpid()
        self._lock = threading.RLock()
        self._stop_lock = threading.Lock()
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._heard = b""
        self._ready = False
        self._sampled = False
        self._status: Optional[Dict[str, Any]] = None
        self._asked = 0
        self._flushed = 0
        self._deaf = False
        self._stopping = False
        self._stopped = False

    @classmethod
    def start(
        cls,
        trace: "os.PathLike[str]",
        meters: Sequence[MeterSpec],
        hz: float = DEFAULT_HZ,
        attempt: int = 1,
        wait_seconds: float = 10.0,
    ) -> "Recorder":
        """Starts a recorder that writes the new file `trace`, and waits until its meters are open.

        Where it cannot start, or is not ready in `wait_seconds`, the returned recorder has a `failure` and no channels.
        """
        unmetered = unmetered_system()
        if unmetered is not None:
            return cls.broken(str(unmetered))
        recorder = cls(Path(os.path.abspath(trace)))
        found = tuple(located(meter) for meter in meters)
        recorder._launch(RecorderConfig(recorder.trace, attempt, found, hz, os.getpid()), wait_seconds)
        return recorder

    @classmethod
    def broken(cls, why: str) -> "Recorder":
        """A recorder that could not be started, and why: no process, no channels."""
        recorder = cls(Path(os.devnull))
        recorder._failure = why
        recorder._stopped = True
        return recorder

    def _launch(self, config: RecorderConfig, wait_seconds: float) -> None:
        # In the folder that holds the package: `-m` puts that first on the path, and not the user's own folder.
        environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        environment.pop("PYTHONSAFEPATH", None)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "energytrain.energy.recorder"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=_PACKAGE_PARENT,
                env=environment,
                start_new_session=True,  # Ctrl-C in the terminal is for the trainer alone
            )
        except OSError as error:
            self._failure = f"the recorder cannot be started: {error}."
            self._stopped = True
            return
        self.pid = self._process.pid
        _running.add(self)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        self._send(config.to_line())
        if not self._wait(lambda: self._ready, wait_seconds):
            if self._failure is None:
                self._failure = f"the recorder was not ready after {wait_seconds:g} s."
            self._kill()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._mine and not self._stopped and self._process is not None and self._process.poll() is None

    @property
    def failure(self) -> Optional[str]:
        self._drain()
        return self._failure

    def latest(self) -> Optional[Dict[str, Any]]:
        """The newest status, or None while there is none: {"t" ns, "channels": {name: {"watts", "joules", "partial",
        "error", "update_seconds"} or, of a condition, {"value", "error"}}, "error", "cpu_seconds", "meters": [{"meter",
        "reads", "cpu_seconds"}]}. Never blocks. While nobody asks, the pipe fills and newer ones are dropped, so `t`
        says how old it is."""
        self._drain()
        return self._status

    def wait_sampled(self, timeout: float = 2.0) -> bool:
        """Waits until every channel of power gave a sample; False where one did not in time."""
        return bool(self.channels) and self._wait(lambda: self._sampled, timeout)

    def flush(self, timeout: float = 2.0) -> bool:
        """Has all that was read so far written to the trace; False where the recorder did not say so in time."""
        if not self._mine:
            return False
        with self._lock:
            self._asked += 1
            mark = self._asked
            if not self._send(json.dumps({"flush": mark}).encode() + b"\n"):
                return False
        return self._wait(lambda: self._flushed >= mark, timeout)

    def stop(self) -> None:
        """Ends the recording and waits for the process; idempotent. It reads on for two update periods first."""
        if not self._mine:
            return
        with self._stop_lock:
            if self._stopped:
                return
            self._drain()
            self._stopping = True
            self._send(b'{"stop": true}\n')  # in words: a forked worker may hold the pipe open
            if not self._wait(lambda: not self.alive, STOP_WAIT_SECONDS) and self._failure is None:
                self._failure = f"the recorder did not end within {STOP_WAIT_SECONDS:g} s."
            self._kill()

    @property
    def _mine(self) -> bool:
        return os.getpid() == self._owner

    def _kill(self) -> None:
        process = self._process
        assert process is not None
        if process.poll() is None:
            process.kill()
        process.wait()
        self._drain()
        with self._lock:
            self._stopped = True
            for pipe in (process.stdin, process.stdout, process.stderr):
                assert pipe is not None
                pipe.close()

    def _disown(self) -> None:
        """In a forked child: lets go of the parent's pipes, so that they end with the parent."""
        process, self._process = self._process, None
        if process is not None and not self._stopped:
            for pipe in (process.stdin, process.stdout, process.stderr):
                assert pipe is not None
                pipe.close()
            process.returncode = 0  # not this process's child: nothing to wait for, nothing to warn of

    def _send(self, line: bytes) -> bool:
        with self._lock:
            if self._stopped or self._process is None or self._process.stdin is None:
                return False
            try:
                return os.write(self._process.stdin.fileno(), line) == len(line)
            except (BlockingIOError, BrokenPipeError):
                return False

    def _wait(self, done: Callable[[], bool], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not done():
            left = deadline - time.monotonic()
            if left <= 0 or not self.alive:
                self._drain()
                return done()
            self._await_word(min(left, POLL_SECONDS))
            self._drain()
        return True

    def _await_word(self, seconds: float) -> None:
        with self._lock:
            if self._stopped or self._process is None or self._process.stdout is None or self._deaf:
                fd = None
            else:
                fd = self._process.stdout.fileno()
        if fd is None:
            time.sleep(min(seconds, 0.01))  # its output has ended, the process itself is about to
            return
        poll = select.poll()  # not select(): a trainer may have more than 1024 files open
        poll.register(fd, select.POLLIN)
        poll.poll(seconds * 1000)

    def _drain(self) -> None:
        """Takes in what the process has said, without waiting."""
        if not self._mine:
            return
        with self._lock:
            if self._stopped or self._process is None or self._process.stdout is None:
                return
            while not self._deaf:
                try:
                    chunk = os.read(self._process.stdout.fileno(), 65536)
                except BlockingIOError:
                    break
                self._heard += chunk
                self._deaf = not chunk
            *lines, self._heard = self._heard.split(b"\n")
            for line in lines:
                try:
                    message = json.loads(line)
                except ValueError:  # not the recorder's own: some installations print when Python starts
                    continue
                if isinstance(message, dict):
                    self._take(message)
            if self._deaf:
                self._note_end()

    def _take(self, message: Dict[str, Any]) -> None:
        if "status" in message:
            self._status = message["status"]
            self._note_error(message["status"]["error"])
        elif "flushed" in message:
            self._flushed = max(self._flushed, message["flushed"])
        elif "sampled" in message:
            self._sampled = True
        elif "ready" in message:
            ready = message["ready"]
            self.channels = tuple(Channel.from_json(channel) for channel in ready["channels"])
            self.unavailable = ready["unavailable"]
            self._note_error(ready["error"])
            self._ready = True
        elif "failed" in message:
            self._failure = f"the recorder failed: {message['failed']}."

    def _note_error(self, error: Optional[str]) -> None:
        if error is not None and self._failure is None:
            self._failure = f"{error}."

    def _note_end(self) -> None:
        """The process has closed its output; unless it was told to, say why."""
        process = self._process
        assert process is not None and process.stderr is not None
        status = process.poll()
        if status is None or self._stopping or self._failure is not None:
            return
        try:
            said = os.read(process.stderr.fileno(), 65536).decode(errors="replace").strip()
        except BlockingIOError:
            said = ""
        self._failure = f"the recorder ended with status {status}: {said.splitlines()[-1] if said else 'no message'}."


def _disown_all() -> None:
    for recorder in list(_running):
        recorder._disown()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_disown_all)
