"""Other runs of this user on this machine that are metered by the same sensors: their energy is in this run's joules.

There is no register that a crash could leave wrong. The recorders that are at work are looked for in /proc, and the
traces that they hold open say which sensors they read. Other users' runs, those in other containers, and those whose
trace is of another version of energytrain are not seen so; on a GPU the driver counts them.
"""

import os
import time
from pathlib import Path
from typing import List, Optional, Set

import pyarrow as pa

from ..energy.traces.trace_format import read_metadata
from ..errors import UsageError

RECORDER = b"energytrain.energy.recorder"
# Looking takes milliseconds, more where there are many processes: it may take no more than this share of the time.
MOST_OF_TIME = 1e-3
SOONEST_SECONDS = 1.0


class Neighbours:
    """Looks for runs beside this one. `sensors`: those of its primary channels; `own`: its recorder's process."""

    def __init__(self, sensors: Set[str], own: Optional[int]) -> None:
        self._sensors = sensors
        self._own = own
        self._seen: Set[str] = set()
        self._next = -float("inf")

    def newly_found(self, must_look: bool = False) -> List[str]:
        """The names of runs that were not there at an earlier look; looks at all where the last time is long enough
        ago, or where it must."""
        before = time.monotonic()
        if not self._sensors or (before < self._next and not must_look):
            return []
        found = [name for name in runs_beside(self._sensors, self._own) if name not in self._seen]
        after = time.monotonic()
        self._next = after + max(SOONEST_SECONDS, (after - before) / MOST_OF_TIME)
        self._seen.update(found)
        return found


def runs_beside(sensors: Set[str], own: Optional[int], proc: Path = Path("/proc")) -> List[str]:
    """The names of runs whose recorders are at work here and read one of `sensors`, but for the recorder `own`."""
    names = []
    for process in proc.glob("[0-9]*"):
        if process.name != str(own) and _is_recorder(process):
            names += [trace.parent.parent.name for trace in _traces(process, sensors)]
    return sorted(set(names))


def _is_recorder(process: Path) -> bool:
    try:
        return RECORDER in (process / "cmdline").read_bytes().split(b"\0")
    except OSError:  # it has ended
        return False


def _traces(process: Path, sensors: Set[str]) -> List[Path]:
    """The traces of runs that a recorder writes with one of `sensors`. A recorder that only watches has no run."""
    found: List[Path] = []
    try:
        handles = list((process / "fd").iterdir())
    except OSError:  # another user's, or it has ended
        return found
    for handle in handles:
        try:
            target = Path(os.readlink(handle))
        except OSError:  # closed since
            continue
        if target.suffix == ".arrows" and target.parent.name == "traces" and sensors & _sensors_in(handle):
            found.append(target)
    return found


def _sensors_in(trace: Path) -> Set[str]:
    """The sensors that a trace names; none where it cannot be understood, which is no reason to suspect it of any."""
    try:
        with trace.open("rb") as file:
            channels = read_metadata(pa.ipc.read_schema(pa.PythonFile(file, "r")), trace).get("channels")
    except (OSError, pa.ArrowException, UsageError):  # gone, begun a moment ago, torn, or of another version
        return set()
    rows = [row for row in channels if isinstance(row, dict)] if isinstance(channels, list) else []
    return {sensor for sensor in (row.get("sensor") for row in rows) if isinstance(sensor, str)}
