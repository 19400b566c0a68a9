"""`report --compare A B`: what changed between two runs, or between two suites or folders of runs, as sheets."""

from typing import List, Optional, Sequence, Tuple

from ...errors import UsageError
from ..source import Source
from ..tables.people import one_line
from ..tables.sheet import Sheet
from .compare_groups import group_sheets, matched
from .compare_runs import run_sheets
from .compare_settings import settings_sheet


def compare(first: Sequence[Source], second: Sequence[Source], margin: Optional[float] = None) -> List[Sheet]:
    """Of one run on either side what was set up otherwise, what changed, and the tickets; of several the changes of
    each group of pairs, what is in one alone, and what was set up otherwise.

    margin: of equivalence, in points of accuracy, for the verdicts on groups. Raises UsageError where a side is empty.
    """
    if not first or not second:
        raise UsageError("there is no run on one side of the comparison.", "Name two runs, or two folders of runs.")
    titles = _titles(first, second)
    if len(first) == len(second) == 1:
        return [settings_sheet([(first[0], second[0])], titles), *run_sheets(first[0], second[0], titles)]
    pairs, *only = matched(first, second)
    changed = group_sheets(pairs, (only[0], only[1]), titles, margin)
    return [*changed, settings_sheet(pairs, titles)] if pairs else changed


def _titles(first: Sequence[Source], second: Sequence[Source]) -> Tuple[str, str]:
    """What both sides are called: the run's name, else the folder's in which all of them lie; always two names."""
    one, other = _title(first, "first"), _title(second, "second")
    return (one, other) if one != other else (f"{one} (first)", f"{other} (second)")


def _title(sources: Sequence[Source], place: str) -> str:
    if len(sources) == 1:
        return one_line(sources[0].label)
    folders = {source.path.resolve().parent.name for source in sources}
    return one_line(folders.pop()) if len(folders) == 1 else place
