"""CIFAR-10 and CIFAR-100 from the "python version" files of their authors (Krizhevsky, 2009).

Normalised with the mean and deviation of the Early-Bird code, the same on both sets; pad 4, crop 32, mirror.
"""

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Tuple

import numpy as np
import torch

from ..errors import UsageError
from .cifar_pickle import read_batch, unreadable
from .tensors import ImageArrays

_MEAN = (0.4914, 0.4822, 0.4465)
_DEVIATION = (0.2023, 0.1994, 0.2010)
_ROW = 3 * 32 * 32


@dataclass(frozen=True)
class _Layout:
    folder: str
    train: Tuple[str, ...]
    test: str
    labels: str
    classes: int
    torchvision_name: str


_LAYOUTS = {
    "cifar10": _Layout(
        "cifar-10-batches-py", tuple(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "labels", 10, "CIFAR10"
    ),
    "cifar100": _Layout("cifar-100-python", ("train",), "test", "fine_labels", 100, "CIFAR100"),
}


def read_cifar(name: str, data_dir: Path, download: bool = False) -> ImageArrays:
    """All images of "cifar10" or "cifar100" as (N, 32, 32, 3) uint8.

    data_dir: the folder that holds `cifar-10-batches-py` or `cifar-100-python`, or that folder itself. Raises
    UsageError, naming the file, if anything is missing, truncated, corrupt or mislabelled.
    """
    layout = _LAYOUTS[name]
    folder = _find(name, layout, data_dir, download)
    train = [_read_file(folder / file, layout) for file in layout.train]
    test_images, test_labels = _read_file(folder / layout.test, layout)
    return ImageArrays(
        train_images=torch.cat([images for images, _ in train]),
        train_labels=torch.cat([labels for _, labels in train]),
        test_images=test_images,
        test_labels=test_labels,
        scale=tuple(1 / (255 * deviation) for deviation in _DEVIATION),
        shift=tuple(-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION)),
        pad=4,
        flip=True,
    )


def _find(name: str, layout: _Layout, data_dir: Path, download: bool) -> Path:
    files = layout.train + (layout.test,)
    candidates = [data_dir / layout.folder]
    if data_dir.name == layout.folder:
        candidates.insert(0, data_dir)
    for folder in candidates:
        if all((folder / file).is_file() for file in files):
            return folder
    if download:
        _download(name, layout, data_dir)
        return data_dir / layout.folder
    present = [folder for folder in candidates if folder.is_dir()]
    if present:
        missing = next(file for file in files if not (present[0] / file).is_file())
        raise UsageError(
            f"the data set {name} is incomplete: '{present[0] / missing}' is missing.", "Add --download to fetch it."
        )
    raise UsageError(
        f"no data set {name}: there is no folder '{candidates[-1]}'.",
        f"Add --download to fetch it, or give the folder that holds '{layout.folder}' with --data-dir.",
    )


def _download(name: str, layout: _Layout, data_dir: Path) -> None:
    """Fetch and unpack the official archive, checked by its MD5, through torchvision."""
    from ..torchvision_bridge import load_torchvision

    datasets = load_torchvision().datasets
    source = getattr(datasets, layout.torchvision_name)
    try:
        # torchvision reports on standard output, which belongs to what a command prints for programs.
        with redirect_stdout(sys.stderr):
            datasets.utils.download_and_extract_archive(
                source.url, str(data_dir), filename=source.filename, md5=source.tgz_md5, remove_finished=True
            )
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(
            f"the data set {name} could not be fetched from {source.url} into '{data_dir}': {reason.rstrip('.')}.",
            f"Check the network, or put the folder '{layout.folder}' there by hand.",
        ) from error


def _read_file(path: Path, layout: _Layout) -> Tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 32, 32, 3) uint8 and labels (N,) int64 of one file."""
    content = read_batch(path)
    pixels, listed = content.get("data"), content.get(layout.labels)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != _ROW:
        raise unreadable(path, f"it holds no images as rows of {_ROW} bytes")
    if not isinstance(listed, (list, np.ndarray)):
        raise unreadable(path, f"it holds no '{layout.labels}'")
    labels: List[Any] = list(np.asarray(listed).tolist()) if isinstance(listed, np.ndarray) else listed
    if len(labels) != len(pixels) or not labels:
        raise unreadable(path, f"it holds {len(pixels)} images and {len(labels)} labels")
    wrong = next((label for label in labels if type(label) is not int or not 0 <= label < layout.classes), None)
    if wrong is not None:
        raise unreadable(path, f"it holds the label {str(wrong)[:40]}, and labels go from 0 to {layout.classes - 1}")
    images = np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return torch.from_numpy(images), torch.tensor(labels, dtype=torch.int64)
