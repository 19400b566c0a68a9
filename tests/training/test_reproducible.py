"""Seeds and devices."""

import random

import numpy as np
import pytest
import torch

from energytrain.errors import UsageError
from energytrain.training.reproducible import pick_device, seed_everything, synchronise


def _draws() -> "tuple[float, float, float]":
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_a_seed_fixes_every_generator() -> None:
    seed_everything(3)
    first = _draws()
    second = _draws()
    seed_everything(3)
    assert _draws() == first
    seed_everything(4)
    other = _draws()
    assert all(a != b for a, b in zip(first, other))
    assert all(a != b for a, b in zip(first, second))


def test_seeds_that_numpy_cannot_take_still_work() -> None:
    seed_everything(2**40 + 1)
    with pytest.raises(UsageError, match="negative"):
        seed_everything(-1)


def test_the_cpu_is_always_there() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    synchronise(pick_device("cpu"))


@pytest.mark.parametrize("name", ["gpu", "cudaa", "cpu:1", "cuda:x", ""])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="unknown compute device"):
        pick_device(name)


def test_a_gpu_that_is_not_here_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be used|does not exist") as caught:
        pick_device("cuda:99")
    assert caught.value.hint
