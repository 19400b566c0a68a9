"""What was set up otherwise between two runs: settings, commit, versions, machine, device, how the energy was got."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ...runs.folder import RunFolder
from ...runs.spec import LEGACY_VALUES
from ..source import Source
from ..tables.cells import name, number
from ..tables.sheet import Column, Row, Sheet

# Of a result, beside its specification and device: by the words for it.
OF_RESULT = {
    "status": "status",
    "energy": "headline",
    "primary channels": "primary",
    "energy model": "energy_model",
    "integrator": "integrator",
}


def settings_sheet(pairs: Sequence[Tuple[Source, Source]], titles: Tuple[str, str]) -> Sheet:
    """A row for each thing that differs inside of some pair, with both values and in how many pairs they are these."""
    counted: Dict[Tuple[str, str, str], int] = {}
    for first, second in pairs:
        ours, theirs = settings_of(first), settings_of(second)
        for what in dict.fromkeys([*ours, *theirs]):
            here, there = ours.get(what, "unknown"), theirs.get(what, "unknown")
            if here != there:
                counted[what, here, there] = counted.get((what, here, there), 0) + 1
    columns = (
        Column("setting", "what differs", False),
        Column("first", titles[0], False),
        Column("second", titles[1], False),
        *[Column("pairs", f"in how many of {len(pairs)} pairs")] * (len(pairs) > 1),
    )
    order = list(dict.fromkeys(what for what, _, _ in counted))
    rows = tuple(
        Row((*map(name, found), *[number(counted[found])] * (len(pairs) > 1)))
        for found in sorted(counted, key=lambda one: order.index(one[0]))
    )
    notes = () if rows else ("Settings, commit, versions, machine and device are the same.",)
    return Sheet("settings", "What was set up otherwise", columns, rows, notes)


def settings_of(source: Source) -> Dict[str, str]:
    """All that a run says of how it was set up, as text by name."""
    result = source.result
    found = {what: _text(value) for what, value in {**LEGACY_VALUES, **result["spec"]}.items()}
    device = result["device"]
    found["energy profile"] = _text(device["profile"])
    found["device is this machine"] = _text(device["here"])
    found["host"] = _text(device["host"])
    found.update({words: _text(result[key]) for words, key in OF_RESULT.items()})
    attempts = RunFolder.open(source.path).read()["attempts"]
    found["commit"] = _of_attempts([commit_of(one.get("commit")) for one in attempts])
    for kind in ("versions", "machine"):
        for what in dict.fromkeys(key for one in attempts for key in one.get(kind) or {}):
            found[f"{kind}: {what}"] = _of_attempts([_text((one.get(kind) or {}).get(what)) for one in attempts])
    return found


def commit_of(commit: Optional[Mapping[str, Any]]) -> str:
    if commit is None:
        return "unknown"
    return f"{commit['hash'][:12]}{' with uncommitted changes' if commit['dirty'] else ''}"


def _of_attempts(values: List[str]) -> str:
    """What the attempts of a run had, in their order; mostly one."""
    return " then ".join(dict.fromkeys(values)) or "unknown"


def _text(value: Any) -> str:
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
