"""Threads beside the main loop: one waits for the disk, one sees to it that the process never outlives its parent."""

import os
import threading
import time
from typing import Callable, Optional

from ..traces.trace import TraceWriter

LOOK_SECONDS = 1.0
GRACE_SECONDS = 2.0


class Syncer(threading.Thread):
    """Puts the trace on the disk each time it is `due`. fsync may take seconds, so it has its own thread."""

    def __init__(self, trace: Optional[TraceWriter], failed: Callable[[OSError], None]) -> None:
        super().__init__(name="sync", daemon=True)
        self.due = threading.Event()
        self._trace = trace
        self._failed = failed
        self._ended = False

    def run(self) -> None:
        while not self._ended:
            self.due.wait()
            self.due.clear()
            if self._trace is not None and not self._ended:
                try:
                    self._trace.sync()
                except OSError as error:
                    self._failed(error)

    def end(self) -> None:
        self._ended = True
        self.due.set()
        self.join()


def end_with_parent(parent: int) -> None:
    """Starts the last resort: where the main loop hangs (in a driver, on a dead disk), the process still ends."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        time.sleep(GRACE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
