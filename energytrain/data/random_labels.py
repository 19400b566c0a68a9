"""Random labels, on which a network can learn nothing but the images themselves: the test of how much it memorises.

Zhang, Bengio, Hardt, Recht and Vinyals, "Understanding deep learning requires rethinking generalization", ICLR 2017,
Section 2.1. Torch-free.
"""

import numpy as np

from .hashing import RANDOM_LABELS, key_of, words
from .splits import Indices


def random_labels(labels: Indices, classes: int, seed: int) -> Indices:
    """A label of `classes` for each of `labels`, drawn evenly and with no regard to the true one.

    It depends on `seed` and the label's position alone. So give the labels of the whole training part, before a limit
    or a split chooses from it: an image then has the same label whatever is chosen.
    """
    if classes < 1:
        raise ValueError(f"labels cannot be drawn from {classes} classes")
    draws = np.asarray(words(np.arange(len(labels), dtype=np.int64), key_of(RANDOM_LABELS, seed)))
    return (draws * classes) >> 32
