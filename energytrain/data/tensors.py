"""A small data set as one tensor on the training device, augmented there batch by batch."""

from dataclasses import dataclass
from typing import Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch

from .augment import Crops, Normaliser, cropped, draw_crops
from .batching import check_request, shares, shuffled, steps
from .hashing import VALIDATION
from .splits import Indices, held_out_count, limited, stratified

Device = Union[str, torch.device]


@dataclass(frozen=True)
class ImageArrays:
    """What a reader of a small data set returns.

    images (N, H, W, C) uint8 or float32; labels (N,) int64; scale and shift per channel give `pixel x scale + shift`
    of zero mean and unit variance; pad in pixels (filled with zeros) and flip say how training images are augmented.
    """

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    scale: Sequence[float]
    shift: Sequence[float]
    pad: int
    flip: bool


class TensorPart:
    """One part (train, validation or test) of a data set that fits in the device's memory.

    images (N, H, W, C), uint8 or float32; labels (N,) int64; ids (N,) int64 name the images for ever: an image keeps
    its id whatever the limit and the split, so its augmentation depends on seed, epoch and image alone.
    """

    def __init__(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        ids: torch.Tensor,
        scale: Sequence[float],
        shift: Sequence[float],
        pad: int = 0,
        flip: bool = False,
        device: Device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.labels = labels.to(self.device)
        self.ids = ids.cpu()
        self._images = images.contiguous().to(self.device)
        self._scale = torch.tensor(scale, dtype=torch.float32, device=self.device)
        self._shift = torch.tensor(shift, dtype=torch.float32, device=self.device)
        self._pad = pad
        self._flip = flip
        self._mirrored: Optional[torch.Tensor] = None

    def __len__(self) -> int:
        return len(self.ids)

    def steps(self, batch_size: int, drop_last: bool = False) -> int:
        """Batches an epoch."""
        return steps(len(self), batch_size, drop_last)

    def batches(
        self,
        epoch: int,
        batch_size: int,
        seed: int = 0,
        train: bool = False,
        rank: int = 0,
        world: int = 1,
        drop_last: bool = False,
        channels_last: bool = False,
    ) -> Iterator[Tuple[torch.Tensor, torch.Tensor]]:
        """(images (n, C, H, W) float32 standardised, labels (n,) int64) on the device, batch by batch.

        train: shuffled by (seed, epoch), augmented by (seed, epoch, id); else in fixed order and as they are.
        batch_size counts all ranks' images; this rank gets its share of each batch (see `batching.shares`).
        Raises UsageError for a training batch larger than the part.
        """
        check_request(len(self), batch_size, train, rank, world)
        parts = shares(len(self), batch_size, rank, world, drop_last)
        height, width = self._images.shape[1:3]
        normalise = Normaliser(self._scale, self._shift, (height, width), channels_last)
        return self._augmented(parts, normalise, seed, epoch) if train else self._plain(parts, normalise)

    def _plain(
        self, parts: List[Tuple[int, int]], normalise: Normaliser
    ) -> Iterator[Tuple[torch.Tensor, torch.Tensor]]:
        for start, stop in parts:
            yield normalise(self._images[start:stop]), self.labels[start:stop]

    def _augmented(
        self, parts: List[Tuple[int, int]], normalise: Normaliser, seed: int, epoch: int
    ) -> Iterator[Tuple[torch.Tensor, torch.Tensor]]:
        order = shuffled(self.ids, seed, epoch)
        crops = Crops(*(t.to(self.device) for t in draw_crops(self.ids[order], seed, epoch, self._pad, self._flip)))
        order = order.to(self.device)
        source = self._source()
        rows = order + crops.mirrored * len(self)
        labels = self.labels[order]
        for start, stop in parts:
            here = Crops(*(t[start:stop] for t in crops))
            yield normalise(cropped(source.index_select(0, rows[start:stop]), here, self._pad)), labels[start:stop]

    def _source(self) -> torch.Tensor:
        """The images, followed by their mirrored copies where this part is augmented with them.

        The copy is made at the first training epoch (150 MB for all of CIFAR); mirroring then costs nothing a batch.
        """
        if not self._flip:
            return self._images
        if self._mirrored is None:
            self._mirrored = torch.cat((self._images, self._images.flip(2)))
            self._images = self._mirrored[: len(self)]
        return self._mirrored


def tensor_parts(
    arrays: ImageArrays,
    limit: Optional[int],
    validation: float,
    seed: int,
    device: Device,
    targets: Optional[torch.Tensor] = None,
) -> Tuple[TensorPart, Optional[TensorPart], TensorPart]:
    """(train, validation or None, test). The limit chooses first; validation is a seeded share of what it left.

    targets: labels (N,) that the training images get in the place of their own, by which they are still chosen.
    """
    given = arrays.train_labels if targets is None else targets
    labels: Indices = arrays.train_labels.numpy()
    chosen = np.arange(len(labels)) if limit is None else limited(labels, limit)
    count = held_out_count(len(chosen), validation)
    kept, held = stratified(labels[chosen], count, seed, VALIDATION)

    def part(images: torch.Tensor, targets: torch.Tensor, ids: Indices) -> TensorPart:
        index = torch.from_numpy(ids)
        return TensorPart(
            images[index], targets[index], index, arrays.scale, arrays.shift, arrays.pad, arrays.flip, device
        )

    train = part(arrays.train_images, given, chosen[kept])
    held_out = part(arrays.train_images, given, chosen[held]) if count else None
    test = part(arrays.test_images, arrays.test_labels, np.arange(len(arrays.test_labels)))
    return train, held_out, test
