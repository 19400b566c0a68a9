"""What the page says of one run beside its charts, as plain data: facts, sentences, tables."""

from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from rich.text import Text

from ...runs.folder import RunFolder
from ..charts.phase_costs import BESIDE
from ..charts.words import variant
from ..format import bounds, joules, percent, provenance, seconds, si
from ..source import Source
from ..tables.sheet import Cell, Column, Row, Sheet
from ..terminal.metering_lines import condition_words, observer_lines
from ..terminal.run_table import training_lines
from ..what_if import MARK, emulated, is_what_if
from .device_sheets import conditions_sheet, inference_sheet, meters_sheet
from .origins import origin

Fact = Tuple[str, str]


@dataclass(frozen=True)
class RunDetails:
    """`headline`: the few figures beside the run's name; `facts`: terms and what they are for it; `said`: sentences of
    what it bought; `metering`: sentences of how it was metered; `tables`: how each number came about, then inference,
    meters, conditions as far as there are any, and settings."""

    headline: Tuple[str, ...]
    facts: Tuple[Fact, ...]
    said: Tuple[str, ...]
    problems: Tuple[str, ...]
    notes: Tuple[str, ...]
    metering: Tuple[str, ...]
    tables: Tuple[Sheet, ...]


def run_details(source: Source) -> RunDetails:
    result = source.result
    attempts = RunFolder.open(source.path).read()["attempts"]
    made = (inference_sheet(result), meters_sheet(result), conditions_sheet(result))
    return RunDetails(
        headline=_headline(result),
        facts=tuple(_facts(result, attempts)),
        said=_plain(training_lines(result)),
        problems=tuple(result["problems"]),
        notes=tuple(result["notes"]),
        metering=tuple(_metering(result)),
        tables=(_numbers(result), *(sheet for sheet in made if sheet is not None), _settings(result)),
    )


def _plain(lines: Sequence[str]) -> Tuple[str, ...]:
    """Sentences in rich markup, without it."""
    return tuple(Text.from_markup(line).plain for line in lines)


def _headline(result: Mapping[str, Any]) -> Tuple[str, ...]:
    energy = result["useful"]["energy"]
    mark = f"{MARK}, " if is_what_if(result) else ""
    accuracy = result["accuracy"]["test"]
    shown = [percent(accuracy) if accuracy is not None else "no final accuracy"]
    shown.append("energy missing" if energy["joules"] is None else f"{joules(energy)} ({mark}{provenance(energy)})")
    return (*shown, *([] if result["status"] == "done" else [str(result["status"])]))


def _facts(result: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> List[Fact]:
    spec, device = result["spec"], result["device"]
    facts = [
        ("method", f"{variant(result)}, seed {spec['seed']}"),
        ("network", f"{spec['model']} at width {spec['width']:g}, {spec.get('precision', 'fp32')}"),
        ("data", f"{spec['dataset']}, {spec['epochs']} epochs in batches of {spec['batch_size']}"),
        ("device", _device(result)),
        ("energies", _energies(result)),
    ]
    if attempts:
        last = attempts[-1]
        machine, commit = last.get("machine") or {}, last.get("commit") or {}
        parts = [machine.get(name) for name in ("board", "cpu", "gpu", "platform") if machine.get(name)]
        facts.append(("trained on", ", ".join(map(str, [device.get("host") or last.get("host"), *parts]))))
        changed = " with changes" if commit.get("dirty") else ""
        commits = [f"commit {str(commit['hash'])[:12]}{changed}"] if commit.get("hash") else []
        versions = [f"{name} {version}" for name, version in (last.get("versions") or {}).items()]
        facts += [("software", ", ".join([*commits, *versions]))] if commits or versions else []
        if attempts[0].get("started"):
            took = between(attempts[0]["started"], last.get("ended"))
            facts.append(("when", took + (f", {len(attempts)} attempts" if len(attempts) > 1 else "")))
    return [*facts, ("identity", str(result["identity"]))]


def between(start: str, end: Optional[str]) -> str:
    """Two moments of run.json (ISO 8601 in UTC) to the minute; the day is said once where it is the same.

    >>> between("2026-11-21T20:03:11+00:00", "2026-11-21T20:05:40+00:00")
    '2026-11-21 20:03 to 20:05 UTC'
    """
    first = start[:16].replace("T", " ")
    if end is None:
        return f"{first} UTC to no known end"
    return f"{first} to {end[11:16] if end[:10] == start[:10] else end[:16].replace('T', ' ')} UTC"


def _device(result: Mapping[str, Any]) -> str:
    device = result["device"]
    if device["here"]:
        return f"{device['name']}, which it was trained on"
    return f"{device['name']}, which it was not trained on"


def _energies(result: Mapping[str, Any]) -> str:
    if result["headline"] == "measured":
        return f"measured by {', '.join(result['primary'])}"
    profile = result["device"]["profile"]
    if profile is None:
        return "missing: the device has no profile to model it from"
    mark = f" ({MARK})" if is_what_if(result) else ""
    return f"modelled{mark} by profile {profile}, energy model {result['energy_model']}; not measured"


def _metering(result: Mapping[str, Any]) -> List[str]:
    words = condition_words(result["conditions"])
    observed = observer_lines(result["observer"])
    lines = list(_plain([f"while it trained: {words}"] * bool(words) + observed))
    if not observed:
        lines.append("the observer's cost is not known: no recorder told its own use of the processor")
    for absent in result["device"]["unavailable"]:
        lines.append(f"no {absent['meter']} meter: {absent['why']} {absent['fix'] or ''}".strip())
    if not result["meters"]:
        lines.append("no meter was read")
    return lines


def _numbers(result: Mapping[str, Any]) -> Sheet:
    """Every energy of the run with its bounds and how it came about, then what is no energy."""
    rows = [_energy_row(str(row["phase"]), row) for row in result["phases"]]
    rows.append(_energy_row("useful", result["useful"], "total"))
    for key, name in BESIDE.items():
        if result.get(key) is not None and result[key]["seconds"] > 0:
            rows.append(_energy_row(name, result[key]))
    rows.append(_energy_row("spent in all", result["spent"], "total"))
    if result["dense"] is not None:
        rows.append(_energy_row("dense training instead", result["dense"]))
    if result["headline"] == "measured":
        rows.append(_energy_row("useful, net of idle", {**result["useful"], "energy": result["useful"]["net"]}))
    columns = (
        Column("figure", "figure", numeric=False),
        Column("joules", "value"),
        Column("bounds", "95 % bounds", numeric=False),
        Column("provenance", "provenance, scope", numeric=False),
        Column("origin", "how it came about", numeric=False),
    )
    return Sheet("numbers", "How each number came about", columns, (*rows, *_others(result)))


def _energy_row(name: str, row: Mapping[str, Any], kind: str = "run") -> Row:
    energy = row["energy"]
    mark = f"{MARK}, " if emulated(row) else ""
    cells = (
        Cell(name, name),
        Cell(joules(energy), energy["joules"]),
        Cell(bounds(energy)),
        Cell(mark + provenance(energy)),
        Cell(origin(row)),
    )
    return Row(cells, kind)


def _others(result: Mapping[str, Any]) -> List[Row]:
    accuracy, useful = result["accuracy"], result["useful"]
    told = [
        (
            "test accuracy",
            percent(accuracy["test"]),
            "Of the network after its last epoch, on test data that nothing was chosen by.",
        ),
        (
            "best test accuracy",
            percent(accuracy["test_best"]),
            "The best of all epochs, which chooses by the test data.",
        ),
        ("validation accuracy", percent(accuracy["validation"]), "On the part kept for choosing."),
        ("useful time", seconds(useful["seconds"]), "From the marks of the phases, each epoch counted once."),
        (
            "useful FLOPs",
            si(useful["flops"], "FLOPs"),
            "Counted layer by layer from one traced pass, times the steps done.",
        ),
    ]
    idle = result["idle"]
    if idle["watts"] is not None:
        told.append(("idle power", si(idle["watts"], "W"), "The mean of the idle times before and after training."))
    elif result["headline"] == "measured":
        told.append(("idle power", "missing", f"Missing: {idle['reason']}."))
    return [
        Row((Cell(name, name), Cell(text), Cell(""), Cell(""), Cell(how)), opens=at == 0)
        for at, (name, text, how) in enumerate(told)
        if text != percent(None)
    ]


def _settings(result: Mapping[str, Any]) -> Sheet:
    cells = [
        (Cell(name, name), Cell("none" if value is None else str(value))) for name, value in result["spec"].items()
    ]
    columns = (Column("setting", "setting", numeric=False), Column("value", "value", numeric=False))
    return Sheet("settings", "Settings", columns, tuple(Row(pair) for pair in cells))
