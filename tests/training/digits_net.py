"""Real images and a small network for the tests of the loop: scikit-learn's digits, convolutions, BN and dropout."""

import functools
from typing import List, Tuple

import torch
from sklearn.datasets import load_digits
from torch import nn

Batch = Tuple[torch.Tensor, torch.Tensor]


@functools.lru_cache(maxsize=None)
def _digits() -> Batch:
    bunch = load_digits()
    images = torch.tensor(bunch.images, dtype=torch.float32).unsqueeze(1) / 8 - 1
    return images, torch.tensor(bunch.target, dtype=torch.int64)


def batches(count: int = 6, size: int = 32) -> List[Batch]:
    """The first `count` batches; images are (size, 1, 8, 8)."""
    images, labels = _digits()
    return [(images[i * size : (i + 1) * size], labels[i * size : (i + 1) * size]) for i in range(count)]


def network(seed: int = 0, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, padding=1, stride=2, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(12 * 16, 10),
    )
