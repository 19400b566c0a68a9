"""What finished runs measured for the accuracy of a planned one: means over seeds, and in what those runs differ."""

import dataclasses
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from ..errors import EnergytrainError
from ..runs.result import run_result
from ..runs.spec import RunSpec

Result = Mapping[str, Any]

# What says which plan a run belongs to, and what it may differ in without a word: repeats, and how it was metered.
_MATCHES = ("model", "dataset", "method")
_SILENT = (
    "seed",
    "trial",
    "device",
    "compute",
    "channels_last",
    "meters",
    "sample_hz",
    "infer",
    "prune_ratio",
    "measure_epochs",
    "match",
    "ticket",
)
# These follow from others, or are what a plan assumes.
_FOLLOWS = ("milestones", "search_milestones", "draw_epoch", "search", "retrain_epochs", "rewind_epoch", "search_lr")


@dataclass(frozen=True)
class Measured:
    """Test accuracy after the last epoch, in percent: mean and standard deviation (None of one) over `n` runs.

    differs: in what these runs are not like the plan, as "epochs 40 instead of 160".
    """

    mean: float
    deviation: Optional[float]
    n: int
    seeds: Tuple[int, ...]
    differs: Tuple[str, ...]

    def to_json(self) -> Dict[str, Any]:
        return dataclasses.asdict(self)


def read_results(folders: Iterable[Path]) -> Tuple[List[Result], List[Tuple[Path, Exception]]]:
    """The results of finished runs with an accuracy, and the folders that cannot be read, each with the reason."""
    found: List[Result] = []
    skipped: List[Tuple[Path, Exception]] = []
    for folder in folders:
        try:
            result = run_result(folder)
        except EnergytrainError as error:
            skipped.append((folder, error))
            continue
        if result["accuracy"]["test"] is not None and not result["spec"].get("random_labels"):
            found.append(result)
    return found, skipped


def measured_accuracy(spec: RunSpec, ratio: Optional[float], results: Iterable[Result]) -> Optional[Measured]:
    """Of the finished runs of the same network, data set, method and prune ratio those least unlike the plan.

    Runs that differ from it in unlike ways are never averaged: of several such groups the one with the fewest
    differences counts, and of these the one of most runs. None where there is no such run.
    """
    groups: Dict[Tuple[str, ...], List[Result]] = {}
    for result in results:
        other = RunSpec.from_json(result["spec"])
        if all(getattr(other, name) == getattr(spec, name) for name in _MATCHES) and _same_ratio(result, ratio):
            groups.setdefault(differences(spec, other), []).append(result)
    if not groups:
        return None
    differs, runs = min(groups.items(), key=lambda item: (len(item[0]), -len(item[1])))
    accuracies = [float(run["accuracy"]["test"]) for run in runs]
    deviation = statistics.stdev(accuracies) if len(accuracies) > 1 else None
    seeds = tuple(sorted({int(run["spec"]["seed"]) for run in runs}))
    return Measured(statistics.fmean(accuracies), deviation, len(accuracies), seeds, differs)


def differences(planned: RunSpec, done: RunSpec) -> Tuple[str, ...]:
    """Settings in which a run is not like the plan, in words."""
    found = []
    for field in dataclasses.fields(RunSpec):
        name = field.name
        ours, theirs = getattr(planned, name), getattr(done, name)
        if name not in (*_MATCHES, *_SILENT, *_FOLLOWS) and ours != theirs:
            found.append(f"{name.replace('_', ' ')} {_word(theirs)} instead of {_word(ours)}")
    return tuple(found)


def _same_ratio(result: Result, ratio: Optional[float]) -> bool:
    if ratio is None:
        return True
    chosen = (result["ticket"] or {}).get("prune_ratio", result["spec"]["prune_ratio"])
    return math.isclose(chosen, ratio, abs_tol=1e-9)


def _word(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
