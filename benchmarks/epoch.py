"""A training epoch over 32 px images against a DataLoader loop with torchvision's transforms.

Ours: the data as one tensor, augmented in batches, energytrain's loop. Theirs: each image through PIL, RandomCrop(32,
padding 4), RandomHorizontalFlip, ToTensor, Normalize in a DataLoader with 0, 1 or 2 workers that persist (started
before the clock), then a bare PyTorch loop. The same network, channels last, SGD and batch size; the number of
workers that is fastest is the one compared with. Real CIFAR-10 from --data-dir (it holds cifar-10-batches-py), else
noise in images of that size, which costs the same.

    python benchmarks/epoch.py --data-dir DIR
    python benchmarks/epoch.py --images 6000 --repeats 5 --width 0.25 --width 0.125
"""

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

import torch
from bare_loop import bare_epoch, bare_sgd
from side_by_side import Row, arguments, race, ratio_row, ratios, set_threads, show

from energytrain.data.cifar import read_cifar
from energytrain.data.tensors import ImageArrays, TensorPart, tensor_parts
from energytrain.models.catalog import build
from energytrain.torchvision_bridge import load_torchvision
from energytrain.training.loop import train_epoch
from energytrain.training.optimiser import make_sgd
from energytrain.training.schedule import Schedule

load_torchvision()
from PIL import Image  # noqa: E402
from torchvision import transforms  # noqa: E402

BARS = {0.25: 1.2, 0.125: 1.6}
WORKERS = (0, 1, 2)


class PilImages(torch.utils.data.Dataset):
    """What torchvision.datasets.CIFAR10 does with an image, over arrays (N, 32, 32, 3) uint8 in memory."""

    def __init__(self, arrays: ImageArrays) -> None:
        self.data = arrays.train_images.numpy()
        self.targets: List[int] = arrays.train_labels.tolist()
        deviation = [1 / (255 * scale) for scale in arrays.scale]
        mean = [-shift * d for shift, d in zip(arrays.shift, deviation)]
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=arrays.pad),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(mean, deviation),
            ]
        )

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.data[index])), self.targets[index]


def images_of(data_dir: Optional[str], count: int) -> ImageArrays:
    """The first `count` training images."""
    if data_dir is not None:
        arrays = read_cifar("cifar10", Path(data_dir))
        return replace(arrays, train_images=arrays.train_images[:count], train_labels=arrays.train_labels[:count])
    noise = torch.randint(0, 256, (count, 32, 32, 3), dtype=torch.uint8)
    labels = torch.randint(0, 10, (count,))
    return ImageArrays(noise, labels, noise[:10], labels[:10], (1 / 51.0,) * 3, (-2.5,) * 3, pad=4, flip=True)


def ours(width: float, part: TensorPart, batch_size: int) -> Callable[[], object]:
    model = build("vgg16", classes=10, width=width)
    optimiser = make_sgd(model, lr=0.01)
    steps = part.steps(batch_size, drop_last=True)

    def epoch() -> None:
        batches = part.batches(0, batch_size, train=True, drop_last=True, channels_last=True)
        train_epoch(model, batches, optimiser, Schedule(0.01, 1), 0, steps=steps, channels_last=True)

    return epoch


def theirs(width: float, images: PilImages, batch_size: int, workers: int) -> Callable[[], object]:
    model = build("vgg16", classes=10, width=width).to(memory_format=torch.channels_last)
    optimiser = bare_sgd(model)
    loader = torch.utils.data.DataLoader(
        images, batch_size, shuffle=True, num_workers=workers, drop_last=True, persistent_workers=workers > 0
    )
    return lambda: bare_epoch(model, loader, optimiser)


def main() -> None:
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--data-dir", help="the folder of cifar-10-batches-py (default: noise)")
    parser.add_argument("--images", type=int, default=6000, help="training images of an epoch (default %(default)s)")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--width", type=float, action="append", help="repeatable (default: 0.25 and 0.125)")
    asked = parser.parse_args()
    set_threads(asked.threads)
    torch.manual_seed(0)
    arrays = images_of(asked.data_dir, asked.images)
    part, _, _ = tensor_parts(arrays, None, 0.0, 0, "cpu")
    rows: List[Row] = []
    for width in asked.width or BARS:
        contestants: Dict[str, Callable[[], object]] = {"ours": ours(width, part, asked.batch_size)}
        for workers in WORKERS:
            contestants[f"{workers} workers"] = theirs(width, PilImages(arrays), asked.batch_size, workers)
        seconds = race(contestants, asked.repeats)
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        best = min((name for name in medians if name != "ours"), key=lambda name: medians[name])
        note = ", ".join(f"{name} {value:.2f} s" for name, value in medians.items()) + f"; against {best}"
        speed = ratios(seconds[best], seconds["ours"])
        rows.append(ratio_row(f"speed over the DataLoader loop, widths x {width:g}", speed, BARS.get(width), note))
    what = "noise of CIFAR-10's size" if asked.data_dir is None else "CIFAR-10"
    show(f"epoch of {asked.images} images ({what}), vgg16, batch {asked.batch_size}", rows, asked.json)


if __name__ == "__main__":
    main()
