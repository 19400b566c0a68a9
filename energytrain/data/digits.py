"""scikit-learn's handwritten digits: 1,797 real images of 8 x 8 pixels inside an ordinary package, hence offline.

They are scaled up (bilinear) so that convolutional networks can be run on them. A mirrored digit is another sign, so
training images are padded and cropped only.
"""

import gzip
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Tuple

import numpy as np
import torch
import torch.nn.functional as functional

from ..errors import UsageError
from .hashing import TEST
from .splits import stratified
from .tensors import ImageArrays

TEST_IMAGES = 360
_BRIGHTEST = 16.0


def read_digits(size: int = 16) -> ImageArrays:
    """All digits as (N, size, size, 1) float32 in [0, 1]: 1,437 to train on, 360 to test on.

    The test part is stratified and never changes: it depends on no run's seed.
    """
    pixels, digits = _raw_digits()
    labels = np.asarray(digits, dtype=np.int64)
    small = torch.from_numpy(np.asarray(pixels, dtype=np.float32)).view(-1, 1, 8, 8) / _BRIGHTEST
    images = functional.interpolate(small, size=(size, size), mode="bilinear", align_corners=False)
    images = images.permute(0, 2, 3, 1).contiguous()
    train, test = (torch.from_numpy(part) for part in stratified(labels, TEST_IMAGES, 0, TEST))
    train_images = images[train]
    mean, deviation = float(train_images.double().mean()), float(train_images.double().std(unbiased=False))
    targets = torch.from_numpy(labels)
    return ImageArrays(
        train_images=train_images,
        train_labels=targets[train],
        test_images=images[test],
        test_labels=targets[test],
        scale=(1 / deviation,),
        shift=(-mean / deviation,),
        pad=max(1, size // 8),
        flip=False,
    )


def _raw_digits() -> Tuple[Any, Any]:
    """(pixels (N, 64) of 0 to 16, digits (N,)) out of the installed scikit-learn, whose import alone takes seconds."""
    package = find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise UsageError(
            "the data set 'digits' is part of scikit-learn, which is not installed.", "Run pip install scikit-learn."
        )
    file = Path(package.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    if not file.is_file():  # a release that keeps it elsewhere
        from sklearn.datasets import load_digits

        return load_digits(return_X_y=True)  # type: ignore[no-any-return]
    with gzip.open(file, "rt") as lines:
        table = np.loadtxt(lines, delimiter=",")
    return table[:, :-1], table[:, -1]
