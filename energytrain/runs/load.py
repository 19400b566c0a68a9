"""Run folders as pandas tables: one row a run, a phase, an epoch or a sample, with units in the column names."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Union

import numpy as np
import pandas as pd

from ..costs.fp32_twin import EMULATED
from ..energy.traces.series import Series, Trace, free_name
from ..energy.traces.trace import read_trace
from ..errors import EnergytrainError, UsageError
from ..quantities.ledger import PRECISIONS
from .events import read_events
from .find import is_run, runs_in
from .folder import RunFolder
from .result import run_result
from .timeline import build_timeline

PathLike = Union[str, Path]
SAMPLE_COLUMNS = ("run", "attempt", "host", "channel", "quantity", "seconds", "utc", "value")


@dataclass(frozen=True)
class Runs:
    """`runs`: a row a run; `phases`: a row a phase of a run; `epochs`: a row an epoch that counts; `skipped`: a row a
    folder that could not be read, with the reason. The column `run` has a name of its own for each (`folders`)."""

    runs: pd.DataFrame
    phases: pd.DataFrame
    epochs: pd.DataFrame
    skipped: pd.DataFrame
    folders: Mapping[str, Path]

    @cached_property
    def samples(self) -> pd.DataFrame:
        """A row a reading of a sensor, from the traces, read when first asked for: run, attempt, host, channel,
        quantity ("watts", "joules", or a condition's unit), seconds since the attempt's first mark, utc (by the trace's
        own clock anchors), value. A failed reading is NaN, never zero."""
        parts = [part for name, path in self.folders.items() for part in _samples(name, path)]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(SAMPLE_COLUMNS))


def load_runs(paths: Union[PathLike, Iterable[PathLike]]) -> Runs:
    """Tables of the runs in `paths`: run folders, and folders of runs.

    Energies are in joules with `_low` and `_high` (95 %), `net_joules` without idle power, accuracies in percent, times
    in seconds. A missing energy is NaN, never zero, and its provenance says `missing`; where `what_if` is true, joules
    follow from 8-bit unit energies (`costs.what_if`). `flops` adds up all precisions, in which one FLOP is not like
    another; papers count `matrix_flops`, of convolutions and linear layers.

    A folder that cannot be read is left out, with a warning, and stands in `skipped`. Raises `UsageError` for a path
    that holds no run, and the folder's own error where none of them can be read.
    """
    folders: Dict[str, Path] = {}
    runs: List[Dict[str, Any]] = []
    phases: List[Dict[str, Any]] = []
    epochs: List[Dict[str, Any]] = []
    skipped: List[Dict[str, str]] = []
    for path in _expanded([paths] if isinstance(paths, (str, Path)) else list(paths)):
        try:
            result, of_epochs = run_result(path), _epoch_rows(path)
        except EnergytrainError as error:
            skipped.append({"path": str(path), "reason": str(error)})
            failure = error
            continue
        name = free_name(str(result["name"]), folders)
        folders[name] = path
        runs.append({"run": name, **_run_row(result)})
        phases.extend({"run": name, **_cost(row, "")} for row in result["phases"])
        epochs.extend({"run": name, **row} for row in of_epochs)
    if skipped and not runs:
        raise failure
    for one in skipped:
        warnings.warn(f"skipped {one['path']}: {one['reason']}", stacklevel=2)
    return Runs(
        runs=pd.DataFrame(runs),
        phases=pd.DataFrame(phases),
        epochs=pd.DataFrame(epochs),
        skipped=pd.DataFrame(skipped, columns=["path", "reason"]),
        folders=folders,
    )


def _expanded(paths: Iterable[PathLike]) -> List[Path]:
    found: List[Path] = []
    for path in map(Path, paths):
        inside = [path] if is_run(path) else runs_in(path)
        if not inside:
            raise UsageError(f"there is no run in '{path}'.", "Name run folders, or folders of runs.")
        found.extend(inside)
    return list(dict.fromkeys(found))


def _samples(name: str, path: Path) -> List[pd.DataFrame]:
    """The readings of one run, a table a channel of an attempt."""
    parts = []
    for attempt in build_timeline(read_events(RunFolder.open(path).events)).attempts:
        file = path / str(attempt.mark.get("trace"))
        if not attempt.mark.get("trace") or not file.exists():
            continue
        trace = read_trace(file)
        for series in filter(lambda one: len(one.t), trace.series.values()):
            parts.append(_channel(trace, series, attempt.start).assign(run=name)[list(SAMPLE_COLUMNS)])
    return parts


def _channel(trace: Trace, series: Series, start_ns: int) -> pd.DataFrame:
    anchors = trace.anchors[np.argsort(trace.anchors[:, 0], kind="stable")]
    monotonic, real = anchors[:, 0], anchors[:, 2]
    utc = series.t + np.interp(series.t, monotonic, real - monotonic).round().astype(np.int64)
    return pd.DataFrame(
        {
            "attempt": trace.attempt,
            "host": trace.host,
            "channel": series.channel.name,
            "quantity": series.channel.quantity,
            "seconds": (series.t - start_ns) / 1e9,
            "utc": pd.to_datetime(utc, utc=True),
            "value": series.values,
        }
    )


def _run_row(result: Dict[str, Any]) -> Dict[str, Any]:
    spec, after = result["spec"], result["network"]["after"] or {}
    settings = {name: spec[name] for name in ("method", "model", "width", "dataset", "align", "seed")}
    return {
        "status": result["status"],
        **settings,
        "prune_ratio": _prune_ratio(result),
        "device": result["device"]["name"],
        "test_accuracy": result["accuracy"]["test"],
        "test_best": result["accuracy"]["test_best"],
        "draw_epoch": (result["ticket"] or {}).get("draw_epoch"),
        "parameters": after.get("parameters"),
        "macs": after.get("macs"),
        **_cost(result["useful"], "useful_"),
        **_cost(result["spent"], "spent_"),
    }


def _prune_ratio(result: Dict[str, Any]) -> Optional[float]:
    """As asked, or as the run chose it; a dense run has none, whatever its option says."""
    spec, ticket = result["spec"], result["ticket"] or {}
    ratio: Optional[float] = None if spec["method"] == "dense" else ticket.get("prune_ratio", spec["prune_ratio"])
    return ratio


def _cost(row: Dict[str, Any], prefix: str) -> Dict[str, Any]:
    energy = row["energy"]
    values = {
        "seconds": row["seconds"],
        "flops": row["flops"],
        **{f"flops_{name}": row["flops_by_precision"].get(name, 0) for name in PRECISIONS},
        "matrix_flops": row["matrix_flops"],
        "joules": energy["joules"],
        "joules_low": energy["low"],
        "joules_high": energy["high"],
        "net_joules": row["net"]["joules"],
        "provenance": energy["provenance"],
        "scope": energy["scope"],
        "what_if": bool(row["flops_by_precision"].get(EMULATED)),
    }
    if not prefix:
        values = {"phase": row["phase"], "epochs": row["epochs"], **values}
    return {prefix + name: value for name, value in values.items()}


_NOT_A_METRIC = ("images", "steps", "work", "mask", "channels")


def _epoch_rows(path: Path) -> List[Dict[str, Any]]:
    timeline = build_timeline(read_events(RunFolder.open(path).events))
    rows: Dict[Any, Dict[str, Any]] = {}
    for span in timeline.useful():
        if span.epoch is None or span.what not in ("training", "check", "evaluation"):
            continue
        row = rows.setdefault((span.phase, span.epoch), {"phase": span.phase, "epoch": span.epoch})
        measured = {k: v for k, v in span.marks.items() if k not in _NOT_A_METRIC}
        row.update(measured, **({"seconds": span.seconds} if span.what == "training" else {}))
    return list(rows.values())
