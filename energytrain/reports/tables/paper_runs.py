"""Runs sorted into the places of a paper's table: settings, methods, prune ratios, and the seeds of each.

Runs of one place share all of their specification but what one place may hold: the seed, how they were metered, and
which run a control was matched to. Those that were given their ticket have a row of their own, since their figures lack
what finding it cost.
"""

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ...runs.spec import LEGACY_VALUES
from ..given_tickets import is_given
from ..source import Source
from .people import one_line

Result = Mapping[str, Any]
Ratio = Optional[float]  # None: nothing is pruned

EARLY_BIRD = ("eb-reinit", "eb-ff", "eb-lf", "eb-ll")
# Those that the paper compares with first, in its order.
RIVALS = ("lt", "snip", "ns", "thinet", "sfp", "lt-iterative", "lt-rewind", "l1-filters", "gradual", "early-gradual")
_ORDER = ("dense", "dense-short", "small-dense", "random-ticket", *RIVALS, *EARLY_BIRD)

_OF_ONE_PLACE = ("seed", "trial", "prune_ratio", "match", "ticket", "meters", "sample_hz", "infer", "compute", "method")
# What makes a setting: rows of unlike settings are not compared.
_SETTING = (
    "model",
    "dataset",
    "width",
    "shortcut",
    "image_size",
    "limit",
    "validation",
    "protocol",
    "epochs",
    "batch_size",
    "augment",
    "random_labels",
)
_MATCHED = ("width", "epochs", "milestones", "search_milestones")  # what a control takes from the run it is matched to


@dataclass(frozen=True)
class MethodRow:
    """A method in a setting; label: its name, and what sets it apart from others of the same method; given: whether the
    runs were given their tickets."""

    method: str
    label: str
    cells: Mapping[Ratio, Tuple[Result, ...]]
    given: bool = False

    def results(self) -> List[Result]:
        return [result for results in self.cells.values() for result in results]


@dataclass(frozen=True)
class Setting:
    """A model on a data set; label: what sets it apart from other settings of the same two, else empty."""

    model: str
    dataset: str
    label: str
    spec: Mapping[str, Any]
    rows: Tuple[MethodRow, ...]

    def by_method(self) -> List[Tuple[MethodRow, bool]]:
        """The rows, each with whether it is the last of its method."""
        follows = [*(row.method for row in self.rows[1:]), None]
        return [(row, row.method != after) for row, after in zip(self.rows, follows)]

    def ratios(self) -> List[Ratio]:
        return sorted({ratio for row in self.rows for ratio in row.cells}, key=lambda ratio: ratio or 0.0)


def settings_of(sources: Sequence[Source]) -> Tuple[List[Setting], List[str]]:
    """The finished runs in their places, and sentences on those that have none."""
    done = [source.result for source in sources if source.result["status"] == "done"]
    left_out = [one_line(source.label) for source in sources if source.result["status"] != "done"]
    notes = [f"Not finished and left out: {', '.join(left_out)}."] if left_out else []
    by_setting: Dict[Tuple[Any, ...], List[Result]] = {}
    for result in sorted(done, key=lambda result: _spec(result)["match"] is not None):
        by_setting.setdefault(_place_of(result, list(by_setting)), []).append(result)
    specs = [dict(zip(_SETTING, key)) for key in by_setting]
    found = []
    for spec, results in zip(specs, by_setting.values()):
        alike = [other for other in specs if (other["model"], other["dataset"]) == (spec["model"], spec["dataset"])]
        label = _apart(spec, alike, _SETTING)
        found.append(Setting(spec["model"], spec["dataset"], label, spec, tuple(_rows(results))))
    return found, notes


def pairs(ours: Sequence[Result], theirs: Sequence[Result]) -> List[Tuple[Result, Result]]:
    """Runs of the same seed and trial, one of each side."""
    by_seed: Dict[Tuple[int, int], Result] = {}
    for result in theirs:
        by_seed.setdefault(_seed(result), result)
    found = {_seed(result): (result, by_seed[_seed(result)]) for result in ours if _seed(result) in by_seed}
    return list(found.values())


def _seed(result: Result) -> Tuple[int, int]:
    return int(result["spec"]["seed"]), int(result["spec"]["trial"])


def _spec(result: Result) -> Dict[str, Any]:
    return {**LEGACY_VALUES, **result["spec"]}


def _place_of(result: Result, known: Sequence[Tuple[Any, ...]]) -> Tuple[Any, ...]:
    """The setting of a run; a control, whose width or epochs follow from its match, joins one that is there."""
    spec = _spec(result)
    key = tuple(spec[name] for name in _SETTING)
    if spec["match"] is None:
        return key
    kept = [at for at, name in enumerate(_SETTING) if name not in _MATCHED]
    return next((other for other in known if all(other[at] == key[at] for at in kept)), key)


def _rows(results: Sequence[Result]) -> List[MethodRow]:
    by_row: Dict[Tuple[str, bool, str], List[Result]] = {}
    for result in results:
        spec = _spec(result)
        left = (*_OF_ONE_PLACE, *(_MATCHED if spec["match"] is not None else ()))
        rest = sorted((name, str(value)) for name, value in spec.items() if name not in left)
        by_row.setdefault((spec["method"], is_given(result), str(rest)), []).append(result)
    rows = []
    for (method, given, _), members in by_row.items():
        spec = _spec(members[0])
        alike = [_spec(others[0]) for (other, *_), others in by_row.items() if other == method]
        names = [name for name in spec if name not in (*_OF_ONE_PLACE, *_MATCHED, "measure_epochs")]
        few = spec["measure_epochs"]
        told = [_apart(spec, alike, names), "given ticket" * given, "" if few is None else f"scaled from {few} epochs"]
        apart = ", ".join(filter(None, told))
        cells: Dict[Ratio, List[Result]] = {}
        for result in sorted(members, key=_seed):
            cells.setdefault(prune_ratio(result), []).append(result)
        label = one_line(method) + (f" ({apart})" if apart else "")
        rows.append(MethodRow(method, label, {ratio: tuple(cells[ratio]) for ratio in cells}, given))
    return sorted(rows, key=lambda row: (_ORDER.index(row.method) if row.method in _ORDER else -1, row.label))


def prune_ratio(result: Result) -> Ratio:
    """As asked, or as the run chose it; of a control that of the run it is matched to; None where nothing is pruned."""
    spec, ticket = result["spec"], result["ticket"]
    if ticket is not None:
        return float(ticket.get("prune_ratio", spec["prune_ratio"]))
    return None if spec.get("match") is None else float(spec["prune_ratio"])


def _apart(spec: Mapping[str, Any], alike: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """The values of `spec` that are not those of all alike."""
    differing = [name for name in names if len({str(other[name]) for other in alike}) > 1]
    return one_line(", ".join(f"{name.replace('_', ' ')} = {_value(name, spec[name])}" for name in differing))


def _value(name: str, value: Any) -> str:
    if value is None:
        return "all" if name == "limit" else "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def percent_of(ratio: Ratio) -> str:
    """
    >>> percent_of(0.3), percent_of(None)
    ('30 %', 'none')
    """
    return "none" if ratio is None else f"{100 * ratio:.4g} %"
