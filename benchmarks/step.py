"""A training step of energytrain's loop against a bare PyTorch loop: what tallies, checks and callbacks cost.

Both train the same network object with the same optimiser on the same batches in memory, channels last, in turn; the
bare loop (`bare_loop.py`) counts and checks nothing. Each round is an epoch of --steps steps, its end included.

    python benchmarks/step.py
    python benchmarks/step.py --width 0.25 --batch-size 128 --steps 25 --repeats 12 --precision fp32 --precision bf16
"""

import argparse
import statistics

import torch
from bare_loop import bare_epoch
from side_by_side import Row, arguments, race, ratio_row, ratios, set_threads, show

from energytrain.models.catalog import build
from energytrain.training.loop import train_epoch
from energytrain.training.optimiser import make_sgd
from energytrain.training.schedule import Schedule


def compared(precision: str, asked: argparse.Namespace) -> Row:
    torch.manual_seed(0)
    model = build(asked.model, classes=10, width=asked.width)
    optimiser = make_sgd(model, lr=0.01)
    images = torch.randn(asked.batch_size, 3, 32, 32).to(memory_format=torch.channels_last)
    batches = [(images, torch.randint(0, 10, (asked.batch_size,)))] * asked.steps
    schedule = Schedule(0.01, 1)
    contestants = {
        "energytrain": lambda: train_epoch(
            model, batches, optimiser, schedule, 0, steps=asked.steps, precision=precision, channels_last=True
        ),
        "bare": lambda: bare_epoch(model, batches, optimiser, precision),
    }
    seconds = race(contestants, asked.repeats)
    note = f"bare step {1e3 * statistics.median(seconds['bare']) / asked.steps:.1f} ms"
    speed = ratios(seconds["bare"], seconds["energytrain"])
    return ratio_row(f"speed over the bare loop, {precision}", speed, 0.99, note)


def main() -> None:
    parser = arguments(__doc__, repeats=12)
    parser.add_argument("--model", default="vgg16")
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=25, help="steps of a round (default %(default)s)")
    parser.add_argument("--precision", action="append", choices=("fp32", "bf16"), help="repeatable (default: both)")
    asked = parser.parse_args()
    set_threads(asked.threads)
    rows = [compared(precision, asked) for precision in asked.precision or ("fp32", "bf16")]
    show(f"training step, {asked.model} x {asked.width:g}, batch {asked.batch_size}", rows, asked.json)


if __name__ == "__main__":
    main()
