"""`energytrain run` in a process of its own that kills itself at a chosen moment, or believes in another boot.

Usage: killed_run.py '{"kill": "<where>", "after": N, "boot": "<id>", "window": S}' ARGUMENTS...
where: mark (right after the N-th mark was written), span (as {"phase", "what"} begins, the N-th time), checkpoint (the
N-th checkpoint's tensors are stored, the file
that names them is not), rebuild (inside the replacement of the network by its ticket), result (after the last mark).
window: how long a window of inference lasts, in seconds.
"""

import json
import os
import signal
import sys
from pathlib import Path


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    plan = json.loads(sys.argv[1])
    from energytrain.energy.traces import clocks
    from energytrain.execution import inference
    from energytrain.execution.session import Session
    from energytrain.runs import result
    from energytrain.runs.events import EventWriter
    from energytrain.training import checkpoint

    if "boot" in plan:
        clocks.BOOT_ID_FILE = plan["boot"]
    if "window" in plan:
        inference.WINDOW_SECONDS = inference.WARM_UP_SECONDS = plan["window"]
    left = [plan.get("after", 1)]

    def countdown() -> None:
        left[0] -= 1
        if left[0] == 0:
            die()

    if plan["kill"] == "mark":
        append = EventWriter.append

        def append_then_die(self, kind, *arguments, **fields):  # type: ignore[no-untyped-def]
            event = append(self, kind, *arguments, **fields)
            countdown()
            return event

        EventWriter.append = append_then_die  # type: ignore[method-assign]
    elif plan["kill"] == "span":
        append = EventWriter.append

        def begin_then_die(self, kind, *arguments, **fields):  # type: ignore[no-untyped-def]
            event = append(self, kind, *arguments, **fields)
            if (kind, fields.get("phase"), fields.get("what")) == ("start", plan["phase"], plan["what"]):
                countdown()
            return event

        EventWriter.append = begin_then_die  # type: ignore[method-assign]
    elif plan["kill"] == "checkpoint":
        write = checkpoint.write_bytes

        def write_then_die(path: Path, data: bytes) -> None:
            write(path, data)
            if Path(path).suffix == ".safetensors":
                countdown()

        checkpoint.write_bytes = write_then_die  # type: ignore[assignment]
    elif plan["kill"] == "rebuild":
        become = Session.become_ticket

        def become_then_die(self, *arguments, **fields):  # type: ignore[no-untyped-def]
            become(self, *arguments, **fields)
            countdown()

        Session.become_ticket = become_then_die  # type: ignore[method-assign]
    elif plan["kill"] == "result":
        result.write_json = lambda path, data: die()  # type: ignore[assignment]

    from energytrain.cli.main import main as energytrain

    energytrain(sys.argv[2:])


if __name__ == "__main__":
    main()
