"""`energytrain methods`: the methods, a line each; with a name, the phases of one at its default settings on digits."""

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

import click

if TYPE_CHECKING:
    from ..methods.catalog import MethodInfo
    from ..methods.phases import MaskWeights, Phase, Prune, Rewind, Train
    from ..runs.spec import RunSpec

_NETWORK = {
    "dense": "nothing is pruned",
    "narrower": "the network is narrower from the start",
    "smaller": "channels are removed: the network gets smaller, and so does what it costs",
    "masked": "single weights are held at zero: the network keeps its size and its cost",
}
_CHOICES = {
    "drawn": "keep the channels that the search drew, {ranked}",
    "random": "keep as many channels a layer as the search drew, {ranked}, but others, at random",
    "given": "keep the channels of the given ticket",
    "bn-scale": "keep the channels of the largest BN scales of the whole network, {ranked}",
    "thinet": "drop, in each layer, the {p} of the channels that the next layer misses least; rescale the others",
    "l1-filters": "drop, in each layer, the {p} of the filters with the least L1 norms",
    "l2-filters": "drop, in each layer, the {p} of the filters with the least L2 norms",
    "snip": "keep the channels of the largest saliency on one batch, {ranked}",
}
_PRECISIONS = {"bf16": "bf16", "bfp8": "8-bit block floating point, emulated", "fp8": "FP8"}


@click.command(help="The training methods and where they come from; with NAME, the phases of one.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(name: Optional[str], as_json: bool, debug: bool) -> None:
    from ..methods.catalog import METHODS, method_info

    if name is not None:
        _show_one(name, method_info(name), as_json)
        return
    if as_json:
        click.echo(json.dumps([_facts(name, info) for name, info in METHODS.items()], indent=1))
        return
    from rich import box
    from rich.table import Table

    from .console import console

    table = Table(pad_edge=False, box=box.SIMPLE_HEAD)
    for column in ("method", "what it is", "network", "retraining", "source"):
        table.add_column(column, no_wrap=column in ("method", "network"))
    for name, info in METHODS.items():
        title = info.title + (" (needs --like RUN)" if info.matches else "")
        table.add_row(name, title, network_of(info), retraining_of(info), info.source)
    target = console()
    target.print(table)
    target.print(
        "network: 'smaller' loses channels and costs less, 'masked' keeps its size and its cost. retraining: what "
        "follows a pruning by default; T is the length of the schedule. 'energytrain methods NAME' shows the phases of "
        "a method.",
        markup=False,
    )


def network_of(info: "MethodInfo") -> str:
    """What a method makes of the network at its default settings: a key of `_NETWORK`."""
    if info.module in ("dense", "dense_short"):
        return "dense"
    if info.module == "small_dense":
        return "narrower"
    return "masked" if info.weights else "smaller"


def retraining_of(info: "MethodInfo") -> str:
    """What follows a method's pruning by default, and for how long; "none" where nothing does."""
    if info.module == "eb_reinit":
        return "fresh weights, T"
    if "retrain" not in info.takes:
        return "none"
    if info.retrain == "own":
        return "the rest of the schedule"
    length = "T" if info.retrain_share == 1 else f"{info.retrain_share:g} T"
    return f"{info.retrain}, {length}" + ("" if info.rounds else " a round")


def _facts(name: str, info: "MethodInfo") -> Dict[str, Any]:
    return {
        "name": name,
        "title": info.title,
        "source": info.source,
        "prunes": info.prunes,
        "needs_like": info.matches is not None,
        "network": network_of(info),
        "retraining": retraining_of(info),
    }


def _show_one(name: str, info: "MethodInfo", as_json: bool) -> None:
    from ..execution.resolve import resolve
    from ..methods.catalog import recipe_of

    # What needs another run to be matched with is described by itself, unmatched.
    method = "dense" if info.matches else name
    spec, _ = resolve({"method": method, "dataset": "digits", "device": "generic-cpu", "compute": "cpu"})
    spec = dataclasses.replace(spec, method=name)
    phases = described(spec, recipe_of(spec))
    if as_json:
        rows = [{"phase": phase, "what": what} for phase, what in phases]
        click.echo(json.dumps({**_facts(name, info), "dataset": "digits", "phases": rows}, indent=1))
        return
    from rich.table import Table

    from .console import console

    table = Table(pad_edge=False, box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(max_width=100)
    for phase, what in phases:
        table.add_row(phase, what)
    target = console()
    milestones = " and ".join(str(epoch) for epoch in spec.milestones)
    for line in (
        f"{name}: {info.title} ({info.source})",
        _NETWORK[network_of(info)],
        f"by default on digits: a schedule of {spec.epochs} epochs, rate {spec.lr:g}, "
        f"x {spec.gamma:g} after {milestones} epochs",
        "",
    ):
        target.print(line, markup=False)
    target.print(table)
    if info.matches is not None:
        target.print(f"\nneeds --like RUN, whose {_MATCHED[info.matches]}", markup=False)
    options = options_of(name, info)
    if options:
        target.print(f"\noptions of its own: {', '.join(options)}", markup=False)


_MATCHED = {"ticket": "ticket's FLOPs set its width", "flops": "FLOPs set its length"}


def options_of(name: str, info: "MethodInfo") -> List[str]:
    """The options of `energytrain run` that this method has and not every one."""
    searches = [taken for taken in info.takes if taken not in ("retrain", "rounds")]
    options = [f"--search {'|'.join(searches)}"] if len(searches) > 1 else []
    options += ["--draw-epoch"] * ("fixed" in searches)
    options += ["--ppr-lr", "--ppr-eps"] * ("ppr" in searches)
    options += ["--prune-ratio auto", "--accuracy-budget"] * ("mask-distance" in searches and name != "random-ticket")
    options += ["--retrain", "--retrain-epochs", "--rewind-epoch"] * ("retrain" in info.takes)
    options += ["--rounds"] * ("rounds" in info.takes)
    options += ["--gradual-epochs", "--gradual-steps"] * (info.module == "gradual")
    options += ["--skip-ends"] * (info.weights and name != "snip")
    options += ["--structured", "--retrain reinit"] * (name == "snip")
    options += ["--filter-rates"] * (name == "l1-filters")
    options += ["--average", "--master-weights"] * info.average
    options += ["--ticket"] * info.prunes
    return options


def described(spec: "RunSpec", recipe: "Tuple[Phase, ...]") -> List[Tuple[str, str]]:
    """Each phase's name and what it does, in words; epochs are counted from 1."""
    from ..methods.phases import MaskWeights, Prune, Train

    rows, network = [], "narrower" if spec.method == "small-dense" else "dense"
    for phase in recipe:
        if isinstance(phase, Train):
            what = _training(phase, spec, network)
            network = "masked" if phase.gradual is not None else network
        elif isinstance(phase, Prune):
            what, network = _pruning(phase, spec), "smaller"
        elif isinstance(phase, MaskWeights):
            what, network = _masking(phase), "masked"
        else:
            what = _rewinding(phase)
        rows.append((phase.name, what))
    return rows


def _training(phase: "Train", spec: "RunSpec", network: str) -> str:
    from ..methods.phases import MaskDistance, PseudoPrune

    parts = [f"{_epochs(phase)} of the schedule, {network} network"]
    if phase.schedule.milestones == ():
        parts = [f"{phase.last - int(str(phase.first))} epochs at rate {phase.schedule.lr:g}, {network} network"]
    if phase.precision != "fp32":
        parts.append(f"in {_PRECISIONS[phase.precision]}")
    if phase.l1 > 0:
        parts.append(f"with L1 of {phase.l1:g} on the BN scales")
    rule = phase.until
    if isinstance(rule, MaskDistance):
        parts.append(
            f"until the last {rule.queue} distances between consecutive epochs' masks (p = {rule.prune_ratio:g}) are "
            f"below {rule.eps:g}"
        )
    elif isinstance(rule, PseudoPrune):
        parts.append(
            f"after each of which a copy is pruned (p = {rule.prune_ratio:g}), trained for an epoch at rate "
            f"{rule.lr:g} and judged on {_share(spec.validation)} of the training images, which are set aside; until "
            f"{rule.queue} checks in a row gain no more than {100 * rule.eps:g} points over the best before them"
        )
    if phase.soft is not None:
        weakest = f"the {_share(phase.soft)} of each layer's filters with the least L2 norms"
        parts.append(f"after each of which {weakest} are set to zero; they may grow back")
    if phase.gradual is not None:
        parts.append(
            f"the weights of least magnitude masked in {phase.gradual.steps} steps along a cubic curve up to "
            f"{_share(phase.gradual.prune_ratio)}"
        )
    if phase.average_from is not None:
        parts.append(f"its weights the mean of those after epochs {phase.average_from + 1} to {phase.last}")
    if phase.keep:
        kept = ["the start" if epoch == 0 else f"the state after epoch {epoch}" for epoch in phase.keep]
        parts.append(f"keeping {' and '.join(kept)} for later")
    return ", ".join(parts)


def _epochs(phase: "Train") -> str:
    if phase.until is not None:
        return f"epochs 1 to at most {phase.last}"
    if not isinstance(phase.first, int):
        length = "what is left" if phase.length is None else f"{phase.length} epochs"
        return f"from the end of the search on, {length}"
    last = phase.last if phase.length is None else phase.first + phase.length
    return f"epochs {phase.first + 1} to {last}"


def _pruning(phase: "Prune", spec: "RunSpec") -> str:
    ratio = spec.prune_ratio if phase.prune_ratio is None else phase.prune_ratio
    ranked = f"p = {ratio:g}" + (", widths made multiples of what the device runs well" if spec.align > 1 else "")
    chosen = _CHOICES[phase.choose].format(p=_share(ratio), ranked=ranked)
    start = "fresh weights" if phase.weights == "fresh" else "weights and momentum stay"
    return f"{chosen}; the smaller network takes the dense one's place, {start}"


def _masking(phase: "MaskWeights") -> str:
    by = {
        "magnitude": "the {p} of the convolutions' weights with the least magnitudes",
        "snip": "the {p} of the weights with the least saliency on one batch",
        "given": "what the given ticket leaves out",
    }[phase.criterion]
    return f"set {by.format(p=_share(phase.prune_ratio))} to zero, and hold them there"


def _rewinding(phase: "Rewind") -> str:
    if phase.to == "fresh":
        return "fresh weights; what is pruned stays pruned"
    back = "to the start" if phase.to == 0 else f"to what they were after epoch {phase.to}"
    return f"weights and momentum go back {back}; what is pruned stays pruned"


def _share(ratio: float) -> str:
    return f"{100 * ratio:.3g} %"
