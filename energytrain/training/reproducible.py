"""Seeds, and the device that a training runs on."""

import random
from typing import Union

import numpy as np
import torch

from ..errors import UsageError, unknown


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, numpy and torch (CUDA included). On the CPU, with the same number of threads
    and the same torch, everything that follows is then the same to the bit. UsageError for a negative seed."""
    if seed < 0:
        raise UsageError(f"the seed {seed} is negative.", "Give --seed 0 or more.")
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def synchronise(device: Union[str, torch.device]) -> None:
    """Wait until the device has done all it was given; nothing to wait for on the CPU."""
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def pick_device(name: str) -> torch.device:
    """The torch device for "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:N".

    UsageError where that device is not here, and for any other name.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()) or (kind == "cpu" and index):
        raise unknown("compute device", name, ("auto", "cpu", "cuda", "cuda:0"))
    if kind == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        why = "this torch was built without CUDA" if torch.version.cuda is None else "torch finds no usable GPU"
        raise UsageError(f"'{name}' cannot be used: {why}.", "Use the CPU, or install a torch that fits the GPU.")
    if index and int(index) >= torch.cuda.device_count():
        raise UsageError(f"'{name}' does not exist: torch finds {torch.cuda.device_count()} GPU(s).", "Use cuda:0.")
    return torch.device(name)
