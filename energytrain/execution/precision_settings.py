"""The precision of a run, and what goes with it: averaged weights, fp32 master weights."""

from typing import Any, Mapping

import torch

from ..errors import UsageError
from ..methods.catalog import method_info, recipe_of
from ..methods.phases import Train
from ..precision.defaults import check_precision, default_precision
from ..precision.fp8 import fp8_unavailable
from ..runs.spec import RunSpec


def run_precision(given: Mapping[str, Any], method: str, compute: str) -> str:
    """The run's precision; a method may have one of its own, or one of its search's.

    What is only `planned` may have one that this machine lacks.
    """
    info = method_info(method)
    precision: str = check_precision(given.get("precision", info.precision or default_precision(compute)))
    trains = precision == "fp8" and not given.get("planned")
    unavailable = fp8_unavailable(torch.device(compute)) if trains else None
    if unavailable is not None:
        raise UsageError(unavailable, "Use --precision bf16, or bfp8 for 8 bits emulated.")
    if info.precision not in (None, precision):
        raise UsageError(f"{method} trains in {info.precision}, not in {precision}.", "Use --method eb-ff.")
    if precision == info.search_precision:
        raise UsageError(f"{method} retrains in a higher precision than {precision}.", "Use --method eb-ll.")
    return precision


def averages(values: Mapping[str, Any], method: str) -> bool:
    """Whether the weights of the last epochs are averaged: by method, and never where only some epochs are trained."""
    if not values.get("average", method_info(method).average):
        return False
    partial = values.get("measure_epochs") is not None
    if values.get("average") and (partial or method == "sfp"):
        why = "--measure-epochs never reaches the last epochs" if partial else "sfp removes what is exactly zero"
        raise UsageError(f"the weights cannot be averaged: {why}.", "Leave out --average.")
    return not partial


def check_master_weights(spec: RunSpec) -> None:
    """Master weights are for runs in which something trains in block floating point. Raises UsageError otherwise."""
    trained = {phase.precision for phase in recipe_of(spec) if isinstance(phase, Train)}
    if spec.master_weights and "bfp8" not in trained:
        raise UsageError(
            f"--master-weights is for training in bfp8; this run trains in {' and '.join(sorted(trained))}.",
            "Give --precision bfp8, or leave it out.",
        )
