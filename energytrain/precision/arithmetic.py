"""One training epoch or evaluation in a precision, by its name: what the loops enter around their batches."""

import contextlib
from typing import Any, Callable, ContextManager, Iterator, NamedTuple

import torch
from torch import nn

from .autocast import autocast
from .defaults import check_precision
from .fp8 import native_fp8
from .low_precision import LowPrecision


class Arithmetic(NamedTuple):
    """forward: a context for each forward pass; step: the optimiser's step."""

    forward: ContextManager[Any]
    step: Callable[[], object]


@contextlib.contextmanager
def training_in(
    precision: str, model: nn.Module, optimiser: torch.optim.Optimizer, master_weights: bool = False
) -> Iterator[Arithmetic]:
    """Prepares `model` for epochs in `precision` and leaves nothing of it behind.

    master_weights: with bfp8, updates are made on fp32 weights (see `LowPrecision`). Raises UsageError for an unknown
    precision and for one that the model's device has not.
    """
    device = next(model.parameters()).device
    if check_precision(precision) == "bfp8":
        with LowPrecision(model, optimiser, master_weights=master_weights) as low:
            yield Arithmetic(contextlib.nullcontext(), low.step)
    elif precision == "fp8":
        yield Arithmetic(native_fp8(model, device), optimiser.step)
    else:
        yield Arithmetic(autocast(precision, device), optimiser.step)


@contextlib.contextmanager
def evaluating_in(precision: str, model: nn.Module) -> Iterator[ContextManager[Any]]:
    """Prepares `model` for being judged in `precision`, and leaves its weights as they were; yields a context for each
    forward pass."""
    device = next(model.parameters()).device
    if check_precision(precision) == "bfp8":
        with LowPrecision(model, master_weights=True):
            yield contextlib.nullcontext()
    elif precision == "fp8":
        yield native_fp8(model, device)
    else:
        yield autocast(precision, device)
