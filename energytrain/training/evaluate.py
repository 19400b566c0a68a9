"""A network's loss and accuracy on a part of the data, without training it."""

import math
import time
from dataclasses import dataclass
from typing import Callable, Iterable, Optional

import torch
from torch import nn

from ..errors import UsageError
from ..precision.arithmetic import evaluating_in
from ..precision.memory_format import image_format
from .loop import BEAT_SECONDS, Batch
from .tally import Tally


@dataclass(frozen=True)
class EvalStats:
    """loss: mean an image, None where it is not finite; accuracy: share of images classified rightly, 0 to 1."""

    loss: Optional[float]
    accuracy: float
    images: int
    steps: int


def evaluate(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    precision: str = "fp32",
    channels_last: bool = False,
    on_beat: Optional[Callable[[int, int], object]] = None,
    beat_seconds: float = BEAT_SECONDS,
) -> EvalStats:
    """Classify every batch of (images (N, C, H, W) float32, labels (N,) int64) in evaluation mode.

    on_beat(steps, images): at most every `beat_seconds`, with what is done so far (on a GPU: what is under way).
    The model is left in the mode it had. A loss that is not finite is reported, not raised: early in a training,
    running statistics that lag behind can overflow a deep network that trains well. UsageError when there is no batch.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    tally = Tally(device)
    next_beat = time.monotonic() + beat_seconds
    try:
        with evaluating_in(precision, model) as forward:
            for images, labels in batches:
                images = images.to(device, non_blocking=True, memory_format=image_format(channels_last))
                labels = labels.to(device, non_blocking=True)
                with torch.no_grad():
                    with forward:
                        logits = model(images)
                    loss = nn.functional.cross_entropy(logits.float(), labels)
                    tally.add(logits, labels, loss)
                if time.monotonic() >= next_beat:
                    if on_beat is not None:
                        on_beat(tally.steps, tally.images)
                    next_beat = time.monotonic() + beat_seconds
    finally:
        model.train(was_training)
    if not tally.steps:
        raise UsageError("there is no image to evaluate on.", "Check --limit and the data set's folder.")
    mean, accuracy = tally.read()
    return EvalStats(mean if math.isfinite(mean) else None, accuracy, tally.images, tally.steps)
