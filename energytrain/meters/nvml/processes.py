"""Whether somebody else uses a GPU: the processes on it that are not the training and not its children.

NVML names processes by their ids. Outside of containers those are the ids of /proc, and a process is one's own when
its chain of parents leads to the training. Inside a container no count can be trusted: older drivers give the ids of
the host, under which a container cannot find itself, and newer ones leave out whatever the container cannot see
(os_find_ns_pid in NVIDIA's open-gpu-kernel-modules), so that a shared GPU would look unshared.
"""

import os
import time
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Set

from ...errors import MeterUnavailable

# The first pid namespace of every Linux kernel has this inode (PROC_PID_INIT_INO in include/linux/proc_ns.h).
_FIRST_NAMESPACE = "pid:[4026531836]"
# The driver holds a lock for all its callers while it makes the list: 4.5 ms on a GeForce with driver 610
# (github.com/flightlessmango/MangoHud/pull/2104). So it is asked for no more often than this share of time allows.
_MOST_OF_TIME = 1e-3


class Foreigners:
    """Counts foreign processes on one GPU, and repeats its last count while asking again would cost too much.

    owner: process id of the training. A process in both of NVML's lists, compute and graphics, counts once.
    """

    def __init__(self, nvml: Any, handle: Any, owner: int, proc: Path) -> None:
        self._lists = (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses)
        self._handle = handle
        self._owner = owner
        self._proc = proc
        self._count = 0
        self._next = -float("inf")

    def count(self) -> float:
        """May raise the driver's error."""
        before = time.monotonic()
        if before < self._next:
            return float(self._count)
        here = {int(process.pid) for listed in self._lists for process in listed(self._handle)}
        after = time.monotonic()
        self._next = after + (after - before) / _MOST_OF_TIME
        self._count = count_foreign(here, self._owner, lambda pid: parent_of(pid, self._proc))
        return float(self._count)


def count_foreign(pids: Set[int], owner: int, parent: Callable[[int], Optional[int]]) -> int:
    """How many of the processes neither are `owner` nor descend from it; those that have ended are not counted.

    parent: gives a process's parent, None for one that has ended.
    """
    known: Dict[int, bool] = {owner: True}

    def own(pid: int) -> bool:
        above = parent(pid)
        known[pid] = False  # also ends a chain that runs in a circle, as reused ids could make it
        if above is not None and above > 0:
            known[pid] = known[above] if above in known else own(above)
        return known[pid]

    return sum(not known.get(pid, False) and not own(pid) and parent(pid) is not None for pid in pids)


def parent_of(pid: int, proc: Path) -> Optional[int]:
    """The parent's id, 0 where this user may not know it, None where there is no such process."""
    try:
        stat = (proc / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return 0 if _runs(pid) else None
    return int(stat.rpartition(")")[2].split()[1])  # the name, in brackets, may itself hold brackets and blanks


def _runs(pid: int) -> bool:
    """Whether there is such a process, also where /proc hides those of others (hidepid)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def check_namespace(proc: Path) -> None:
    """MeterUnavailable where NVML's process ids cannot be understood from here."""
    try:
        namespace = os.readlink(proc / "self" / "ns" / "pid")
    except OSError:
        namespace = "unknown"
    if namespace != _FIRST_NAMESPACE:
        raise MeterUnavailable(
            "other processes on the GPU cannot be seen from inside a container.",
            "Start the container with the host's process ids (--pid=host).",
        )
