"""The recorder's standard output: lines of JSON into a pipe that perhaps nobody reads. It never blocks."""

import json
import os
from typing import Any, Dict


class Outbox:
    """`answer` keeps its line until it is read, `tell` drops it when the pipe is full."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._waiting = b""
        self._gone = False

    def answer(self, message: Dict[str, Any]) -> None:
        self._waiting += json.dumps(message).encode() + b"\n"
        self.pump()

    def tell(self, message: Dict[str, Any]) -> None:
        self.pump()
        if not self._waiting:
            self.answer(message)

    def pump(self) -> None:
        """Writes what the pipe takes of the waiting lines."""
        while self._waiting and not self._gone:
            try:
                self._waiting = self._waiting[os.write(self._fd, self._waiting) :]
            except BlockingIOError:
                return
            except BrokenPipeError:
                self._gone = True  # whether it is time to end is for the parent's state to tell, not for this pipe
        if self._gone:
            self._waiting = b""
