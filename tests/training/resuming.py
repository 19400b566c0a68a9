"""A training that draws on every random generator, and a hash of all that a resumed one must share with it.

Run as a script: FOLDER. Goes on for two epochs from the checkpoint in FOLDER, if any, saves, and prints the hash.
"""

import hashlib
import random
import sys
from pathlib import Path
from typing import Iterator, Tuple

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from training.digits_net import Batch, batches, network  # noqa: E402

from energytrain.training.checkpoint import CheckpointStore  # noqa: E402
from energytrain.training.loop import train_epoch  # noqa: E402
from energytrain.training.optimiser import make_sgd  # noqa: E402
from energytrain.training.reproducible import seed_everything  # noqa: E402
from energytrain.training.schedule import Schedule  # noqa: E402
from energytrain.training.state import pack, unpack  # noqa: E402

SCHEDULE = Schedule(0.05, 6, (3,), warmup_epochs=1)


def _noisy_batches() -> Iterator[Batch]:
    """Batches that depend on all three generators, so that one that was not restored shows."""
    order = batches()
    random.shuffle(order)
    for images, labels in order:
        shift = torch.tensor(np.random.normal(size=(1, 1, 8, 8)), dtype=torch.float32)
        yield images + 0.1 * shift + 0.1 * torch.randn(1), labels


def train(model: nn.Module, optimiser: torch.optim.Optimizer, first: int, last: int, channels_last: bool) -> None:
    for epoch in range(first, last):
        train_epoch(model, _noisy_batches(), optimiser, SCHEDULE, epoch, steps=6, channels_last=channels_last)


def digest(model: nn.Module, optimiser: torch.optim.Optimizer) -> str:
    """A hash of every bit of weights, statistics, momentum and generators."""
    tensors, state = pack(model, optimiser)
    content = hashlib.sha256(repr(sorted(state.items())).encode())
    for name in sorted(tensors):
        content.update(name.encode() + tensors[name].detach().contiguous().numpy().tobytes())
    return content.hexdigest()


def begin(channels_last: bool) -> Tuple[nn.Module, torch.optim.Optimizer]:
    seed_everything(5)
    model = network(seed=5, dropout=0.3)
    return model, make_sgd(model, 0.05, nesterov=not channels_last)


def uninterrupted(channels_last: bool) -> str:
    model, optimiser = begin(channels_last)
    train(model, optimiser, 0, 4, channels_last)
    return digest(model, optimiser)


def go_on(folder: Path) -> str:
    store = CheckpointStore(folder)
    model, optimiser = begin(True)
    checkpoint = store.load_latest()
    done = 0
    if checkpoint is not None:
        unpack(checkpoint.tensors, checkpoint.state, model, optimiser)
        done = checkpoint.number
    train(model, optimiser, done, done + 2, True)
    store.save(done + 2, *pack(model, optimiser))
    return digest(model, optimiser)


if __name__ == "__main__":
    print(go_on(Path(sys.argv[1])))
