"""What stands above the charts of the page: what it is of, and where its energies come from."""

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ...runs.folder import RunFolder
from ..source import Source
from .words import METHOD_WORDS, WORDS

SUBJECT = "Energy against accuracy"
NAMED = 2  # models and data sets that are named; more are only counted


@dataclass(frozen=True)
class Heading:
    """`lead` says in whole sentences what the page is of. standing: (energy of what kind, what that means)."""

    title: str
    lead: str
    standing: Tuple[Tuple[str, str], ...]


def heading(sources: Sequence[Source]) -> Heading:
    if not sources:
        return Heading(SUBJECT, "No run could be read, so there is nothing to show.", ())
    results = [source.result for source in sources]
    models, datasets = _names(results, "model", "models"), _names(results, "dataset", "data sets")
    methods = list(dict.fromkeys(str(result["spec"]["method"]) for result in results))
    alone = len(sources) == 1
    by = f"{len(methods)} methods"
    if len(methods) == 1:
        meaning = METHOD_WORDS.get(methods[0])
        by = methods[0] + (f" ({meaning})" if meaning else "")
    what = f"{'One run' if alone else f'{len(sources)} runs'} that trained {models} on {datasets} by {by}: what "
    what += f"{'it' if alone else 'each'} cost in energy, and what accuracy that bought."
    started = [moment for moment in map(_newest, sources) if moment is not None]
    when = [f"{'It' if alone else 'The newest'} is of {max(started)[:10]}."] if started else []
    return Heading(f"{SUBJECT}: {models} on {datasets}", " ".join([what, *when]), tuple(_standing(results)))


def _names(results: Sequence[Mapping[str, Any]], field: str, many: str) -> str:
    found = sorted({str(result["spec"][field]) for result in results})
    return " and ".join(found) if len(found) <= NAMED else f"{len(found)} {many}"


def _newest(source: Source) -> Optional[str]:
    """When the last attempt began (ISO 8601, UTC), as its run.json says."""
    attempts = RunFolder.open(source.path).read()["attempts"]
    return str(attempts[-1]["started"]) if attempts and attempts[-1].get("started") else None


def _standing(results: Sequence[Mapping[str, Any]]) -> List[Tuple[str, str]]:
    """Where the energies of these runs come from: what is of different provenance is not to be read as one."""
    kinds: Dict[Tuple[str, str], int] = {}
    for result in results:
        device, word = result["device"]["name"], str(result["headline"])
        what = f"measured on {device}" if word == "measured" else f"modelled for {device}"
        if result["useful"]["energy"]["joules"] is None:
            what, word = f"missing ({device})", "missing"
        elif result.get("what_if") is not None:
            what, word = f"what-if, {what}", "what-if"
        kinds[what, word] = kinds.get((what, word), 0) + 1
    means = dict(WORDS)
    found = []
    for (what, word), count in kinds.items():
        runs = "" if len(results) == 1 else "all runs; " if len(kinds) == 1 else f"{count} of {len(results)} runs; "
        found.append((f"Energy {what}", runs + means[word]))
    return found
