"""The methods by name: what each is, in a line, where its recipe lies, and what it takes when not told."""

import dataclasses
import importlib
from dataclasses import dataclass
from typing import Dict, Optional, Tuple

from ..errors import unknown
from ..runs.spec import RunSpec
from .phases import Phase, Recipe, Train

_ROUNDS = ("retrain", "rounds", "fixed")
_SEARCH = ("retrain", "mask-distance", "ppr", "fixed")


@dataclass(frozen=True)
class MethodInfo:
    """What a method is, and which settings it has.

    prunes: a ticket is drawn or given, so `--ticket` makes sense. matches: what `--like RUN` must be given for,
    "ticket" or "flops". takes: "retrain" (--retrain and --retrain-epochs), "rounds", and the values of --search; the
    first of these is the default. retrain, retrain_share: the default technique and its length as a share of the
    schedule. rounds: how many by default; 0: as many as come nearest to 20 % a round. weights: single weights are
    masked, so nothing gets smaller. search_precision: of the search, where it is not that of the run; precision: the
    run's, where the method has one of its own. average: weights are averaged unless told otherwise.
    """

    title: str
    source: str
    module: str
    prunes: bool
    matches: Optional[str] = None
    takes: Tuple[str, ...] = ()
    retrain: str = "own"
    retrain_share: float = 1.0
    rounds: int = 1
    weights: bool = False
    search_precision: Optional[str] = None
    precision: Optional[str] = None
    average: bool = False


_LT = "Frankle & Carbin 2019"
_SOONER = "The sooner the better, 2020"

METHODS: Dict[str, MethodInfo] = {
    "dense": MethodInfo("dense training", "the baseline", "dense", False),
    "eb-ff": MethodInfo(
        "Early-Bird Train, full precision", "You et al. 2020, Algorithm 1, Table 2", "eb_ff", True, takes=_SEARCH
    ),
    "eb-lf": MethodInfo(
        "Early-Bird Train, searching in 8 bits",
        "You et al. 2020, Table 2",
        "eb_ff",
        True,
        takes=_SEARCH,
        search_precision="bfp8",
        average=True,
    ),
    "eb-ll": MethodInfo(
        "Early-Bird Train in 8 bits",
        "You et al. 2020, Section 4.3, Table 2",
        "eb_ff",
        True,
        takes=_SEARCH,
        precision="bfp8",
        average=True,
    ),
    "eb-reinit": MethodInfo(
        "Early-Bird Train, fresh weights", "You et al. 2020, Table 2", "eb_reinit", True, takes=_SEARCH[1:]
    ),
    "random-ticket": MethodInfo(
        "the ticket's widths, random channels", "control", "random_ticket", True, takes=_SEARCH
    ),
    "small-dense": MethodInfo(
        "a uniformly narrower network of the ticket's FLOPs", "control", "small_dense", False, "ticket"
    ),
    "dense-short": MethodInfo("dense, compressed to the FLOPs of EB", "control", "dense_short", False, "flops"),
    "lt": MethodInfo(
        "lottery ticket, one shot, back to the start", _LT, "lt", True, None, _ROUNDS, "weight-rewind", weights=True
    ),
    "lt-iterative": MethodInfo(
        "lottery ticket, some 20 % a round", _LT, "lt", True, None, _ROUNDS, "weight-rewind", rounds=0, weights=True
    ),
    "lt-rewind": MethodInfo(
        "lottery ticket, back to an early epoch",
        "Renda et al. 2020, Section 2",
        "lt",
        True,
        None,
        _ROUNDS,
        "weight-rewind",
        0.9,
        weights=True,
    ),
    "snip": MethodInfo("by the saliency of one batch, before training", "Lee et al. 2019", "snip", False, weights=True),
    "ns": MethodInfo("network slimming: L1 on BN scales", "Liu et al. 2017", "ns", False, None, _ROUNDS, "lr-rewind"),
    "thinet": MethodInfo(
        "the channels that the next layer misses least", "Luo et al. 2017", "thinet", False, None, _ROUNDS, "fine-tune"
    ),
    "sfp": MethodInfo("soft filter pruning: zeroed, free to regrow", "He et al. 2018", "sfp", False),
    "l1-filters": MethodInfo(
        "filters of least L1 norm, by layer", "Li et al. 2017", "l1_filters", False, None, _ROUNDS, "fine-tune", 0.25
    ),
    "gradual": MethodInfo(
        "weights pruned along a cubic curve",
        f"{_SOONER}, Section 3.4",
        "gradual",
        False,
        None,
        ("retrain", "fixed"),
        "lr-rewind",
        weights=True,
    ),
    "early-gradual": MethodInfo(
        "gradual, from where the PPR check saturates",
        f"{_SOONER}, Section 4",
        "gradual",
        False,
        None,
        ("retrain", "ppr"),
        "lr-rewind",
        weights=True,
    ),
}


def method_info(name: str) -> MethodInfo:
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]


def recipe_of(spec: RunSpec) -> Recipe:
    """The phases of `spec`'s method, in order, each with its precision."""
    module = importlib.import_module(f".{method_info(spec.method).module}", __package__)
    phases: Recipe = module.recipe(spec)
    last = max(number for number, phase in enumerate(phases) if isinstance(phase, Train))
    return tuple(_trained(spec, phase, number == last) for number, phase in enumerate(phases))


def search_precision(spec: RunSpec) -> str:
    """The precision in which a search trains."""
    return method_info(spec.method).search_precision or spec.precision


# Where averaging begins: epoch 140 of 160 in the code of the Early-Bird paper.
AVERAGED_FROM = 7 / 8


def _trained(spec: RunSpec, phase: Phase, last: bool) -> Phase:
    if not isinstance(phase, Train):
        return phase
    precision = spec.precision if phase.until is None else search_precision(spec)
    start = int(AVERAGED_FROM * phase.schedule.epochs) if spec.average and last else None
    return dataclasses.replace(phase, precision=precision, average_from=start)
