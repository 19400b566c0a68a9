"""The methods by name: what each is, in a line, and where its recipe lies."""

import importlib
from dataclasses import dataclass
from typing import Dict, Optional

from ..errors import unknown
from ..runs.spec import RunSpec
from .phases import Recipe


@dataclass(frozen=True)
class MethodInfo:
    """`prunes`: a ticket is drawn or given. `matches`: what `--like RUN` must be given for, "ticket" or "flops"."""

    title: str
    source: str
    module: str
    prunes: bool
    matches: Optional[str] = None


METHODS: Dict[str, MethodInfo] = {
    "dense": MethodInfo("dense training", "the baseline", "dense", False),
    "eb-ff": MethodInfo("Early-Bird Train, full precision", "You et al. 2020, Algorithm 1, Table 2", "eb_ff", True),
    "eb-reinit": MethodInfo("Early-Bird Train, fresh weights", "You et al. 2020, Table 2", "eb_reinit", True),
    "random-ticket": MethodInfo("the ticket's widths, random channels", "control", "random_ticket", True),
    "small-dense": MethodInfo(
        "a uniformly narrower network of the ticket's FLOPs", "control", "small_dense", False, "ticket"
    ),
    "dense-short": MethodInfo("dense, compressed to the FLOPs of EB", "control", "dense_short", False, "flops"),
}


def method_info(name: str) -> MethodInfo:
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]


def recipe_of(spec: RunSpec) -> Recipe:
    """The phases of `spec`'s method, in order."""
    module = importlib.import_module(f".{method_info(spec.method).module}", __package__)
    phases: Recipe = module.recipe(spec)
    return phases
