"""The PyTorch training loop that a careful user writes by hand: what energytrain's own loop is measured against."""

import contextlib
from typing import Any, ContextManager, Iterable, Tuple

import torch
from torch import nn

from energytrain.training.optimiser import torch_version, update_flags


def bare_sgd(model: nn.Module, lr: float = 0.01) -> torch.optim.SGD:
    """The papers' SGD in the form of the update that energytrain chooses on the CPU."""
    return torch.optim.SGD(
        model.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4, **update_flags("cpu", torch_version())
    )


def bare_epoch(
    model: nn.Module,
    batches: Iterable[Tuple[torch.Tensor, torch.Tensor]],
    optimiser: torch.optim.Optimizer,
    precision: str = "fp32",
) -> None:
    """Trains `model`, whose weights lie channels last, on every batch. It counts and checks nothing."""
    forward: ContextManager[Any] = contextlib.nullcontext()
    if precision == "bf16":
        forward = torch.autocast("cpu", dtype=torch.bfloat16)
    model.train()
    for images, labels in batches:
        images = images.to(memory_format=torch.channels_last)
        optimiser.zero_grad(set_to_none=True)
        with forward:
            logits = model(images)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        loss.backward()
        optimiser.step()
