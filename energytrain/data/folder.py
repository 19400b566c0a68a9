"""A folder of images by class: finds the files, names the classes, splits them. Torch-free; opens no image.

Two layouts: ImageNet's, `train/CLASS/...` and `val/CLASS/...` (its validation part is what accuracy is reported on,
hence our test part), or `CLASS/...` alone, of which a fixed fifth of each class becomes the test part.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

import numpy as np

from ..errors import UsageError
from .hashing import TEST
from .splits import held_out_count, stratified

IMAGE_SIZE = 224
TEST_SHARE = 0.2
_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

Labelled = Tuple[Tuple[str, int], ...]


@dataclass(frozen=True)
class Layout:
    """The classes in alphabetical order (a class's place is its label) and (path, label) of each image, in order."""

    classes: Tuple[str, ...]
    train: Labelled
    test: Labelled


def scan(folder: Path) -> Layout:
    """The images under `folder`. Raises UsageError for a folder that is missing, empty or at odds with itself."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder '{folder}'.", "Give the folder of the images with --data-dir.")
    train, val = folder / "train", folder / "val"
    if not train.is_dir() and not val.is_dir():
        classes = _classes(folder)
        images = _images(folder, classes)
        return _split(folder, classes, images)
    for part, other in ((train, val), (val, train)):
        if not part.is_dir():
            raise UsageError(
                f"'{other}' has no folder '{part.name}' beside it.",
                "Give both, or give the folder that holds the classes itself to have it split.",
            )
    classes = _classes(train)
    different = sorted(set(classes) ^ set(_classes(val)))
    if different:
        place, lacking = (train, val) if different[0] in classes else (val, train)
        raise UsageError(
            f"the classes of '{train}' and '{val}' differ in {len(different)}: "
            f"'{different[0]}' is in '{place.name}' and not in '{lacking.name}'.",
            "Both need the same class folders.",
        )
    return Layout(classes, _images(train, classes), _images(val, classes))


def _split(folder: Path, classes: Tuple[str, ...], images: Labelled) -> Layout:
    """The test part is fixed: it depends on no run's seed, so that no run trains on what another is tested on."""
    if len(images) < 2 * len(classes):
        raise UsageError(f"'{folder}' has too few images to be split.", "Give at least two images a class.")
    labels = np.array([label for _, label in images], dtype=np.int64)
    count = max(1, held_out_count(len(images), TEST_SHARE))
    kept, held = stratified(labels, count, 0, TEST)
    return Layout(classes, tuple(images[i] for i in kept), tuple(images[i] for i in held))


def _classes(folder: Path) -> Tuple[str, ...]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != ".")
    except OSError as error:
        raise UsageError(f"'{folder}' cannot be read: {error.strerror}.", "Check its permissions.") from error
    if not names:
        raise UsageError(f"'{folder}' holds no folder of a class.", "Put each class's images into a folder of its own.")
    return tuple(names)


def _images(folder: Path, classes: Tuple[str, ...]) -> Labelled:
    found: List[Tuple[str, int]] = []
    for label, name in enumerate(classes):
        before = len(found)
        for root, folders, files in os.walk(folder / name, followlinks=True):
            folders.sort()
            found.extend((os.path.join(root, f), label) for f in sorted(files) if f.lower().endswith(_SUFFIXES))
        if len(found) == before:
            raise UsageError(
                f"the class folder '{folder / name}' holds no image.", f"Known kinds: {', '.join(_SUFFIXES)}."
            )
    return tuple(found)
