"""The options of `energytrain run`, in the groups in which people think of them, and `--config FILE`."""

from pathlib import Path
from typing import Any, Callable, List, Optional

import click

Command = Callable[..., Any]

OPTIONS: List[Callable[[Command], Command]] = [
    # what is trained
    click.option("--method", help="How to train (default eb-ff); see 'energytrain methods'."),
    click.option("--model", help="Network, such as vgg16, preresnet101, resnet56, resnet18 (default vgg16)."),
    click.option("--width", type=float, help="Multiplies every layer's width (default 1; digits 0.25)."),
    click.option("--shortcut", type=click.Choice(["A", "projection"]), help="Shortcuts of resnet20/56/110."),
    click.option("--init", metavar="fresh|pretrained|FILE", help="First weights; FILE is a .safetensors file."),
    click.option("--dataset", help="digits (default), cifar10, cifar100 or folder (ImageNet layout)."),
    click.option("--data-dir", metavar="DIR", help="Where the data set lies."),
    click.option("--download", is_flag=True, default=None, help="Fetch the data set into --data-dir if it is missing."),
    click.option("--image-size", type=int, help="Side of the images of a folder data set, in pixels."),
    click.option("--limit", type=int, help="Train on this many images only, the same ones under every seed."),
    click.option("--validation", type=float, help="Share of the training images to set aside (default 0)."),
    click.option("--random-labels", is_flag=True, default=None, help="Labels drawn at random: what can be memorised."),
    click.option("--augment/--no-augment", default=None, help="Crops, mirroring (default on; not with random labels)."),
    # the method's settings
    click.option("--prune-ratio", metavar="P|auto", help="p, the share to prune (default 0.5); auto chooses it."),
    click.option("--accuracy-budget", type=float, help="Points of accuracy that auto may cost (default 2)."),
    click.option("--align", metavar="auto|N", help="Kept widths become multiples of N (default auto: the device's)."),
    click.option("--l1", type=float, help="L1 strength on the BN scales during the search (default 1e-4)."),
    click.option("--l1-retrain", is_flag=True, default=None, help="Keep the L1 term in retraining too."),
    click.option("--eps", type=float, help="Mask distance below which a ticket is stable (default 0.1)."),
    click.option("--queue", type=int, help="How many distances must be below eps (default 5)."),
    click.option("--distance-rule", type=click.Choice(["paper", "released"]), help="The paper's rule or its code's."),
    click.option(
        "--search",
        type=click.Choice(["mask-distance", "ppr", "fixed"]),
        help="When to draw the ticket: its mask stands still, a pruned copy learns as well, or --draw-epoch.",
    ),
    click.option("--ppr-lr", type=float, help="Rate of the one epoch that a pruned copy is trained (default lr / 10)."),
    click.option("--ppr-eps", type=float, help="Gain in accuracy below which it has saturated (default 0.005)."),
    click.option("--search-lr", type=float, help="First learning rate of the search (default that of --lr)."),
    click.option("--search-milestones", metavar="80,120", help="Epochs at which the search's rate drops."),
    click.option("--ticket", metavar="FILE", help="Retrain this ticket (ticket.json or a run that drew one)."),
    click.option("--like", metavar="RUN", help="The run whose cost small-dense and dense-short match."),
    click.option(
        "--retrain",
        type=click.Choice(["own", "fine-tune", "weight-rewind", "lr-rewind", "low-lr-rewind", "reinit"]),
        help="What follows the pruning (default: the method's own).",
    ),
    click.option("--retrain-epochs", type=int, metavar="T", help="How long (default: by method)."),
    click.option("--rewind-epoch", type=int, help="Epoch whose weights to go back to (default: schedule - T)."),
    click.option("--rounds", type=int, help="Prune and retrain this often, the same share each time."),
    click.option("--gradual-epochs", type=int, help="Length of gradual pruning (default a quarter of the schedule)."),
    click.option("--gradual-steps", type=int, help="How often it prunes in that time (default after each epoch)."),
    click.option("--skip-ends/--no-skip-ends", default=None, help="Never mask weights of the first and last layer."),
    click.option("--structured", is_flag=True, default=None, help="snip: whole channels, removed physically."),
    click.option("--filter-rates", metavar="NAME", help="l1-filters: published rates such as A or B by layer."),
    # the training
    click.option("--protocol", help="Preset of a paper: eb (default), sooner or renda."),
    click.option("--epochs", type=int, help="Epochs of the whole schedule (default 160; digits 40)."),
    click.option("--batch-size", type=int, help="Images a step (default 256; digits 64)."),
    click.option("--lr", type=float, help="First learning rate (default 0.1; digits 0.05)."),
    click.option(
        "--milestones", metavar="80,120", help="Epochs at which the rate is divided by ten (default by paper)."
    ),
    click.option("--momentum", type=float, help="Momentum of SGD (default 0.9)."),
    click.option("--weight-decay", type=float, help="Weight decay (default 1e-4)."),
    click.option(
        "--average/--no-average", default=None, help="Average the last eighth of the epochs (default: eb-lf, eb-ll)."
    ),
    click.option("--seed", type=int, help="Seed of weights, data order and augmentation (default 0)."),
    # the device and its meters
    click.option("--device", help="The device the run is for: auto (default), tx2, nvidia-gpu, generic-cpu."),
    click.option("--compute", type=click.Choice(["auto", "cpu", "cuda"]), help="Where this machine trains."),
    click.option("--precision", help="fp32 (default), bf16, fp8 (GPUs that have it), bfp8 (8-bit blocks, emulated)."),
    click.option("--master-weights", is_flag=True, default=None, help="With bfp8: update fp32 weights, round a copy."),
    click.option("--channels-last/--no-channels-last", default=None, help="Memory format (default by device)."),
    click.option("--meter", multiple=True, metavar="NAME[:KEY=VALUE,...]", help="A meter; repeatable; none for none."),
    click.option("--sample-hz", type=float, help="Readings a second and meter, at most (default 10)."),
    click.option(
        "--baseline", type=float, metavar="SECONDS", help="Idle before and after training (default 5; 0: none)."
    ),
    click.option("--measure-epochs", type=int, metavar="K", help="Run K epochs of each phase and extrapolate."),
    click.option(
        "--draw-epoch", type=int, help="Prune after this epoch; with --measure-epochs the one to assume (default 1/8)."
    ),
    click.option(
        "--infer",
        is_flag=True,
        default=None,
        help="After training measure latency, images/s and joules an image; also on a run that is done.",
    ),
    click.option("--budget", metavar="50kJ|2h", help="Stop inside this budget; continue with a larger one."),
    # the run
    click.option("--name", help="Name of the run's folder (default: method, model, data, seed and a hash)."),
    click.option("--runs-dir", metavar="DIR", help="Where runs are stored (default runs)."),
    click.option("--fresh", is_flag=True, default=None, help="Discard what this run has and start again."),
    click.option("--repeat", type=click.IntRange(min=1), default=1, help="Run the same specification N times."),
    click.option("--accept-changes", is_flag=True, default=None, help="Continue under another commit or machine."),
]


def run_options(command: Command) -> Command:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def read_config(ctx: click.Context, parameter: click.Parameter, path: Optional[Path]) -> None:
    """Makes the file's values the defaults of the options; what is typed on the command line wins."""
    if path is None:
        return
    import yaml

    from ..errors import UsageError, unknown

    try:
        values = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"the configuration '{path}' cannot be read: {reason}.") from error
    if not isinstance(values, dict):
        raise UsageError(f"the configuration '{path}' must hold option names and values.", "For example 'epochs: 30'.")
    known = {name.lstrip("-"): p.name for p in ctx.command.params for name in p.opts if name.startswith("--")}
    defaults = {}
    for name, value in values.items():
        key = str(name).replace("_", "-")
        if key not in known or key in ("config", "debug"):
            raise unknown("option in the configuration:", key, [k for k in known if k not in ("config", "debug")])
        defaults[known[key]] = [value] if key == "meter" and isinstance(value, str) else value
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
