"""What a p = 50 % ticket really saves: its step's speed-up over the dense network, against its FLOPs ratio.

For each width a VGG16 is trained with L1 on its scales for some hundred steps (on CIFAR-10 from --data-dir, else on
scikit-learn's digits at 32 px), the ticket is drawn, once exact (--align 1) and once aligned to the profile's channel
multiple, and the rebuilt networks are timed beside the dense one in the same loop. `--run RUN` takes a run's ticket
(or a ticket.json of --width) instead; its dropped channels have no scores left, so alignment ranks them equal.

    python benchmarks/ticket_speedup.py --data-dir DIR
    python benchmarks/ticket_speedup.py --width 0.25 --run RUN
"""

import json
import statistics
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import torch
from side_by_side import Row, arguments, race, ratio_row, ratios, set_threads, show
from torch import nn

from energytrain.costs.bill import network_bill
from energytrain.costs.ticket_cost import macs_by_kept
from energytrain.data.catalog import DataBundle, load
from energytrain.devices.profile import load_profile
from energytrain.models.catalog import build
from energytrain.models.units import units_of
from energytrain.pruning.align import align_mask
from energytrain.pruning.early_bird import EarlyBird
from energytrain.pruning.masks import Mask, bn_scores
from energytrain.pruning.rebuild import rebuild
from energytrain.pruning.ticket import Ticket
from energytrain.training.loop import train_epoch
from energytrain.training.optimiser import make_sgd
from energytrain.training.schedule import Schedule

BARS = {1.0: 1.0, 0.25: 0.75}
RATIO = 0.5
Scores = Dict[str, torch.Tensor]


def drawn(model: nn.Module, data: DataBundle, steps: int, batch_size: int, l1: float) -> Tuple[Mask, Scores]:
    """The mask after so many steps of the search, and the scores that it ranks by."""
    search = EarlyBird(model, ratio=RATIO, l1=l1)
    optimiser = make_sgd(model, lr=0.1)
    left, epoch = steps, 0
    while left:
        batches = data.train.batches(epoch, batch_size, train=True, drop_last=True, channels_last=True)
        share = [batch for batch, _ in zip(batches, range(left))]
        train_epoch(
            model,
            share,
            optimiser,
            Schedule(0.1, 1),
            0,
            steps=len(share),
            channels_last=True,
            after_backward=search.penalise,
        )
        left, epoch = left - len(share), epoch + 1
    search.update()
    assert search.mask is not None
    return search.mask, bn_scores(model)


def of_run(path: Path) -> Tuple[Mask, Scores]:
    """A run's ticket; its kept channels score 1 and the dropped ones 0."""
    mask = Ticket.load(path / "ticket.json" if path.is_dir() else path).mask
    return mask, {name: kept.double() for name, kept in mask.items()}


def timed(model: nn.Module, batch: Tuple[torch.Tensor, torch.Tensor], steps: int) -> Callable[[], object]:
    optimiser = make_sgd(model, lr=0.01)
    return lambda: train_epoch(model, [batch] * steps, optimiser, Schedule(0.01, 1), 0, steps=steps, channels_last=True)


def compare(width: float, data: DataBundle, multiple: int, asked: Any) -> List[Row]:
    torch.manual_seed(0)
    info = data.info
    shape = (info.channels, info.size, info.size)
    dense = build("vgg16", classes=info.classes, channels=info.channels, size=info.size, width=width)
    bill = network_bill(dense, shape)
    if asked.run:
        exact, scores = of_run(asked.run)
    else:
        exact, scores = drawn(dense, data, asked.draw_steps, asked.draw_batch_size, asked.l1)
    aligned = align_mask(exact, scores, multiple, macs_by_kept(bill, units_of(dense)))
    networks = {"dense": dense, "aligned": rebuild(dense, aligned), "unaligned": rebuild(dense, exact)}
    images, labels = next(iter(data.train.batches(0, asked.batch_size, train=True, channels_last=True)))
    contestants = {name: timed(model, (images, labels), asked.steps) for name, model in networks.items()}
    seconds = race(contestants, asked.repeats)
    rows: List[Row] = []
    for name in ("aligned", "unaligned"):
        saved = bill.training_flops_per_image / network_bill(networks[name], shape).training_flops_per_image
        speed = ratios(seconds["dense"], seconds[name])
        kept = [unit.channels for unit in units_of(networks[name])]
        step = 1e3 * statistics.median(seconds[name]) / asked.steps
        bar = BARS.get(width) if name == "aligned" else None
        label = f"widths x {width:g}, {name}"
        share = [value / saved for value in speed]
        rows.append(ratio_row(f"{label}: speed-up / FLOPs ratio", share, bar, note=f"FLOPs ratio {saved:.2f}"))
        floor = 1.0 if name == "aligned" else None
        rows.append(ratio_row(f"{label}: speed-up over dense", speed, floor, note=f"{step:.1f} ms, keeps {kept}"))
    step = 1e3 * statistics.median(seconds["dense"]) / asked.steps
    rows.append(Row(f"widths x {width:g}, dense: a step", step, unit="ms"))
    return rows


def main() -> None:
    parser = arguments(__doc__, repeats=9)
    parser.add_argument("--width", type=float, action="append", help="repeatable (default: 1 and 0.25)")
    parser.add_argument("--data-dir", help="the folder of cifar-10-batches-py (default: the digits)")
    parser.add_argument("--run", type=Path, help="take the ticket of this run (or ticket.json)")
    parser.add_argument("--profile", default="generic-cpu", help="whose channel multiple to align to")
    parser.add_argument("--batch-size", type=int, default=128, help="of the timed steps (default %(default)s)")
    parser.add_argument("--steps", type=int, default=2, help="timed steps a round (default %(default)s)")
    parser.add_argument("--draw-steps", type=int, default=300, help="steps before the draw (default %(default)s)")
    parser.add_argument("--draw-batch-size", type=int, default=32)
    parser.add_argument("--l1", type=float, default=1e-4)
    asked = parser.parse_args()
    set_threads(asked.threads)
    data = load("cifar10", data_dir=asked.data_dir) if asked.data_dir else load("digits", image_size=32)
    multiple = load_profile(asked.profile).channel_multiple
    if asked.run and not asked.width:
        spec = json.loads((asked.run / "run.json").read_text())["spec"] if asked.run.is_dir() else {}
        asked.width = [float(spec.get("width", 1.0))]
    rows = [row for width in asked.width or BARS for row in compare(width, data, multiple, asked)]
    source = asked.run.name if asked.run else f"{asked.draw_steps} steps on {data.info.name}"
    title = f"p = {RATIO:.0%} tickets of vgg16 ({source}), aligned to {multiple}, batch {asked.batch_size}"
    show(title, rows, asked.json)


if __name__ == "__main__":
    main()
