"""A run as charts and tables read it: its result, and on demand its marks and traces."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..energy.traces.series import Trace, free_name
from ..energy.traces.trace import read_trace
from ..errors import EnergytrainError, UsageError, unknown
from ..runs.events import read_events
from ..runs.folder import RunFolder
from ..runs.result import run_result
from ..runs.timeline import Timeline, build_timeline

MOST_DETAILED = 20  # runs that are shown one by one
NAMED = 20  # runs that a sentence names before it only counts


@dataclass(frozen=True)
class Source:
    """`label`: the run's name, made unique among those that are shown together; `result` as `runs.result` has it."""

    label: str
    path: Path
    result: Mapping[str, Any]

    @cached_property
    def timeline(self) -> Optional[Timeline]:
        """Its marks; None where they were not kept (a result committed beside a page)."""
        events = RunFolder.open(self.path).events
        return build_timeline(read_events(events)) if events.exists() else None

    def trace(self, attempt: int) -> Optional[Trace]:
        """The trace of one of its attempts, read anew at each call (it may be large); None where there is none."""
        timeline = self.timeline
        if timeline is None:
            return None
        name = next((a.mark.get("trace") for a in timeline.attempts if a.number == attempt), None)
        if not name or not (self.path / name).exists():
            return None
        return read_trace(self.path / name)


def read_sources(
    folders: Iterable[Path], recompute: bool = False
) -> Tuple[List[Source], List[Tuple[Path, EnergytrainError]]]:
    """The runs in `folders`, and those folders that cannot be read, each with the reason."""
    sources: Dict[str, Source] = {}
    skipped: List[Tuple[Path, EnergytrainError]] = []
    for folder in folders:
        try:
            result = run_result(folder, recompute=recompute)
        except EnergytrainError as error:
            skipped.append((folder, error))
            continue
        label = free_name(str(result["name"]), sources)
        sources[label] = Source(label, folder, result)
    return list(sources.values()), skipped


def detailed(sources: Sequence[Source], names: Sequence[str] = ()) -> List[Source]:
    """The runs that are shown one by one: those in `names`, by label or path, or the first `MOST_DETAILED` without it.

    Raises UsageError for a name that is no run's, and for too many of them.
    """
    if not names:
        return list(sources[:MOST_DETAILED])
    known = {source.label: source for source in sources}
    by_path = {source.path.resolve(): source for source in sources}
    chosen: Dict[str, Source] = {}
    for name in names:
        source = known.get(name) or by_path.get(Path(name).resolve())
        if source is None:
            raise unknown("run", name, known)
        chosen[source.label] = source
    if len(chosen) > MOST_DETAILED:
        raise UsageError(
            f"{len(chosen)} runs are to have details, and there is room for {MOST_DETAILED}.", "Choose fewer."
        )
    return list(chosen.values())


def without_details(sources: Sequence[Source], labels: Iterable[str]) -> List[str]:
    """What is said of the runs whose labels are not among `labels`: one sentence, or none where there are none."""
    shown = set(labels)
    left = [source.label for source in sources if source.label not in shown]
    if not left:
        return []
    more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    words = f"{len(shown)} of {len(sources)} runs have details of their own"
    return [f"{words}; without them: {', '.join(left[:NAMED])}{more}."]
