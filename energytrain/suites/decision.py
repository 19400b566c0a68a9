"""What is done about a run, from where it stands and what the user allowed."""

from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple

from ..errors import UsageError
from . import standing as at
from .standing import Standing

START, CONTINUE, AGAIN, SKIP, WAIT = "start", "continue", "run again", "skip", "wait"
LEAVE, DAMAGED = "leave out", "damaged"
TRAINS = (START, CONTINUE, AGAIN)
_NAMED = 4


@dataclass(frozen=True)
class Decision:
    """do: one of the words above; LEAVE: nothing is done about what is stale, and the suite is not complete. why: in
    words. arguments: what the run's command line gets beside the run's own. finished: what is left has a result."""

    do: str
    why: str = ""
    arguments: Tuple[str, ...] = ()
    finished: bool = False


def decide(stands: Standing, rerun_stale: bool, accept_changes: bool) -> Decision:
    """By default nothing finished is lost and nothing stale is passed off as new: it is left as it is."""
    if stands.what in (at.NEW, at.WAITS):
        return Decision(START)
    if stands.what == at.DONE:
        return Decision(SKIP)
    if stands.what == at.UNDERWAY:
        return Decision(WAIT, stands.why)
    if stands.what == at.UNFINISHED:
        return Decision(CONTINUE, arguments=("--accept-changes",) if stands.code_moved else ())
    if stands.what == at.UNREADABLE:
        return Decision(DAMAGED, stands.why)
    if rerun_stale:
        return Decision(AGAIN, stands.why, ("--fresh",))
    if accept_changes and stands.what == at.STALE_DONE:
        return Decision(SKIP, stands.why)
    if accept_changes and stands.what == at.STALE_UNFINISHED:
        return Decision(CONTINUE, stands.why, ("--accept-changes",))
    return Decision(LEAVE, stands.why, finished=stands.what == at.STALE_DONE)


def check_folder(standings: Mapping[str, Standing], folder: str, rerun_stale: bool) -> None:
    """Refuses a folder that holds other runs under the suite's names: with them, a table would not be the suite's."""
    other = {name: stands.why for name, stands in standings.items() if stands.what == at.OTHER}
    if other and not rerun_stale:
        raise UsageError(
            f"'{folder}' holds other runs under this suite's names ({'; '.join(by_reason(other))}).",
            "Give another --runs-dir to keep them, or --rerun-stale to discard them.",
        )


def by_reason(reasons: Mapping[str, str]) -> List[str]:
    """Names by their reason, a sentence each: "commit a, not b: eb-ff-s0, eb-ff-s1"."""
    names: Dict[str, List[str]] = {}
    for name, why in reasons.items():
        names.setdefault(why, []).append(name)
    return [f"{why}: {_some(found)}" for why, found in names.items()]


def _some(names: Sequence[str]) -> str:
    more = "" if len(names) <= _NAMED else f" and {len(names) - _NAMED} more"
    return ", ".join(names[:_NAMED]) + more
