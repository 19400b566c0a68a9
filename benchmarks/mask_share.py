"""Drawing the mask and its distance to the last one, as a share of an epoch of VGG16 (the paper states 0.07 %).

A few training steps and one `EarlyBird.update()` (mask and distance, once an epoch) are timed in turn; the epoch is
the step's time multiplied by the steps of CIFAR-10's 50,000 images, without evaluation, which makes the share larger.

    python benchmarks/mask_share.py
    python benchmarks/mask_share.py --width 1 --width 0.25 --batch-size 128 --repeats 7
"""

import statistics
import time
from typing import Dict, List

import torch
from side_by_side import Row, arguments, ratio_row, set_threads, show

from energytrain.models.catalog import build
from energytrain.pruning.early_bird import EarlyBird
from energytrain.training.loop import train_epoch
from energytrain.training.optimiser import make_sgd
from energytrain.training.schedule import Schedule

IMAGES = 50_000
BAR_PERCENT = 0.07


def main() -> None:
    parser = arguments(__doc__, repeats=7)
    parser.add_argument("--width", type=float, action="append", help="repeatable (default: 1 and 0.25)")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=1, help="steps a round (default %(default)s)")
    asked = parser.parse_args()
    set_threads(asked.threads)
    steps_an_epoch = -(-IMAGES // asked.batch_size)
    rows: List[Row] = []
    for width in asked.width or (1.0, 0.25):
        torch.manual_seed(0)
        model = build("vgg16", classes=10, width=width)
        optimiser = make_sgd(model, lr=0.1)
        search = EarlyBird(model, ratio=0.5)
        batch = torch.randn(asked.batch_size, 3, 32, 32), torch.randint(0, 10, (asked.batch_size,))
        seconds: Dict[str, List[float]] = {"train": [], "mask": []}
        for number in range(-1, asked.repeats):
            began = time.perf_counter()
            train_epoch(
                model,
                [batch] * asked.steps,
                optimiser,
                Schedule(0.1, 1),
                0,
                steps=asked.steps,
                channels_last=True,
                after_backward=search.penalise,
            )
            trained = time.perf_counter()
            search.update()
            ended = time.perf_counter()
            if number >= 0:
                seconds["train"].append((trained - began) / asked.steps)
                seconds["mask"].append(ended - trained)
        epoch = [step * steps_an_epoch + mask for step, mask in zip(seconds["train"], seconds["mask"])]
        note = (
            f"mask and distance {1e3 * statistics.median(seconds['mask']):.2f} ms, "
            f"epoch {statistics.median(epoch):.0f} s (from steps of {1e3 * statistics.median(seconds['train']):.0f} ms)"
        )
        share = [100 * mask / whole for mask, whole in zip(seconds["mask"], epoch)]
        rows.append(
            ratio_row(f"share of an epoch, widths x {width:g}", share, BAR_PERCENT, note, at_least=False, unit="%")
        )
    show(f"mask and distance, vgg16, batch {asked.batch_size}", rows, asked.json)


if __name__ == "__main__":
    main()
