"""How fast this machine trains a network: a few of its steps, timed on the data set that is meant."""

import itertools
import statistics
import time
from typing import Dict, Iterator, NamedTuple, Tuple

import torch

from ..data.batching import epoch_size
from ..data.catalog import DataBundle
from ..execution.settings import Settings
from ..methods.network import dense_network, load_data
from ..methods.phase_work import bill_in
from ..methods.phases import schedule
from ..planning.estimate import Kept
from ..precision.memory_format import lay_out
from ..pruning.rebuild import shrink
from ..quantities.ledger import spend
from ..runs.spec import RunSpec
from ..training.evaluate import evaluate
from ..training.loop import train_epoch
from ..training.optimiser import make_sgd
from ..training.reproducible import synchronise

WARM_UP_STEPS = 2
# Their median counts: what else this machine does for a moment is no part of a network's pace.
BLOCKS = 5
BLOCK_SECONDS = 0.3
BLOCK_STEPS = 8


class Pace(NamedTuple):
    """seconds_per_flop: of training. evaluation_share: seconds of evaluation for each second of training."""

    seconds_per_flop: float
    evaluation_share: float


def first_step_seconds() -> float:
    """What the first step of a process takes beyond a step, if none was taken in this one: torch loads more of itself
    for it, which may be seconds."""
    begun = time.monotonic()
    layer = torch.nn.Linear(1, 1)
    optimiser = make_sgd(layer, lr=0.0)
    layer(torch.zeros(1, 1)).sum().backward()
    optimiser.step()
    return time.monotonic() - begun


class Stopwatch:
    """Times each network once, however many runs train it."""

    def __init__(self) -> None:
        self._paces: Dict[object, Pace] = {}
        self._data: Dict[object, DataBundle] = {}

    def pace(self, spec: RunSpec, settings: Settings, kept: Kept) -> Pace:
        """Of the network of `spec` with these kept channels."""
        what = (
            spec.model,
            spec.shortcut,
            spec.width,
            spec.precision,
            spec.master_weights,
            spec.channels_last,
            spec.batch_size,
        )
        key = (what, _data_of(spec), kept)
        if key not in self._paces:
            self._paces[key] = _timed(spec, self._load(spec, settings), kept)
        return self._paces[key]

    def _load(self, spec: RunSpec, settings: Settings) -> DataBundle:
        key = _data_of(spec)
        if key not in self._data:
            self._data[key] = load_data(spec, settings.data_dir, settings.download)
        return self._data[key]


def _data_of(spec: RunSpec) -> Tuple[object, ...]:
    return spec.dataset, spec.limit, spec.validation, spec.image_size, spec.augment, spec.compute


def _timed(spec: RunSpec, data: DataBundle, kept: Kept) -> Pace:
    device = torch.device(spec.compute)
    model = dense_network(spec, data.info)
    if kept:
        model = shrink(model, dict(kept))
    model.to(device)
    lay_out(model, spec.channels_last)
    optimiser = make_sgd(model, spec.lr, spec.momentum, spec.weight_decay, spec.nesterov)
    images, steps, drop_last = epoch_size(len(data.train), spec.batch_size)
    batches = _without_end(spec, data, drop_last)

    def train(count: int) -> Tuple[float, int]:
        """(seconds, images) of the next `count` steps."""
        begun = time.monotonic()
        stats = train_epoch(
            model,
            itertools.islice(batches, count),
            optimiser,
            schedule(spec),
            0,
            steps=steps,
            precision=spec.precision,
            master_weights=spec.master_weights,
            channels_last=spec.channels_last,
        )
        synchronise(device)
        return time.monotonic() - begun, stats.images

    train(WARM_UP_STEPS)
    one, _ = train(1)
    count = max(1, min(BLOCK_STEPS, round(BLOCK_SECONDS / one)))
    image_seconds = statistics.median(seconds / seen for seconds, seen in (train(count) for _ in range(BLOCKS)))
    shape = (data.info.channels, data.info.size, data.info.size)
    bill = bill_in(spec.precision, model, shape, master_weights=spec.master_weights)
    flops = spend(bill.training, "epoch", images, steps).flops()
    seconds = image_seconds * images
    return Pace(seconds / flops, _evaluation_seconds(spec, data, model, device) / seconds)


def _without_end(spec: RunSpec, data: DataBundle, drop_last: bool) -> Iterator[Tuple[torch.Tensor, torch.Tensor]]:
    """The training batches of one epoch after the other."""
    for epoch in itertools.count():
        yield from data.train.batches(
            epoch, spec.batch_size, train=True, drop_last=drop_last, channels_last=spec.channels_last
        )


def _evaluation_seconds(spec: RunSpec, data: DataBundle, model: torch.nn.Module, device: torch.device) -> float:
    """Of one epoch's evaluation: of a few batches, one by one, the median, times how many there are."""
    total = 0.0
    for part in (data.validation, data.test):
        if part is None:
            continue
        image_seconds = []
        batches = part.batches(0, spec.batch_size, channels_last=spec.channels_last)
        for batch in itertools.islice(batches, WARM_UP_STEPS + BLOCKS):
            begun = time.monotonic()
            stats = evaluate(model, [batch], precision=spec.precision, channels_last=spec.channels_last)
            synchronise(device)
            image_seconds.append((time.monotonic() - begun) / stats.images)
        total += statistics.median(image_seconds) * len(part)
    return total
