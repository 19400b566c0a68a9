"""What a training would cost on a paper's bill: the Early-Bird paper's for all, or that of each method's own paper.

A bill is an accounting convention over a finished run or a plan, no account of work: that is the ledger ("as-run").
Both conventions take images x 3 x FLOPs of the dense network times its epochs, and the same of the pruned network
(`paper_bill.training_flops`), with the network's FLOPs not rounded; they differ in which epochs count, and on which
network. Neither counts choosing, masks, penalties or evaluation.
"""

from dataclasses import dataclass
from typing import Callable, Dict, NamedTuple, Optional, Union

from ..errors import unknown
from .paper_bill import training_flops

BILLS = ("as-run", "eb-paper", "own-paper")


@dataclass(frozen=True)
class Billed:
    """`flops` of a whole training on a bill, or None; `rule` says what was billed, or why nothing can be."""

    flops: Optional[int]
    rule: str


class Lengths(NamedTuple):
    """Epochs of a training. `retrain` is one round's; `draw` those before the structure stood, None where all are."""

    epochs: int
    retrain: Optional[int]
    rounds: int
    draw: Optional[int]


class Epochs(NamedTuple):
    """Epochs billed on the dense and on the pruned network."""

    dense: int
    pruned: int


Rule = Callable[[Lengths], Union[Epochs, str]]


def billed_flops(
    method: str,
    bill: str,
    *,
    images: int,
    epochs: int,
    dense_macs: int,
    pruned_macs: Optional[int] = None,
    retrain_epochs: Optional[int] = None,
    rounds: int = 1,
    draw_epoch: Optional[int] = None,
) -> Billed:
    """The FLOPs of a training by `method` on the bill "eb-paper" or "own-paper".

    images: training images an epoch. epochs: of the first training's schedule. retrain_epochs: of each round's
    retraining, as trained. draw_epoch: epochs trained before the structure stood, where that is not the whole schedule
    (the ticket's draw; the end of gradual pruning's window). dense_macs, pruned_macs: multiply-adds of one forward
    pass. Where a number that the bill needs is None, so are the FLOPs. Raises UsageError for a bill or method that is
    not known, ValueError for "as-run".
    """
    if bill not in BILLS:
        raise unknown("bill", bill, BILLS)
    if bill == "as-run":
        raise ValueError("as run, a training costs what its ledger says")
    rules = _EB_PAPER if bill == "eb-paper" else _OWN_PAPER
    if method not in rules:
        raise unknown("method", method, rules)
    try:
        billed = rules[method](Lengths(epochs, retrain_epochs, rounds, draw_epoch))
        if isinstance(billed, str):
            return Billed(None, billed)
        pruned = _known(pruned_macs, "what the pruned network costs") if billed.pruned else 0
    except _NotKnown as missing:
        return Billed(None, f"{missing} is not known")
    flops = training_flops(images, 2 * dense_macs, billed.dense, 2 * pruned, billed.pruned)
    return Billed(flops, _in_words(billed))


class _NotKnown(Exception):
    """A number that a rule needs was not given."""


def _in_words(billed: Epochs) -> str:
    parts = [
        f"{n} {'epoch' if n == 1 else 'epochs'} {of}"
        for n, of in ((billed.dense, "dense"), (billed.pruned, "pruned"))
        if n
    ]
    return " + ".join(parts)


def _known(value: Optional[int], what: str) -> int:
    if value is None:
        raise _NotKnown(what)
    return value


def _retrain(run: Lengths) -> int:
    return _known(run.retrain, "how long it was retrained")


def _once(run: Lengths) -> Epochs:
    """One training at the dense network's cost.

    SNIP (Lee et al. 2019): pruned once at initialisation, "then trained in the standard way"; the batch that gives the
    saliency is on neither bill. SFP by its own paper (He et al. 2018): trained from scratch, and its author says that
    it is inference, not training, that gets faster (issue 12 of soft-filter-pruning).
    """
    return Epochs(run.epochs, 0)


def _every_round(run: Lengths) -> Epochs:
    """Masked networks at full cost: no credit for zeros.

    Table 2 of You et al. bills 160 + 160 epochs; in Frankle & Carbin 2019 every round is a whole training; Renda et al.
    2020, Section 2.5, count retraining epochs and no speed-up of pruned networks.
    """
    return Epochs(run.epochs + run.rounds * _retrain(run), 0)


def _dense_then_pruned(run: Lengths) -> Union[Epochs, str]:
    """Training the dense network, then the pruned one.

    Tables 2 and 3 of You et al. for NS and ThiNet. NS by its own paper (Liu et al. 2017: sparsity training, then
    fine-tuning; from its released code, the paper's own words were not seen), L1 filters by theirs (Li et al. 2017: a
    trained network, then retraining of the smaller one; 40 epochs after CIFAR's 164, as reimplementations have it).
    """
    if run.rounds > 1:
        return "it prunes once there, and the networks between several rounds are not known"
    return Epochs(run.epochs, _retrain(run))


def _soft(run: Lengths) -> Epochs:
    """SFP in Table 3 of You et al.: 90 epochs dense, 90 pruned (58.2 % of ResNet18), as if it were retrained."""
    return Epochs(run.epochs, run.epochs)


def _early_bird(run: Lengths) -> Epochs:
    """EB FF in Table 2 of You et al.: the search dense, what the schedule leaves pruned; or what was retrained."""
    draw = _known(run.draw, "the draw epoch")
    return Epochs(draw, run.epochs - draw if run.retrain is None else run.retrain)


def _early_bird_afresh(run: Lengths) -> Epochs:
    """EB re-init in Table 2 of You et al.: the search dense, the whole schedule pruned; or what was retrained."""
    return Epochs(_known(run.draw, "the draw epoch"), run.epochs if run.retrain is None else run.retrain)


def _one_shot(run: Lengths) -> Union[Epochs, str]:
    """The lottery ticket of Table 2 of You et al."""
    return _every_round(run) if run.rounds == 1 else "that paper's lottery ticket is pruned in one shot"


def _tuned_only(run: Lengths) -> Union[Epochs, str]:
    """ThiNet by its own paper (Luo et al. 2017): its FLOPs are those of the pruned network beside 7.72 G of the dense.

    It starts from a trained network, so only fine-tuning is left to bill. That reading is of its tables; what it says
    of the number of epochs was not seen.
    """
    if run.rounds > 1:
        return "it prunes once there, and the networks between several rounds are not known"
    return Epochs(0, _retrain(run))


def _window_and_whole(run: Lengths) -> Epochs:
    """Table 4 of "The sooner the better": epochs up to the window's end + regular retraining epochs, such as 150 + 200.

    Zeros earn no credit, and the check that finds the window's start is not counted.
    """
    return Epochs(_known(run.draw, "when the window ends") + _retrain(run), 0)


def _none(reason: str) -> Rule:
    return lambda _: reason


_NOT_THERE = _none("the Early-Bird paper has no such rival")
_CONTROL = _none("it is a control and in no paper")

# The controls are no paper's, but networks and epochs can be billed as that paper bills them.
_EB_PAPER: Dict[str, Rule] = {
    "dense": _once,
    "small-dense": _once,
    "dense-short": _once,
    "eb-ff": _early_bird,
    "eb-lf": _early_bird,
    "eb-ll": _early_bird,
    "eb-reinit": _early_bird_afresh,
    "random-ticket": _early_bird,
    "lt": _one_shot,
    "lt-iterative": _NOT_THERE,
    "lt-rewind": _NOT_THERE,
    "snip": _once,
    "ns": _dense_then_pruned,
    "thinet": _dense_then_pruned,
    "sfp": _soft,
    "l1-filters": _NOT_THERE,
    "gradual": _NOT_THERE,
    "early-gradual": _NOT_THERE,
}
_OWN_PAPER: Dict[str, Rule] = {
    "dense": _once,
    "small-dense": _CONTROL,
    "dense-short": _CONTROL,
    "eb-ff": _early_bird,
    "eb-lf": _early_bird,
    "eb-ll": _early_bird,
    "eb-reinit": _early_bird_afresh,
    "random-ticket": _CONTROL,
    "lt": _every_round,
    "lt-iterative": _every_round,
    "lt-rewind": _every_round,
    "snip": _once,
    "ns": _dense_then_pruned,
    "thinet": _tuned_only,
    "sfp": _once,
    "l1-filters": _dense_then_pruned,
    "gradual": _window_and_whole,
    "early-gradual": _window_and_whole,
}
