"""Stands in for `energytrain run`: leaves a run folder as a training does, in no time and without torch.

Usage: fake_run.py PLAN.json OPTIONS... (those of `energytrain run`)
PLAN.json: spec, identity, commit, versions, machine; do: done, incomplete, fail, die, or wait (until the file `go`
beside the plan is there). How it was called is appended to `calls` beside the plan.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

from energytrain.energy.traces import clocks
from energytrain.runs.events import EventWriter
from energytrain.runs.folder import RunFolder


def main(plan_file: Path, arguments: List[str]) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plan = json.loads(plan_file.read_text())
    value = {name: arguments[arguments.index(name) + 1] for name in ("--name", "--runs-dir")}
    with (plan_file.parent / "calls").open("a") as calls:
        calls.write(" ".join([value["--name"], *(a for a in arguments if a in ("--fresh", "--accept-changes"))]) + "\n")
    folder = RunFolder(Path(value["--runs-dir"]) / value["--name"])
    print("energytrain: what every run says", file=sys.stderr, flush=True)
    with folder.writing():
        if folder.exists() and "--fresh" in arguments:
            folder.discard()
        folder.claim(plan["spec"], plan["identity"])
        number = folder.begin_attempt(plan["commit"], plan["versions"], plan["machine"])
        return attempt(plan, folder, number, plan_file.parent / "go")


def attempt(plan: Dict[str, Any], folder: RunFolder, number: int, go: Path) -> int:
    absent = {"meter": "clamp", "why": "it is not there.", "fix": None, "declared": True}
    with EventWriter(folder.events, number) as writer:
        writer.append(
            "attempt",
            host=clocks.host(),
            boot_id=clocks.boot_id(),
            here=False,
            trace=None,
            primary=[],
            unavailable=[absent] if plan["do"] == "incomplete" else [],
        )
        status = "done"
        try:
            while plan["do"] == "wait" and not go.exists():
                time.sleep(0.02)
        except KeyboardInterrupt:
            status = "interrupted"
        if plan["do"] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if plan["do"] == "fail":
            status = "failed"
            print("energytrain: the loss is no longer finite.", file=sys.stderr)
        writer.append("stop", status=status, reason="")
    folder.end_attempt(number, status)
    return {"done": 3 if plan["do"] == "incomplete" else 0, "failed": 1, "interrupted": 130}[status]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
