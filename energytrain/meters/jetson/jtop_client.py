"""A connection to jtop's service through jetson-stats' own client: what it says now, or why it says nothing.

Three things that client leaves open are done here. Its `start` can wait for ever, so it is given a time. It copies the
service's data again and again without seeing that they are old; the data carry the board's uptime at which they were
gathered, so they are new only when that has changed. And it stays dead once the service was restarted; this connects
again. jetson-stats is AGPL: it is imported only when this meter is opened.
"""

import multiprocessing
import os
import re
import stat
import threading
import time
from typing import Any, List, Mapping, Optional, Tuple

from ...errors import MeterUnavailable

SOCKET = "/run/jtop.sock"
CONNECT_SECONDS = 5.0
RETRY_SECONDS = 5.0
# Data this old were not followed by the next ones when these were due.
STALE_INTERVALS = 2.0

_RESTART = "sudo systemctl restart jtop"
_MISMATCH = re.compile(r"service: \[(.+?)\] and client: \[(.+?)\]")
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
_SERVICE_FILE = "/etc/systemd/system/jtop.service"


class JtopConnection:
    """A connection that comes back. client: jetson-stats' own; interval: seconds between the service's updates."""

    def __init__(self, socket: str, interval: float) -> None:
        """Waits for the first data, as long as these may take: else every trace would begin with failed reads.

        MeterUnavailable, with the fix, where the service cannot be reached within `CONNECT_SECONDS`.
        """
        self._socket, self._asked = socket, interval
        self._uptime: Any = None
        self._power: Tuple[float, Mapping[str, Any]] = (float("-inf"), {})
        # A meter and its conditions read in threads of their own, and either may find the client dead.
        self._lock = threading.Lock()
        self._mending: Optional[threading.Thread] = None
        self._retry_at = 0.0
        self._why = "jtop's service has published nothing new yet"
        self._closed = False
        self._published = threading.Event()
        self.client: Any = self._connected()
        self.interval = self._interval_of(self.client)
        self._published.wait(STALE_INTERVALS * self.interval)

    def power(self) -> Tuple[Optional[Mapping[str, Any]], Optional[str]]:
        """(jtop's newest `power`, None), or (None, why there is none)."""
        since, power = self._power
        if time.monotonic() - since <= STALE_INTERVALS * self.interval:
            return power, None
        self._mend()
        return None, self._why

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._part_from(self.client)

    def _part_from(self, client: Any) -> None:
        client.detach(self._take)  # its thread ends only behind its next data
        client.close()

    def _take(self, client: Any) -> None:
        """Called in the client's thread after each of its copies.

        The first data after connecting are left out: they may be what the service gathered for an earlier client, and
        their processor loads are means since the board was started.
        """
        uptime, before = client.uptime, self._uptime
        self._uptime = uptime
        if before is not None and uptime != before:
            self._power = (time.monotonic(), client.power)
            self._retry_at = 0.0
            self._why = "jtop's service publishes nothing new"
            self._published.set()

    def _connected(self) -> Any:
        client = _new_client(self._socket, self._asked)
        self._uptime = None
        client.attach(self._take)
        failures: List[BaseException] = []
        starting = threading.Thread(target=_start, args=(client, failures), name="jtop connects", daemon=True)
        starting.start()
        limit = CONNECT_SECONDS + 3 * self._asked  # the client waits three intervals for its first data
        starting.join(limit)
        if starting.is_alive():
            client._controller = None  # `start` asks without end; without a queue to ask through, it fails
            why = f"jtop's service does not answer (within {limit:g} s)."
            raise MeterUnavailable(why, f"{_RESTART}; what ails it: journalctl -u jtop")
        if failures:
            raise _unavailable(failures[0]) from failures[0]
        return client

    def _interval_of(self, client: Any) -> float:
        return float(client.interval) if client.interval > 0 else self._asked

    def _mend(self) -> None:
        """Connects again, in a thread of its own, where the client has given up."""
        with self._lock:
            if self._closed or self.client.is_alive() or time.monotonic() < self._retry_at:
                return
            if not self._retry_at:
                self._why = f"jtop's client has given up: {_last_words(self.client)}"
            if self._mending is None or not self._mending.is_alive():
                self._retry_at = time.monotonic() + RETRY_SECONDS
                self._mending = threading.Thread(target=self._reconnect, name="jtop reconnects", daemon=True)
                self._mending.start()

    def _reconnect(self) -> None:
        try:
            _check_socket(self._socket)
            client = self._connected()
        except MeterUnavailable as error:
            self._why = error.message
            return
        with self._lock:
            slower = self._interval_of(client) > self.interval
            if not self._closed and not slower:
                self.client = client
                return
        if slower:
            # Another client was the first one after the restart. What is known of the readings no longer holds.
            self._why = f"jtop's service now publishes every {client.interval:g} s, not every {self.interval:g} s"
        self._part_from(client)


def connect(socket: str, interval: float) -> JtopConnection:
    """A connection to the service behind `socket`, asked for an update each `interval` seconds."""
    _check_socket(socket)
    return JtopConnection(socket, interval)


def _check_socket(path: str) -> None:
    """MeterUnavailable, with the fix, where the service's socket is not there or not for this user."""
    container = any(os.path.exists(mark) for mark in _CONTAINER_MARKS)
    try:
        mode = os.stat(path).st_mode
    except OSError:
        if container:
            fix = f"Start the service on the board, then the container with -v {SOCKET}:{SOCKET}"
        elif os.path.exists(_SERVICE_FILE):
            fix = _RESTART
        else:
            fix = "sudo pip3 install jetson-stats, log in again; where it is installed: " + _RESTART
        raise MeterUnavailable(f"jtop's service does not run here (there is no {path}).", fix) from None
    if not stat.S_ISSOCK(mode):
        raise MeterUnavailable(
            f"{path} is no socket; a container that is started before jtop's service gets a folder in its place.",
            f"On the board: {_RESTART}; then start the container again.",
        )
    if not os.access(path, os.R_OK | os.W_OK):
        group = "--group-add $(stat -c %g /run/jtop.sock)"
        raise MeterUnavailable(
            f"this user may not use {path}.",
            f"Start the container with {group}" if container else "sudo usermod -aG jtop $USER and log in again.",
        )


def _new_client(socket: str, interval: float) -> Any:
    """jetson-stats' client, not yet connected; it takes the socket from a variable of its module."""
    # How this process starts others is its own affair: jetson-stats sets "fork" when it is imported, or when it makes a
    # client the default for good.
    method = multiprocessing.get_start_method(allow_none=True)
    try:
        service, base = _jetson_stats()

        class Client(base):  # type: ignore[misc, valid-type]
            def _load_jetson_libraries(self) -> None:
                """Not here: it starts programs and loads CUDA's libraries into this process to learn their versions."""

        usual, service.JTOP_PIPE = service.JTOP_PIPE, socket
        try:
            return Client(interval=interval)
        finally:
            service.JTOP_PIPE = usual
    finally:
        multiprocessing.set_start_method(method, force=True)


def _jetson_stats() -> Tuple[Any, Any]:
    """(the module that names the socket, the client class) of jetson-stats."""
    try:
        import jtop.service
        from jtop import jtop as client
    except ImportError as error:
        absent = (error.name or "").partition(".")[0] == "jtop"
        why = "the Python package jetson-stats is missing." if absent else f"jetson-stats is not whole: {error}."
        fix = "pip install 'energytrain[jetson]'; the service itself: sudo pip3 install jetson-stats"
        raise MeterUnavailable(why, fix) from error
    return jtop.service, client


def _start(client: Any, failures: List[BaseException]) -> None:
    try:
        client.start()
    except Exception as error:  # jetson-stats passes on what sockets, pickle and managers raise
        failures.append(error)


def _last_words(client: Any) -> str:
    try:
        client.ok(spin=True)
    except Exception as error:  # what its thread ended with, whatever that was
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return "without a reason"


def _unavailable(error: BaseException) -> MeterUnavailable:
    """Why a client could not connect, and the fix, from what it raised."""
    text = " ".join(str(error).split())
    versions = _MISMATCH.search(text)
    if versions:
        service, here = versions.groups()
        return MeterUnavailable(
            f"jtop's service is version {service} and the client here {here}; they do not understand each other.",
            f"pip install jetson-stats=={service}",
        )
    if isinstance(error, ConnectionRefusedError) or "not active" in text:
        return MeterUnavailable("jtop's service has ended and left its socket behind.", _RESTART)
    if isinstance(error, PermissionError) or "can't access" in text:
        return MeterUnavailable("this user may not use jtop's socket.", "sudo usermod -aG jtop $USER and log in again.")
    if "Authentication" in text or "Python versions" in text:
        return MeterUnavailable(
            f"jtop's service refuses this client: {text}.",
            "Install the same jetson-stats for both, with Pythons as near as can be; head -1 $(which jtop) names the "
            "service's Python.",
        )
    why = f"jtop's service cannot be used: {type(error).__name__}: {text}."
    return MeterUnavailable(why, f"{_RESTART}; what ails it: journalctl -u jtop")
