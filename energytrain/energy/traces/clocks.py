"""The clocks that a trace is stamped with, and the names of the machine and the boot in which they count.

Every time in a trace and in the marks is CLOCK_MONOTONIC in nanoseconds: one clock for all processes of a host, that
no wall-clock step disturbs, and that means nothing outside one boot. The other two clocks are noted beside it as
anchors, so that a trace can be placed in the day and a suspended machine be noticed.
"""

import socket
import time
from typing import Tuple

BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id"


def monotonic_ns() -> int:
    return time.monotonic_ns()


def boottime_ns() -> int:
    """Like `monotonic_ns`, but counting on while the machine sleeps; the same where the system has no such clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns() if clock is None else time.clock_gettime_ns(clock)


def realtime_ns() -> int:
    return time.time_ns()


def anchor() -> Tuple[int, int, int]:
    """One moment on the three clocks: monotonic, boot time, real time."""
    return monotonic_ns(), boottime_ns(), realtime_ns()


def boot_id() -> str:
    """The kernel's identity of this boot, or "unknown"; monotonic times of two boots are never compared."""
    try:
        with open(BOOT_ID_FILE, encoding="ascii") as file:
            return file.read().strip() or "unknown"
    except OSError:
        return "unknown"


def host() -> str:
    return socket.gethostname()
