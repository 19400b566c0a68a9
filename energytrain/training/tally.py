"""Sums of loss and hits that stay on the device: reading them is the only thing that waits for it."""

from typing import Tuple

import torch


class Tally:
    """Adds up batches: images, steps, losses and hits."""

    def __init__(self, device: torch.device) -> None:
        self.images = 0
        self.steps = 0
        # float64: a sum over a million images must not lose the small losses at its end. MPS has none.
        precise = torch.float32 if device.type == "mps" else torch.float64
        self._loss = torch.zeros((), dtype=precise, device=device)
        self._hits = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, logits: torch.Tensor, labels: torch.Tensor, loss: torch.Tensor) -> None:
        """Count a batch: logits (N, classes), labels (N,), its mean loss (a scalar). Does not wait for the device."""
        count = labels.shape[0]
        self._loss.add_(loss.detach(), alpha=count)
        self._hits.add_((logits.detach().argmax(1) == labels).sum())
        self.images += count
        self.steps += 1

    def read(self) -> Tuple[float, float]:
        """(mean loss an image, share of images classified rightly), after at least one batch; waits for the device.

        A loss that was NaN or infinite once keeps the mean from ever being finite again.
        """
        return float(self._loss.item()) / self.images, int(self._hits.item()) / self.images
