"""The precision of a run, and what goes with it: averaged weights, fp32 master weights."""

from typing import Any, Mapping

import torch

from ..errors import UsageError
from ..methods.catalog import method_info
from ..precision.defaults import check_precision, default_precision
from ..precision.fp8 import fp8_unavailable


def run_precision(given: Mapping[str, Any], method: str, compute: str) -> str:
    """The run's precision; a method may have one of its own, or one of its search's."""
    info = method_info(method)
    precision: str = check_precision(given.get("precision", info.precision or default_precision(compute)))
    unavailable = fp8_unavailable(torch.device(compute)) if precision == "fp8" else None
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


def master_weights(values: Mapping[str, Any], method: str, precision: str) -> bool:
    """Whether updates are made on fp32 weights; only where something trains in block floating point."""
    if not values.get("master_weights"):
        return False
    if "bfp8" not in (precision, method_info(method).search_precision):
        raise UsageError(f"--master-weights is for training in bfp8, not in {precision}.", "Give --precision bfp8.")
    return True
