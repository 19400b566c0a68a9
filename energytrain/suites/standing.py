"""Where a run of a suite stands: new, done for this commit and machine, to be continued, stale, or another run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Mapping

from ..errors import UsageError
from ..runs.folder import RunFolder
from ..runs.inference import left_to_infer
from ..runs.machine import same_code
from ..runs.result import is_alive, run_result
from .resolving import Answer

NEW, DONE, UNFINISHED, UNDERWAY, WAITS = "new", "done", "unfinished", "underway", "waits"
STALE_DONE, STALE_UNFINISHED, OTHER, UNREADABLE = "stale done", "stale unfinished", "another run", "unreadable"
# Where no checkout says which code ran, energytrain's own version does.
VERSIONS = ("energytrain", "torch")


@dataclass(frozen=True)
class Standing:
    """what: one of the words above; WAITS: what it is depends on a run that is not done. why: of what is stale, another
    run or unreadable, in words. code_moved: the commit is another one, yet its package is the same, so nothing is
    stale.
    """

    what: str
    why: str = ""
    code_moved: bool = False


def standing(path: Path, answer: Answer) -> Standing:
    """How the folder `path` stands to the run that `answer` describes."""
    folder = RunFolder(path)
    if not folder.exists():
        return Standing(NEW)
    try:
        record = folder.read()
        if answer.identity is None:
            return Standing(WAITS)
        if record["identity"] != answer.identity:
            return Standing(OTHER, "; ".join(_unlike(record["spec"], answer.spec or {})) or "its version")
        attempts = record["attempts"]
        if not attempts:
            return Standing(NEW)
        if is_alive(attempts[-1]) and _is_locked(folder):
            return Standing(UNDERWAY, f"by process {attempts[-1]['pid']}")
        result = run_result(path)
        lacks_inference = bool((answer.spec or {}).get("infer")) and left_to_infer(result)
        done = result["status"] == "done" and not lacks_inference
    except UsageError as error:
        return Standing(UNREADABLE, str(error))
    stale = _stale(attempts[-1], answer)
    if stale:
        return Standing(STALE_DONE if done else STALE_UNFINISHED, stale)
    return Standing(DONE if done else UNFINISHED, code_moved=attempts[-1]["commit"] != answer.commit)


def _unlike(then: Mapping[str, Any], now: Mapping[str, Any]) -> List[str]:
    return [f"{name} {then.get(name)}, not {value}" for name, value in now.items() if then.get(name) != value]


def _stale(attempt: Mapping[str, Any], answer: Answer) -> str:
    """Why what this attempt left says nothing of the code and the machine at hand; empty where it does."""
    reasons = []
    if not same_code(attempt["commit"], answer.commit):
        reasons.append(f"commit {_commit(attempt['commit'])}, not {_commit(answer.commit)}")
    for name in VERSIONS:
        if attempt["versions"].get(name) != answer.versions.get(name):
            reasons.append(f"{name} {attempt['versions'].get(name)}, not {answer.versions.get(name)}")
    reasons += _unlike(attempt["machine"], answer.machine)
    return "; ".join(reasons)


def _is_locked(folder: RunFolder) -> bool:
    """Whether a process really writes the run: the number of one that died may be another's by now."""
    try:
        with folder.writing(room_bytes=0):
            return False
    except UsageError:
        return True


def _commit(commit: Any) -> str:
    if commit is None:
        return "unknown"
    return f"{commit['hash'][:8]}{' with changes' if commit['dirty'] else ''}"
