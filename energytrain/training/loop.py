"""The training loop: one epoch over any iterable of batches, as fast as a bare PyTorch loop with the same settings.

Nothing in a step waits for the device. Loss and hits are summed there and read once a beat (a second by default) and
at the end of the epoch, and that is also when a loss that is not finite is noticed. On the CPU, where the loss is
there as soon as it is computed, it is looked at in every step, before it can reach the weights.
"""

import math
import time
from dataclasses import dataclass
from typing import Callable, Iterable, Optional, Tuple

import torch
from torch import nn

from ..errors import RunFailed, UsageError
from ..precision.arithmetic import training_in
from ..precision.memory_format import image_format, lay_out
from .optimiser import set_lr
from .schedule import Schedule
from .tally import Tally

Batch = Tuple[torch.Tensor, torch.Tensor]
BEAT_SECONDS = 1.0


@dataclass(frozen=True)
class Progress:
    """How far an epoch is: steps done of `steps`, images seen, and the mean loss and accuracy (0 to 1) over them."""

    step: int
    steps: int
    images: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class EpochStats:
    """What an epoch of training did. loss: mean an image; accuracy: of the training batches as they came, 0 to 1;
    lr: the rate of its last step."""

    loss: float
    accuracy: float
    images: int
    steps: int
    lr: float


class NonFiniteLoss(RunFailed):
    """The loss (or a weight) became NaN or infinite in `epoch`, at the latest in step `step`; both count from 0."""

    def __init__(self, what: str, epoch: int, step: int) -> None:
        super().__init__(
            f"{what} is no longer finite in epoch {epoch + 1}, step {step + 1}.",
            "What was measured until then is kept. Try a smaller --lr, or --precision fp32.",
        )
        self.epoch = epoch
        self.step = step


def train_epoch(
    model: nn.Module,
    batches: Iterable[Batch],
    optimiser: torch.optim.Optimizer,
    schedule: Schedule,
    epoch: int,
    *,
    steps: int,
    precision: str = "fp32",
    master_weights: bool = False,
    channels_last: bool = False,
    after_backward: Optional[Callable[[], object]] = None,
    on_step: Optional[Callable[[int], object]] = None,
    on_beat: Optional[Callable[[Progress], object]] = None,
    beat_seconds: float = BEAT_SECONDS,
) -> EpochStats:
    """Train `model` in place for one epoch with cross-entropy.

    batches: (images (N, C, H, W) float32, labels (N,) int64); moved to the model's device where they are not there.
    epoch, steps: the epoch's number from 0 and how many batches it has; the schedule is asked once a step.
    after_backward(): between the backward pass and the update, for instance `EarlyBird.penalise`.
    on_step(index): after each step, with its number from 0; it must be cheap and must not wait for the device.
    on_beat(progress): at most every `beat_seconds`, with sums read from the device.
    master_weights: see `precision.low_precision`. Weights and the optimiser's buffers are first laid out as
    `channels_last` says (`precision.memory_format`).

    Raises NonFiniteLoss, and UsageError when there is no batch. An exception of a callback ends the epoch and passes.
    """
    device = next(model.parameters()).device
    lay_out(model, channels_last, optimiser)
    model.train()
    loss_is_at_hand = device.type == "cpu"
    tally = Tally(device)
    next_beat = time.monotonic() + beat_seconds
    lr = 0.0
    with training_in(precision, model, optimiser, master_weights) as arithmetic:
        for index, (images, labels) in enumerate(batches):
            lr = schedule.lr_at(epoch, min(1.0, (index + 1) / steps))
            set_lr(optimiser, lr)
            images = images.to(device, non_blocking=True, memory_format=image_format(channels_last))
            labels = labels.to(device, non_blocking=True)
            optimiser.zero_grad(set_to_none=True)
            with arithmetic.forward:
                logits = model(images)
            loss = nn.functional.cross_entropy(logits.float(), labels)
            if loss_is_at_hand and not math.isfinite(loss.item()):
                raise NonFiniteLoss("the loss", epoch, index)
            loss.backward()
            if after_backward is not None:
                after_backward()
            arithmetic.step()
            tally.add(logits, labels, loss)
            if on_step is not None:
                on_step(index)
            if time.monotonic() >= next_beat:
                mean, accuracy = _read(tally, epoch)
                if on_beat is not None:
                    on_beat(Progress(tally.steps, steps, tally.images, mean, accuracy))
                next_beat = time.monotonic() + beat_seconds
    if not tally.steps:
        raise UsageError("the training data gave no batch.", "Choose a --batch-size that is not larger than the data.")
    mean, accuracy = _read(tally, epoch)
    if not weights_are_finite(model):
        raise NonFiniteLoss("a weight", epoch, tally.steps - 1)
    return EpochStats(mean, accuracy, tally.images, tally.steps, lr)


def weights_are_finite(model: nn.Module) -> bool:
    """Whether every parameter is a finite number: the last update of an epoch shows in no loss of that epoch."""
    with torch.no_grad():
        # 0 x w is 0 for every finite w and NaN otherwise, so unlike a plain sum these cannot overflow.
        sums = [(parameter * 0).sum(dtype=torch.float32) for parameter in model.parameters()]
        return bool(torch.isfinite(torch.stack(sums)).all())


def _read(tally: Tally, epoch: int) -> Tuple[float, float]:
    mean, accuracy = tally.read()
    if not math.isfinite(mean):
        raise NonFiniteLoss("the loss", epoch, tally.steps - 1)
    return mean, accuracy
