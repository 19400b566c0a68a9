"""Retraining techniques (Renda, Frankle & Carbin 2020, Section 2 and Appendix E): what happens after a pruning.

Three settings that do not depend on each other: which weights (final, those before epoch T - t, fresh), which rates
(the last t epochs of the schedule, the last rate), how many epochs t. T is the length of the schedule. With
`--rewind-epoch` the weights are those before another epoch, as in "The sooner the better", Section 3.1, where the
schedule always starts anew (t = T).
"""

import dataclasses
from typing import Callable, Tuple

from ..errors import unknown
from ..runs.spec import RunSpec
from ..training.schedule import Schedule
from .phases import FRESH, Epoch, Phase, Recipe, Rewind, Train, schedule

TECHNIQUES = ("fine-tune", "weight-rewind", "lr-rewind", "low-lr-rewind", "reinit")
REWINDS_WEIGHTS = ("weight-rewind", "low-lr-rewind")


def continued(spec: RunSpec, first: Epoch) -> Train:
    """Training of what a pruning left from epoch `first` of the schedule to its end."""
    return Train("retrain", first, spec.epochs, schedule(spec), l1=_l1(spec))


def retraining(spec: RunSpec, suffix: str = "") -> Recipe:
    """The phases of `spec.retrain`, t = `spec.retrain_epochs` long; `suffix` tells rounds apart in their names."""
    total, length = spec.epochs, spec.retrain_epochs
    assert length is not None
    name, rewind = "retrain" + suffix, "rewind" + suffix
    scheduled = Train(name, total - length, total, schedule(spec), l1=_l1(spec))
    at_last_rate = Train(name, 0, length, Schedule(last_rate(spec), length), l1=_l1(spec))
    if spec.retrain == "fine-tune":
        return (at_last_rate,)
    if spec.retrain == "weight-rewind":
        return (Rewind(rewind_epoch(spec), rewind), scheduled)
    if spec.retrain == "lr-rewind":
        return (scheduled,)
    if spec.retrain == "low-lr-rewind":
        return (Rewind(rewind_epoch(spec), rewind), at_last_rate)
    if spec.retrain == "reinit":
        # The schedule's own milestones; what comes after its end is trained at the last rate.
        whole = dataclasses.replace(schedule(spec), epochs=total + length)
        return (Rewind(FRESH, rewind), Train(name, 0, total + length, whole, l1=_l1(spec)))
    raise unknown("retraining technique", spec.retrain, TECHNIQUES)


def rounds(spec: RunSpec, prune: Callable[[float, str], Phase]) -> Recipe:
    """`spec.rounds` times pruning and retraining; every round prunes the same share of what remains.

    `prune(prune_ratio, name)` makes a round's pruning; its ratio is of what there was at first (Renda et al. 2020,
    Algorithm 1, prune 20 % a round: 1 - 0.8^k after k rounds).
    """
    phases: Tuple[Phase, ...] = ()
    for number in range(1, spec.rounds + 1):
        suffix = f"-{number}" if spec.rounds > 1 else ""
        kept = (1.0 - spec.prune_ratio) ** (number / spec.rounds)
        ratio = spec.prune_ratio if number == spec.rounds else 1.0 - kept
        phases += (prune(ratio, "prune" + suffix), *retraining(spec, suffix))
    return phases


def rewind_epoch(spec: RunSpec) -> int:
    """The epoch of the first training before which the weights were what the retraining starts from."""
    assert spec.retrain_epochs is not None
    return spec.epochs - spec.retrain_epochs if spec.rewind_epoch is None else spec.rewind_epoch


def kept_epochs(spec: RunSpec) -> Tuple[int, ...]:
    """The epochs of the first training whose state the retraining goes back to."""
    return (rewind_epoch(spec),) if spec.retrain in REWINDS_WEIGHTS else ()


def first_training(spec: RunSpec, l1: float = 0.0) -> Train:
    """Dense training up to the pruning: the whole schedule, or as far as `--draw-epoch` says."""
    last = spec.epochs
    if spec.search == "fixed":
        assert spec.draw_epoch is not None
        last = spec.draw_epoch
    return Train("train", 0, last, schedule(spec), l1=l1, keep=kept_epochs(spec))


def last_rate(spec: RunSpec) -> float:
    """The learning rate at the end of the schedule."""
    return schedule(spec).lr_at(spec.epochs - 1, 1.0)


def _l1(spec: RunSpec) -> float:
    return spec.l1 if spec.l1_retrain else 0.0
