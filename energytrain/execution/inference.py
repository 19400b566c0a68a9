"""The phase `infer`: what the dense and the trained network cost when they are only used, one image or 32 at a time.

For each network and batch a warm-up and then one window, in which the same images, which lie on the device already, are
classified again and again: evaluation mode, no gradients, nothing but the forward pass. The window gives images a
second, and joules by way of its marks. Latency is that of single batches with the device synchronised after each: on a
CPU those of the window, on a GPU some of their own before it, since the window itself lets batches queue up.
"""

import itertools
import statistics
import time
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy as np
import torch
from torch import nn

from ..methods.phase_work import bill_in
from ..precision.arithmetic import evaluating_in
from ..precision.memory_format import image_format, lay_out
from ..runs.inference import BATCHES, DENSE, TICKET, inference_precision, windows_of
from ..runs.timeline import INFERENCE, WARM_UP, Timeline
from ..training.reproducible import synchronise
from .budget import Guard
from .listener import Listener
from .live import LiveCost
from .marks import Marks
from .metering import Metering
from .resolve import device_is_here
from .session import Session

Window = Tuple[str, int]

WINDOW_SECONDS = 2.0
WARM_UP_SECONDS = 1.0
LATENCY_SECONDS = 1.0
WARM_UP_BATCHES = 3
LEAST_BATCHES = 20
UPDATES = 10  # of the slowest meter in a window, at least: what falls across an edge is then a small part
QUEUED_SECONDS = 0.25  # a GPU is waited for this often, so that a slow one does not queue up many seconds of work


def windows_left(session: Session, timeline: Timeline) -> List[Window]:
    """Networks and batches that no earlier attempt measured whole."""
    networks = (DENSE,) if session.role == DENSE else (DENSE, TICKET)
    measured = windows_of(timeline)
    return [window for window in itertools.product(networks, BATCHES) if window not in measured]


def infer(
    session: Session,
    marks: Marks,
    metering: Metering,
    live: LiveCost,
    listener: Listener,
    guard: Guard,
    windows: Sequence[Window],
    after_window: Callable[[bool], None],
) -> None:
    """Measure `windows` where the run's device is here: of another device, what this machine takes says nothing.

    after_window: called with whether it was the last. Raises BudgetReached where the budget is spent already.
    """
    spec = session.spec
    if not device_is_here(spec):
        listener.message(f"inference is not measured, only modelled where it can be: no {spec.device} is here.")
        return
    guard.first_epoch_begins()
    guard.after_epoch(last=not windows)
    seconds = window_seconds(metering, spec.sample_hz)
    _Inference(session, marks, live, listener, seconds).measure(windows, after_window)


def window_seconds(metering: Metering, sample_hz: float) -> float:
    """How long a window lasts at least, so that the bounds of its joules mean something."""
    return max(WINDOW_SECONDS, UPDATES * max(metering.slowest_seconds(), 1 / sample_hz if metering.primary else 0.0))


class _Inference:
    """Measures windows with the networks of `session`, the trained one and a dense one with fresh weights."""

    def __init__(self, session: Session, marks: Marks, live: LiveCost, listener: Listener, seconds: float) -> None:
        self._session = session
        self._marks = marks
        self._live = live
        self._listener = listener
        self._seconds = seconds
        self._precision = inference_precision(session.spec.precision)

    def measure(self, windows: Sequence[Window], after_window: Callable[[bool], None]) -> None:
        """All of `windows`, in this order."""
        spec = self._session.spec
        if self._precision != spec.precision:
            self._listener.message(f"inference is measured in {self._precision}: {spec.precision} is only emulated.")
        if windows and self._seconds > WINDOW_SECONDS:
            self._listener.message(
                f"inference takes {len(windows)} windows of {self._seconds:.0f} s, because its meter is slow."
            )
        images = self._images(max(BATCHES))
        number = 0
        for name, group in itertools.groupby(windows, key=lambda window: window[0]):
            network = self._network(name)
            items = bill_in(self._precision, network, self._session.image_shape).evaluation
            work = [item.__dict__ for item in items]
            self._marks.mark("network", network=name, precision=self._precision, items=work)
            for _, batch in group:
                number += 1
                self._listener.window(name, batch, number, len(windows))
                shown = images[:batch].contiguous(memory_format=image_format(spec.channels_last))
                for facts in self._window(network, name, shown):
                    self._live.add(items, facts["images"], facts["steps"])
                after_window(number == len(windows))

    def _network(self, name: str) -> nn.Module:
        session = self._session
        if name == TICKET or session.role == DENSE:
            return session.model
        network = session.dense_network(own=True).to(session.device)
        lay_out(network, session.spec.channels_last)
        return network

    def _images(self, count: int) -> torch.Tensor:
        """The first test images, on the device; one after the other again where there are fewer."""
        session = self._session
        batches = session.data.test.batches(0, count)
        images = next(iter(batches))[0].to(session.device)
        return images[torch.arange(count, device=images.device) % len(images)]

    def _window(self, network: nn.Module, name: str, images: torch.Tensor) -> List[Dict[str, Any]]:
        """The warm-up and the window, with their marks; images and steps of both."""
        batch, waits = len(images), self._session.device.type != "cpu"
        place, which = f"{name}, batch {len(images)}", {"network": name, "batch": batch}
        was_training = network.training
        network.eval()
        try:
            with evaluating_in(self._precision, network) as forward:

                def run() -> None:
                    with torch.no_grad(), forward:
                        network(images)

                with self._marks.span(place, None, WARM_UP, **which) as warm:
                    took = self._repeat(run, WARM_UP_SECONDS, WARM_UP_BATCHES, batch)
                    singles = self._repeat(run, LATENCY_SECONDS, LEAST_BATCHES, batch) if waits else []
                    warm.update(steps=len(took) + len(singles), images=batch * (len(took) + len(singles)))
                together = max(1, int(QUEUED_SECONDS / statistics.median(singles))) if waits else 1
                with self._marks.span(place, None, INFERENCE, **which) as facts:
                    took = self._repeat(run, self._seconds, LEAST_BATCHES, batch, together)
                    steps = together * len(took)
                    facts.update(steps=steps, images=batch * steps, latency=_latency(singles if waits else took))
        finally:
            network.train(was_training)
        return [warm, facts]

    def _repeat(
        self, run: Callable[[], None], seconds: float, least: int, batch: int, together: int = 1
    ) -> List[float]:
        """Batches until both `seconds` and `least` of them are over; seconds of each `together` of them, the device
        synchronised after these."""
        took: List[float] = []
        begun = time.perf_counter()
        while True:
            at = time.perf_counter()
            for _ in range(together):
                run()
            synchronise(self._session.device)
            now = time.perf_counter()
            took.append(now - at)
            steps = together * len(took)
            if now - begun >= seconds and steps >= least:
                return took
            if self._marks.beat(steps, steps * batch):
                self._live.now()
                self._listener.step(int(1000 * min(now - begun, seconds)), int(1000 * seconds))


def _latency(took: Sequence[float]) -> Dict[str, float]:
    return {"median": statistics.median(took), "p95": float(np.percentile(took, 95))}
