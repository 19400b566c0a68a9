"""The data sets there are, what is known of each without reading it, and how one is loaded. Imports no torch itself."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Optional, Protocol, Tuple, Union

from ..errors import UsageError, unknown
from .splits import held_out_count

if TYPE_CHECKING:
    import torch

DATASETS = ("digits", "cifar10", "cifar100", "folder")
# Known by its size alone, so that its cost can be planned without a file of it.
PLANNED_ONLY = ("imagenet",)

DEFAULT_DATA_DIR = "data"


@dataclass(frozen=True)
class DataInfo:
    """A data set's shape. `size` is an image's height and width in pixels; counts are images of each part."""

    name: str
    classes: int
    channels: int
    size: int
    train_images: int
    test_images: int
    validation_images: int = 0


class Part(Protocol):
    """Training, validation or test images; see `tensors.TensorPart` for what the arguments mean."""

    labels: "torch.Tensor"

    def __len__(self) -> int: ...

    def steps(self, batch_size: int, drop_last: bool = False) -> int: ...

    def batches(
        self,
        epoch: int,
        batch_size: int,
        seed: int = 0,
        train: bool = False,
        rank: int = 0,
        world: int = 1,
        drop_last: bool = False,
        channels_last: bool = False,
    ) -> "Iterator[Tuple[torch.Tensor, torch.Tensor]]": ...


@dataclass(frozen=True)
class DataBundle:
    """A loaded data set. `validation` is None where no share was asked for."""

    info: DataInfo
    train: Part
    validation: Optional[Part]
    test: Part


_INFO = {
    "digits": DataInfo("digits", classes=10, channels=1, size=16, train_images=1437, test_images=360),
    "cifar10": DataInfo("cifar10", classes=10, channels=3, size=32, train_images=50_000, test_images=10_000),
    "cifar100": DataInfo("cifar100", classes=100, channels=3, size=32, train_images=50_000, test_images=10_000),
    # ILSVRC 2012, judged on its validation images; 224 pixels are those of the papers.
    "imagenet": DataInfo("imagenet", classes=1000, channels=3, size=224, train_images=1_281_167, test_images=50_000),
}


def info(
    name: str,
    *,
    data_dir: Optional[Union[str, Path]] = None,
    limit: Optional[int] = None,
    validation: float = 0.0,
    image_size: Optional[int] = None,
) -> DataInfo:
    """What `load` with the same arguments will hold, without torch and, but for "folder", without the data.

    Raises UsageError for an unknown name, a limit or share that does not fit, and for what is wrong with a folder.
    """
    if name == "folder":
        from .folder import IMAGE_SIZE, scan

        layout = scan(_required_folder(data_dir))
        size = IMAGE_SIZE if image_size is None else image_size
        known = DataInfo(name, len(layout.classes), 3, size, len(layout.train), len(layout.test))
    elif name in _INFO:
        known = _INFO[name]
    else:
        raise unknown("data set", name, DATASETS)
    return _with_parts(_with_size(known, image_size), limit, validation)


def load(
    name: str,
    *,
    data_dir: Optional[Union[str, Path]] = None,
    download: bool = False,
    limit: Optional[int] = None,
    validation: float = 0.0,
    seed: int = 0,
    device: "Union[str, torch.device]" = "cpu",
    image_size: Optional[int] = None,
    workers: Optional[int] = None,
    augment: bool = True,
    label_seed: Optional[int] = None,
) -> DataBundle:
    """Read a data set. Small ones live on `device`; a folder streams through `workers` processes (None: by its size).

    limit: so many training images, class-balanced, the same whatever the seed. validation: the share of these that is
    held out, class-balanced, by `seed`. The test part is always whole and the same. augment: crops and mirroring of
    training images, where the data set has them. label_seed: labels of the training images drawn at random, which a
    network can only memorise (not for folders; neither is augment=False). Without `data_dir`, CIFAR is
    looked for in the folder "data". Raises UsageError for data that is missing, corrupt or does not fit the request.
    """
    if name == "folder":
        if download:
            raise UsageError("a folder of images cannot be downloaded.", "Leave out --download.")
        if label_seed is not None or not augment:
            raise UsageError("--random-labels and --no-augment are not for folders of images.")
        from .folder import IMAGE_SIZE, scan
        from .stream import stream_parts

        layout = scan(_required_folder(data_dir))
        size = IMAGE_SIZE if image_size is None else image_size
        known = DataInfo(name, len(layout.classes), 3, size, len(layout.train), len(layout.test))
        known = _with_size(known, image_size)
        streams = stream_parts(layout, size, limit, validation, seed, device, workers)
        return DataBundle(_with_parts(known, limit, validation), *streams)
    if name in PLANNED_ONLY:
        raise UsageError(
            f"'{name}' names a size to plan with, no files to train on.",
            "Give --dataset folder --data-dir DIR, with a folder of images for each class in DIR/train and DIR/val.",
        )
    if name not in _INFO:
        raise unknown("data set", name, DATASETS)
    known = _with_size(_INFO[name], image_size)
    import torch

    from .random_labels import random_labels
    from .tensors import tensor_parts

    if name == "digits":
        from .digits import read_digits

        arrays = read_digits(known.size)
    else:
        from .cifar import read_cifar

        arrays = read_cifar(name, Path(DEFAULT_DATA_DIR if data_dir is None else data_dir), download)
    known = replace(known, train_images=len(arrays.train_labels), test_images=len(arrays.test_labels))
    targets = arrays.train_labels
    if label_seed is not None:
        targets = torch.from_numpy(random_labels(targets.numpy(), known.classes, label_seed))
    if not augment:
        arrays = replace(arrays, pad=0, flip=False)
    parts = tensor_parts(arrays, limit, validation, seed, device, targets)
    return DataBundle(_with_parts(known, limit, validation), *parts)


def _with_size(known: DataInfo, image_size: Optional[int]) -> DataInfo:
    if image_size is None:
        return known
    if image_size < 8:
        raise UsageError(f"images of {image_size} pixels are too small.", "Give an image size of at least 8.")
    if known.name in ("cifar10", "cifar100") and image_size != known.size:
        raise UsageError(f"the images of {known.name} have {known.size} pixels a side.", "Leave out the image size.")
    return replace(known, size=image_size)


def _with_parts(known: DataInfo, limit: Optional[int], validation: float) -> DataInfo:
    if limit is not None and not 1 <= limit <= known.train_images:
        raise UsageError(
            f"--limit {limit} does not fit the {known.train_images} training images of {known.name}.",
            f"Give 1 to {known.train_images}, or leave it out.",
        )
    images = known.train_images if limit is None else limit
    held = held_out_count(images, validation)
    return replace(known, train_images=images - held, validation_images=held)


def _required_folder(data_dir: Optional[Union[str, Path]]) -> Path:
    if data_dir is None:
        raise UsageError("the data set 'folder' needs a folder.", "Give it with --data-dir.")
    return Path(data_dir)
