"""One run as a process of its own: started, watched and, when the suite is stopped, told to stop."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Callable, List, NamedTuple, Optional, Sequence, Tuple

from ..energy.child import Child
from ..errors import UsageError
from ..runs.folder import RunFolder
from ..runs.underway import Doing, RunWatch

LOOK_SECONDS = 0.5
COMMAND = (sys.executable, "-m", "energytrain", "run")
_STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name))
_PREFIX = "energytrain: "


class Ended(NamedTuple):
    """status: the exit status (128 and the number of the signal that ended it). last: the last line that it wrote to
    standard error. stopped: whether this process was told to stop meanwhile, which was passed on."""

    status: int
    last: str
    stopped: bool


def run_child(
    arguments: Sequence[str],
    folder: Path,
    working: Callable[[Optional[Doing]], object],
    message: Callable[[str], object],
    command: Sequence[str] = COMMAND,
) -> Ended:
    """`energytrain run` with `arguments`, until it ends; its run is in `folder`.

    working(doing): twice a second, with what the run does as far as its marks tell. message(line): each line that it
    writes to standard error. A signal to stop does not end this process: it is the child's, which marks its run.
    """
    watch = Follower(folder)
    # A file and no pipe: a child whose suite was killed goes on, and must not fail at its next message.
    with tempfile.TemporaryFile() as errors, Child() as child:
        said = _Lines(errors)
        child.start([*command, *arguments], stdout=subprocess.DEVNULL, stderr=errors.fileno())
        while not child.wait(LOOK_SECONDS):
            working(watch.look())
            for line in said.new():
                message(line)
        rest = said.new(whole=True)
        if child.status == 0:
            for line in rest:
                message(line)
        return Ended(child.status, said.last, any(number in _STOPS for number in child.received))


class Follower:
    """What the newest attempt of a run does, once it has begun; attempts that were there before are passed over."""

    def __init__(self, folder: Path, running: bool = False) -> None:
        """running: the attempt to follow is the one that is there."""
        self._folder = folder
        self._before = None if running else self._newest()
        self._watch: Optional[RunWatch] = None

    def look(self) -> Optional[Doing]:
        if self._watch is None and self._newest() not in (None, self._before):
            self._watch = RunWatch(self._folder)
        return None if self._watch is None else self._watch.look()

    def _newest(self) -> Optional[Tuple[int, str]]:
        """Number and start of the last attempt: a run that began afresh counts from 1 again."""
        folder = RunFolder(self._folder)
        try:
            attempts = folder.read()["attempts"] if folder.exists() else []
        except UsageError:  # the run will say so itself
            return None
        return (len(attempts), str(attempts[-1]["started"])) if attempts else None


class _Lines:
    """The whole lines that were appended to a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._offset = 0
        self.last = ""

    def new(self, whole: bool = False) -> List[str]:
        """Those since the last call; whole: a line without its end is one, too."""
        # The child appends where its own copy of the descriptor stands, which this one shares: it must not be moved.
        data = _read_at(self._file.fileno(), self._offset)
        end = len(data) if whole else data.rfind(b"\n") + 1
        self._offset += end
        lines = [line.strip() for line in data[:end].decode("utf-8", "replace").splitlines()]
        lines = [line[len(_PREFIX) :] if line.startswith(_PREFIX) else line for line in lines if line]
        if lines:
            self.last = lines[-1]
        return lines


def _read_at(descriptor: int, offset: int) -> bytes:
    found = b""
    while True:
        part = os.pread(descriptor, 65536, offset + len(found))
        if not part:
            return found
        found += part
