"""Run folders as pandas tables: one row a run, a phase or an epoch, with units in the column names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Union

import pandas as pd

from ..costs.fp32_twin import EMULATED
from ..quantities.ledger import PRECISIONS
from .events import read_events
from .folder import RunFolder
from .result import run_result
from .timeline import build_timeline

PathLike = Union[str, Path]


@dataclass(frozen=True)
class Runs:
    """`runs`: a row a run; `phases`: a row a phase of a run; `epochs`: a row an epoch that counts."""

    runs: pd.DataFrame
    phases: pd.DataFrame
    epochs: pd.DataFrame


def load_runs(paths: Union[PathLike, Iterable[PathLike]]) -> Runs:
    """Tables of the runs in `paths` (run folders).

    Energies are in joules with `_low` and `_high` (95 %), `net_joules` without idle power, accuracies in percent, times
    in seconds. A missing energy is NaN, never zero, and its provenance says `missing`; where `what_if` is true, joules
    follow from 8-bit unit energies (`costs.what_if`). `flops` adds up all precisions, in which one FLOP is not like
    another; papers count `matrix_flops`, of convolutions and linear layers. Raises `UsageError` for a folder that is no
    run.
    """
    folders = [paths] if isinstance(paths, (str, Path)) else list(paths)
    runs: List[Dict[str, Any]] = []
    phases: List[Dict[str, Any]] = []
    epochs: List[Dict[str, Any]] = []
    for path in map(Path, folders):
        result = run_result(path)
        runs.append(_run_row(result))
        phases.extend({"run": result["name"], **_cost(row, "")} for row in result["phases"])
        epochs.extend({"run": result["name"], **row} for row in _epoch_rows(path))
    return Runs(pd.DataFrame(runs), pd.DataFrame(phases), pd.DataFrame(epochs))


def _run_row(result: Dict[str, Any]) -> Dict[str, Any]:
    spec, after = result["spec"], result["network"]["after"] or {}
    settings = {name: spec[name] for name in ("method", "model", "width", "dataset", "prune_ratio", "align", "seed")}
    return {
        "run": result["name"],
        "status": result["status"],
        **settings,
        "prune_ratio": (result["ticket"] or {}).get("prune_ratio", spec["prune_ratio"]),
        "device": result["device"]["name"],
        "test_accuracy": result["accuracy"]["test"],
        "test_best": result["accuracy"]["test_best"],
        "draw_epoch": (result["ticket"] or {}).get("draw_epoch"),
        "parameters": after.get("parameters"),
        "macs": after.get("macs"),
        **_cost(result["useful"], "useful_"),
        **_cost(result["spent"], "spent_"),
    }


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
