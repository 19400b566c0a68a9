"""`python -m energytrain.energy.recorder`: takes its configuration from standard input and records until that ends."""

import gc
import os
import signal
import sys

from .config import RecorderConfig
from .outbox import Outbox
from .process import record
from .watching import end_with_parent


def main() -> int:
    # It ends with its parent and not before: a scheduler that signals a whole job may well give the training minutes
    # to write its checkpoint, and those cost energy too.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    # What a driver's library prints must neither mix with the answers nor block in a pipe that nobody reads.
    answers = os.dup(1)
    os.dup2(2, 1)
    os.set_blocking(2, False)
    line = _read_line(0)
    if not line:
        return 0
    try:
        config = RecorderConfig.from_line(line)
    except ValueError as error:
        Outbox(answers).answer({"failed": str(error)})
        return 2
    end_with_parent(config.parent)
    gc.freeze()  # the loaded modules stay as they are; no collection needs to look through them
    record(config, 0, answers)
    return 0


def _read_line(fd: int) -> bytes:
    """One line and no byte more: what follows is for the main loop's select."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(fd, 1)
        if not byte:
            break
        line += byte
    return line


if __name__ == "__main__":
    sys.exit(main())
