"""What a suite's runs are in full, and what they would run on: asked of a process of its own.

Filling in a run's defaults loads torch and looks for a GPU. The suite itself outlives its runs and is to leave memory
and device to them, so it asks `python -m energytrain.suites.resolving`: questions as JSON in, answers as JSON out.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..errors import EnergytrainError, RunFailed, UsageError


@dataclass(frozen=True)
class Question:
    """options: of `energytrain run`, with underscores; matched: `like` is not known yet, so only check the rest."""

    name: str
    options: Mapping[str, Any]
    matched: bool = False


@dataclass(frozen=True)
class Answer:
    """A run in full: its specification and identity, None while the run that it matches is not done. commit, versions,
    machine: what an attempt that began now would note."""

    spec: Optional[Dict[str, Any]]
    identity: Optional[str]
    commit: Optional[Dict[str, Any]]
    versions: Dict[str, Any]
    machine: Dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """By run. startup_seconds: what loading the training code took, as it will before each run."""

    by_name: Mapping[str, Answer]
    startup_seconds: float


def ask(questions: Sequence[Question]) -> Answers:
    """The answers, from another process. UsageError for the first run whose options are wrong, by name."""
    begun = time.monotonic()
    asked = json.dumps([{"name": q.name, "options": q.options, "matched": q.matched} for q in questions])
    done = subprocess.run(
        [sys.executable, "-m", "energytrain.suites.resolving"], input=asked, capture_output=True, text=True
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise RunFailed(f"the suite's runs could not be looked up: {last}.")
    told = json.loads(done.stdout)
    if "error" in told:
        raise UsageError(f"the run '{told['name']}' cannot be: {told['error']}", told["hint"])
    startup = time.monotonic() - begun - told["seconds"]
    return Answers({name: Answer(**answer) for name, answer in told["answers"].items()}, startup)


def main() -> None:
    """Answer the questions on standard input."""
    from ..execution.resolve import resolve
    from ..execution.run import gpu_name
    from ..runs.machine import commit_of_package, machine_facts, versions
    from ..runs.spec import identity

    questions: List[Dict[str, Any]] = json.load(sys.stdin)
    begun = time.monotonic()
    commit = commit_of_package()
    answers: Dict[str, Any] = {}
    machines: Dict[str, Any] = {}
    told: Dict[str, Any] = {"answers": answers}
    for question in questions:
        # JSON knows no tuples, which is what a command line's repeated options are.
        options = {k: tuple(v) if isinstance(v, list) else v for k, v in question["options"].items()}
        if question["matched"]:
            # Whatever a run is matched to, it is a dense training; its width or length is found later.
            options = {**options, "method": "dense"}
        try:
            spec, _ = resolve(options)
        except EnergytrainError as error:
            told.update(name=question["name"], error=error.message, hint=error.hint)
            break
        if spec.compute not in machines:
            machines[spec.compute] = machine_facts(gpu_name(spec.compute))
        known = not question["matched"]
        answers[question["name"]] = {
            "spec": spec.to_json() if known else None,
            "identity": identity(spec) if known else None,
            "commit": commit,
            "versions": versions(),
            "machine": machines[spec.compute],
        }
    told["seconds"] = time.monotonic() - begun
    print(json.dumps(told))


if __name__ == "__main__":
    main()
