"""A data set too large for memory: worker processes decode and crop images, the device normalises them."""

import os
import signal
from dataclasses import dataclass
from typing import Iterator, List, Optional, Tuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ..errors import UsageError
from .augment import Normaliser
from .batching import check_request, shares, shuffled, steps
from .folder import Labelled, Layout
from .hashing import VALIDATION
from .images import BadImage, evaluation_image, training_image
from .splits import Indices, held_out_count, limited, stratified
from .tensors import Device

# Means and deviations of ImageNet's training images.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
# Below this, starting worker processes costs more time than they save.
_FEW_IMAGES = 512
_MOST_WORKERS = 8


@dataclass(frozen=True)
class _Item:
    """One image, or why there is none: a worker's exception would come back as the text of a traceback."""

    image: Optional[torch.Tensor]
    path: str
    why: str = ""


@dataclass(frozen=True)
class _Epoch(Dataset[_Item]):
    """The images of one part as one epoch sees them, by position."""

    paths: Tuple[str, ...]
    ids: Tuple[int, ...]
    size: int
    seed: int
    epoch: int
    train: bool

    def __getitem__(self, position: int) -> _Item:
        path = self.paths[position]
        try:
            if self.train:
                pixels = training_image(path, self.size, self.seed, self.epoch, self.ids[position])
            else:
                pixels = evaluation_image(path, self.size)
        except BadImage as error:
            return _Item(None, path, str(error))
        return _Item(torch.from_numpy(pixels), path)


class StreamPart:
    """One part of a folder of images; it offers what `tensors.TensorPart` does, and reads files as it goes."""

    def __init__(
        self, images: Labelled, ids: Indices, size: int, device: Device, workers: Optional[int] = None
    ) -> None:
        self.device = torch.device(device)
        self._paths = tuple(images[i][0] for i in ids)
        self.labels = torch.tensor([images[i][1] for i in ids], dtype=torch.int64)
        self.ids = torch.from_numpy(ids)
        self._size = size
        self._workers = default_workers(len(self._paths)) if workers is None else workers
        self._scale = torch.tensor([1 / (255 * d) for d in _DEVIATION], dtype=torch.float32, device=self.device)
        self._shift = torch.tensor([-m / d for m, d in zip(_MEAN, _DEVIATION)], device=self.device)

    def __len__(self) -> int:
        return len(self._paths)

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
        """As `TensorPart.batches`. Raises UsageError, naming the file, for an image that cannot be decoded."""
        check_request(len(self), batch_size, train, rank, world)
        order = shuffled(self.ids, seed, epoch) if train else torch.arange(len(self))
        parts = [order[start:stop] for start, stop in shares(len(self), batch_size, rank, world, drop_last)]
        dataset = _Epoch(self._paths, tuple(self.ids.tolist()), self._size, seed, epoch, train)
        normalise = Normaliser(self._scale, self._shift, (self._size, self._size), channels_last)
        return self._read(dataset, parts, normalise)

    def _read(
        self, dataset: _Epoch, parts: List[torch.Tensor], normalise: Normaliser
    ) -> Iterator[Tuple[torch.Tensor, torch.Tensor]]:
        loader = DataLoader(
            dataset,
            batch_sampler=[part.tolist() for part in parts],
            num_workers=self._workers,
            collate_fn=_collate,
            worker_init_fn=_leave_interrupts_to_the_parent,
            pin_memory=self.device.type == "cuda",
            # Of its own: the loader would else draw from the global generator, which is part of a run's state.
            generator=torch.Generator(),
        )
        for part, (pixels, path, why) in zip(parts, loader):
            if path:
                raise UsageError(f"'{path}' is no readable image: {why.rstrip('.')}.", "Replace or remove it.")
            labels = self.labels[part].to(self.device, non_blocking=True)
            yield normalise(pixels.to(self.device, non_blocking=True)), labels


def default_workers(images: int) -> int:
    """Decoding processes: none for a few images, else one a core but the trainer's, at most eight."""
    if images < _FEW_IMAGES:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores - 1, _MOST_WORKERS))


def _collate(items: List[_Item]) -> Tuple[torch.Tensor, str, str]:
    """(images (n, size, size, 3) uint8, "", "") or the path of the first bad image and what is wrong with it."""
    images: List[torch.Tensor] = []
    for item in items:
        if item.image is None:
            return torch.empty(0), item.path, item.why
        images.append(item.image)
    return torch.stack(images), "", ""


def _leave_interrupts_to_the_parent(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def stream_parts(
    layout: Layout,
    size: int,
    limit: Optional[int],
    validation: float,
    seed: int,
    device: Device,
    workers: Optional[int],
) -> Tuple[StreamPart, Optional[StreamPart], StreamPart]:
    """(train, validation or None, test). The limit chooses first; validation is a seeded share of what it left."""
    labels = np.array([label for _, label in layout.train], dtype=np.int64)
    chosen = np.arange(len(labels)) if limit is None else limited(labels, limit)
    count = held_out_count(len(chosen), validation)
    kept, held = stratified(labels[chosen], count, seed, VALIDATION)
    train = StreamPart(layout.train, chosen[kept], size, device, workers)
    held_out = StreamPart(layout.train, chosen[held], size, device, workers) if count else None
    return train, held_out, StreamPart(layout.test, np.arange(len(layout.test)), size, device, workers)
