"""A finished run as one in emulated precision writes it: two epochs of search, a pruning, three of retraining."""

import numpy as np
from runs.script import Script

from energytrain.costs.bill import mask_item
from energytrain.energy.traces.series import Series, Trace
from energytrain.meters.base import Channel
from energytrain.methods.phase_work import bill_in
from energytrain.models.catalog import build
from energytrain.quantities.energy import Scope
from energytrain.quantities.ledger import work_to_json
from energytrain.runs.events import EventWriter
from energytrain.runs.folder import RunFolder
from energytrain.runs.result import run_result

IMAGES, STEPS = 1000, 10
EPOCH_SECONDS = 10
CHANNEL = Channel("VDD_IN", "ina3221", "tx2", "joules", Scope.MODULE, update_seconds=0.1, averaging_seconds=0.0)


def bill(width=0.0625, precision="fp32"):
    return bill_in(precision, build("vgg16", classes=10, width=width), (3, 32, 32))


def events(search, retrain, here=False, primary=()):
    """The marks, with the precision of each phase; the clock begins at 100 s."""
    script = Script()
    script.now = 100.0
    script.begin(unavailable=[])
    script.events[-1].update(here=here, primary=list(primary))
    _train(script, "search", bill(precision=search), "dense", 2)
    chosen = [((mask_item("mask", 1000, 4000),), 0, 1)]
    script.span("p", "prune", None, "pruning", 1, work=work_to_json(chosen))
    _train(script, "retrain", bill(0.03125, precision=retrain), "ticket", 3)
    return script.mark("stop", after=1.0, status="done", reason="").events


def _train(script, name, network, role, epochs):
    about = {"epochs": epochs, "role": role, "images": IMAGES, "steps": STEPS, "per_epoch": [], "check": []}
    script.mark("phase", phase=name, bill=network.to_json(), **about)
    for epoch in range(epochs):
        place = f"{name}{epoch}"
        script.span(place, name, epoch, "training", EPOCH_SECONDS, images=IMAGES, steps=STEPS, loss=1.0, accuracy=50.0)
        script.span("e" + place, name, epoch, "evaluation", 1, images=100, steps=1, test_accuracy=60.0)


def trace(watts):
    """A counter of the module's input that grows by `watts`, read at 10 Hz, from before the run until after it."""
    t = np.arange(90.0, 190.0, 0.1)
    clock = (t * 1e9).astype(np.int64)
    series = Series(CHANNEL, clock, watts * t)
    return Trace({CHANNEL.name: series}, "bench", "boot", 1, np.stack([clock, clock, clock], axis=1), True)


def result(path, spec, search="bfp8", retrain="bfp8"):
    """The result of a run folder made in `path`, of a run that nothing metered."""
    with RunFolder(path).writing() as folder:
        folder.claim(spec.to_json(), "0" * 16)
    writer = EventWriter(folder.events, 1)
    for event in events(search, retrain):
        writer.append(
            event["kind"], event["t"], **{k: v for k, v in event.items() if k not in ("kind", "t", "attempt")}
        )
    writer.close()
    return run_result(path)
