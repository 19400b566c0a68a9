"""The one recorder that all open measurements of a process share.

It starts with the first measurement and ends when none was open for a minute, when other meters are asked for, or with
the process. A forked child starts its own: the parent's recorder is not its to command.
"""

import atexit
import json
import os
import shutil
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import Dict, Optional, Sequence

from ...meters.catalog import MeterSpec
from ..traces.series import Trace
from ..traces.trace import TraceReader
from .client import Recorder

IDLE_SECONDS = 60.0
UPDATES_AFTER_EDGE = 2
UNKNOWN_UPDATE_SECONDS = 0.1
LONGEST_UPDATE_SECONDS = 1.0


class Session:
    """A recorder that writes into a temporary folder, which goes when nobody holds the session any more."""

    def __init__(self, meters: Sequence[MeterSpec], hz: float) -> None:
        self.users = 0
        self._lock = threading.Lock()
        try:
            folder = Path(tempfile.mkdtemp(prefix="energytrain-"))
        except OSError as error:
            self.recorder = Recorder.broken(f"there is no room for a trace: {error}.")
        else:
            weakref.finalize(self, _remove, folder, os.getpid())
            self.recorder = Recorder.start(folder / "trace.arrows", meters, hz)
        self._began = time.monotonic()
        self._reader = TraceReader(self.recorder.trace)
        if not self.recorder.channels:
            self.recorder.stop()

    def wait_sampled(self, most_seconds: float) -> None:
        """Waits until every channel gave a sample, for so long after the start at most."""
        self.recorder.wait_sampled(self._began + most_seconds - time.monotonic())

    def trace_beyond(self, moment_ns: int) -> Optional[Trace]:
        """The trace so far, with the updates that follow `moment_ns` in it: waits for two update periods after it at
        most, and not where the recorder has ended. None where nothing was ever written."""
        if self.recorder.alive:
            left = UPDATES_AFTER_EDGE * self._update_seconds() - (time.monotonic_ns() - moment_ns) * 1e-9
            time.sleep(max(0.0, left))
            self.recorder.flush()
        with self._lock:
            try:
                return self._reader.read()
            except FileNotFoundError:
                return None

    def _update_seconds(self) -> float:
        """The longest update period of the channels."""
        status = self.recorder.latest()
        seen: Dict[str, Optional[float]] = {}
        if status is not None:
            seen = {name: figures.get("update_seconds") for name, figures in status["channels"].items()}
        periods = [
            channel.update_seconds or seen.get(channel.name) or UNKNOWN_UPDATE_SECONDS
            for channel in self.recorder.channels
            if channel.is_power
        ]
        return min(max(periods, default=0.0), LONGEST_UPDATE_SECONDS)


class SharedRecorder:
    """Lends out the session of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: Dict[str, Session] = {}
        self._released = 0.0
        self._idle: Optional[threading.Timer] = None
        self._ends_at_exit = False

    def acquire(self, meters: Sequence[MeterSpec], hz: float) -> Session:
        """The running session for these meters and this rate, or a new one. Give it back with `release`."""
        key = json.dumps([hz, [meter.to_json() for meter in meters]], sort_keys=True)
        with self._lock:
            session = self._sessions.get(key)
            if session is None or (session.recorder.channels and not session.recorder.alive):
                self._end_unused()
                session = self._sessions[key] = Session(meters, hz)
            if not self._ends_at_exit:
                self._ends_at_exit = True
                atexit.register(self.end)
            session.users += 1
            return session

    def release(self, session: Session) -> None:
        with self._lock:
            session.users -= 1
            self._released = time.monotonic()
            if self._idle is None:
                self._look_again_in(IDLE_SECONDS)

    def end(self) -> None:
        """Stops every recorder; for the process's exit."""
        with self._lock:
            if self._idle is not None:
                self._idle.cancel()
                self._idle = None
            for session in self._sessions.values():
                session.recorder.stop()
            self._sessions.clear()

    def _look_again_in(self, seconds: float) -> None:
        self._idle = threading.Timer(seconds, self._end_idle)
        self._idle.daemon = True
        self._idle.start()

    def _end_idle(self) -> None:
        with self._lock:
            self._idle = None
            left = self._released + IDLE_SECONDS - time.monotonic()
            if left > 0:
                self._look_again_in(left)
            else:
                self._end_unused()

    def _end_unused(self) -> None:
        for key, session in list(self._sessions.items()):
            if session.users == 0:
                session.recorder.stop()
                del self._sessions[key]


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


# One for the process, as there is one set of meters for it. A forked child forgets its parent's.
_shared = SharedRecorder()


def shared() -> SharedRecorder:
    return _shared


def _forget() -> None:
    global _shared
    _shared = SharedRecorder()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_forget)
