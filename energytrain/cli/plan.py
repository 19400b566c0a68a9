"""`energytrain plan`: what methods would cost on a device, in seconds and without training."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Tuple

import click

from .options import read_config, run_options
from .report_options import FORMATS, format_asked_for

if TYPE_CHECKING:
    from ..planning.measured import Measured
    from ..planning.proposals import Proposal, Refused
    from ..reports.tables.sheet import Sheet

BEST = 8

# Of `energytrain run`: what a plan has in a form of its own, and what has no part in the work of a training.
_OWN = ("method", "prune_ratio", "ticket", "draw_epoch", "budget")
_NO_PART = (
    "accuracy_budget",
    "init",
    "download",
    "seed",
    "compute",
    "meter",
    "sample_hz",
    "baseline",
    "measure_epochs",
    "infer",
    "name",
    "fresh",
    "repeat",
    "accept_changes",
    "channels_last",
    "eps",
    "distance_rule",
)


class _Several(click.Command):
    """A command whose `--prune-ratio` may have several values behind it."""

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        return super().parse_args(ctx, list(_spread(args)))


def _spread(args: Sequence[str]) -> "List[str]":
    """`--prune-ratio 0.3 0.5` as `--prune-ratio 0.3 --prune-ratio 0.5`."""
    found: List[str] = []
    more = False
    for arg in args:
        if more and found[-1] != "--prune-ratio" and arg[:1].isdigit():
            found.append("--prune-ratio")
        elif arg.startswith("-"):
            more = arg == "--prune-ratio"
        found.append(arg)
    return found


def _work_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `energytrain run` that change the work."""

    def nothing() -> None:
        pass

    options = run_options(nothing).__click_params__  # type: ignore[attr-defined]
    kept = [option for option in options if option.name not in (*_OWN, *_NO_PART)]
    params: List[click.Parameter] = getattr(command, "__click_params__", [])
    command.__click_params__ = [*kept, *params]  # type: ignore[attr-defined]
    return command


@click.command(cls=_Several)
@click.option(
    "--methods", "--method", "methods", multiple=True, metavar="all|NAME,...", help="Default: dense,eb-ff. Repeatable."
)
@click.option("--prune-ratio", multiple=True, metavar="P...", help="One or several (default 0.5).")
@click.option("--draw-epoch", type=click.IntRange(min=1), help="When a search is assumed to end (default 1/8).")
@click.option("--ticket", type=click.Path(path_type=Path), help="Plan this ticket: its kept channels, its draw epoch.")
@click.option("--phases", is_flag=True, help="Also a row a phase.")
@click.option(
    "--grid-intensity", type=click.FloatRange(min=0), metavar="GRAMS_PER_KWH", help="Also CO2e, at so much for a kWh."
)
@click.option(
    "--accuracy-from",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="RUNS",
    help="Add what finished runs measured of the same network, data, method and p.",
)
@click.option("--budget", metavar="50kJ", help="Propose what fits into so much energy (J, kJ, MJ, Wh, kWh).")
@_work_options
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=read_config,
    help="YAML file of options; the command line wins.",
)
@click.option("--format", "format_", type=click.Choice(FORMATS), help="How the tables are written. Default: terminal.")
@click.option("--output", type=click.Path(path_type=Path), help="Write them to a file; its name tells the format.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(
    methods: Tuple[str, ...],
    prune_ratio: Tuple[str, ...],
    draw_epoch: Optional[int],
    ticket: Optional[Path],
    phases: bool,
    grid_intensity: Optional[float],
    accuracy_from: Tuple[Path, ...],
    budget: Optional[str],
    format_: Optional[str],
    output: Optional[Path],
    as_json: bool,
    debug: bool,
    **options: Any,
) -> Optional[int]:
    """What methods would cost on a device: FLOPs, seconds and joules, without training and without the data.

    \b
    energytrain plan --model vgg16 --dataset cifar10 --device tx2 --methods all --prune-ratio 0.3 0.5 0.7
    energytrain plan --model resnet50 --dataset imagenet --device tx2 --budget 20MJ
    """
    import torch

    from ..costs.memory import remembering
    from ..execution.resolve import parse_budget
    from ..planning.account import planned_result
    from ..planning.measured import measured_accuracy, read_results
    from ..planning.planner import Planner, methods_named, with_profile
    from ..reports.tables.plan_form import PlanOptions, phases_sheet, plan_sheet
    from ..runs.find import find_runs
    from ..runs.result import profile_of
    from .console import say_skipped
    from .sheets import show_sheets

    written_as = format_asked_for("plan", format_, output, as_json, False)
    joules = _joules(parse_budget(budget))
    runs_dir = Path(options.get("runs_dir") or "runs")
    found, skipped = read_results(find_runs(accuracy_from, runs_dir)) if accuracy_from else ([], [])
    torch.set_num_threads(1)  # networks are traced with one image, for which threads only wait for each other
    options, of_card = with_profile(options)
    with remembering():
        planner = Planner(options, _found(draw_epoch, ticket))
        plans, left = planner.all(methods_named(methods), _ratios(prune_ratio, ticket))
        profile = of_card or profile_of(plans[0].spec.device)
        results = [planned_result(plan, profile, planner.networks) for plan in plans]
        accuracies: Dict[int, Measured] = {}
        for place, plan in enumerate(plans):
            measured = measured_accuracy(plan.spec, plan.ratio, found)
            if measured is not None:
                accuracies[place] = measured
        shown = PlanOptions(
            grid_intensity,
            {place: one.to_json() for place, one in accuracies.items()} if accuracy_from else None,
            [(one.method, one.why) for one in left],
        )
        sheets = [plan_sheet(results, shown)]
        if phases:
            sheets.append(phases_sheet(results))
        if joules is not None:
            from ..planning.account import planned_rows, useful_row
            from ..planning.proposals import proposals

            ranked, refused = proposals(
                plans, planner, lambda one: useful_row(planned_rows(one, profile)).modelled, joules, accuracies
            )
            sheets += _budget(joules, ranked, refused)
    show_sheets(sheets, written_as or "terminal", output)
    say_skipped(skipped)
    return 5 if skipped else None


def _budget(joules: float, ranked: "Sequence[Proposal]", refused: "Sequence[Refused]") -> "List[Sheet]":
    from ..planning.proposals import RULE
    from ..reports.tables.budget_form import budget_sheets

    def of(one: Any) -> Dict[str, Any]:
        emulated = "bfp8" in one.plan.ledger.by_precision()
        return {
            "method": one.plan.spec.method,
            "prune_ratio": one.plan.ratio,
            "energy": one.energy.to_json(),
            "what_if": emulated,
            "verdict": one.verdict,
        }

    best = [
        {
            **of(one),
            "epochs": one.epochs,
            "whole_epochs": one.whole,
            "accuracy": None if one.accuracy is None else one.accuracy.to_json(),
        }
        for one in ranked[:BEST]
    ]
    return budget_sheets(joules, best, [{**of(one), "why": one.why} for one in refused], len(ranked) - len(best), RULE)


def _found(draw_epoch: Optional[int], ticket: Optional[Path]) -> Any:
    from ..errors import UsageError
    from ..planning.estimate import Found
    from ..pruning.ticket import Ticket

    if ticket is None:
        return Found(draw_epoch)
    file = ticket / "ticket.json" if ticket.is_dir() else ticket
    if not file.is_file():
        raise UsageError(f"there is no ticket file '{file}'.", "Name a ticket.json, or a run that drew one.")
    return Found(draw_epoch, Ticket.load(file))


def _ratios(texts: Sequence[str], ticket: Optional[Path]) -> List[float]:
    from ..errors import UsageError

    if texts and ticket is not None:
        raise UsageError("a ticket has a prune ratio of its own.", "Leave out --prune-ratio, or --ticket.")
    found: List[float] = []
    for word in (word for text in texts for word in text.split(",") if word.strip()):
        try:
            found.append(float(word))
        except ValueError as error:
            raise UsageError(f"--prune-ratio must be numbers; one is '{word}'.", "For example 0.3 0.5 0.7.") from error
        if not 0 < found[-1] < 1:
            raise UsageError(f"--prune-ratio must lie between 0 and 1, both excluded; one is {word}.")
    return list(dict.fromkeys(found))


def _joules(budget: Any) -> Optional[float]:
    from ..errors import UsageError

    if budget.seconds is not None:
        raise UsageError("a plan's budget is an energy.", "Write it such as 50kJ or 1kWh.")
    joules: Optional[float] = budget.joules
    return joules
