"""A run that takes seconds: a narrow VGG16 on 256 digits."""

from pathlib import Path

from energytrain.execution.listener import Silent
from energytrain.execution.resolve import resolve
from energytrain.execution.run import execute

SMALL = {
    "dataset": "digits",
    "width": 0.0625,
    "limit": 256,
    "epochs": 6,
    "batch_size": 64,
    "eps": 1.0,
    "queue": 1,
    "align": "1",
    "meter": ("none",),
    "device": "generic-cpu",
    "compute": "cpu",
}


class Recorder(Silent):
    """Keeps what an execution told."""

    def __init__(self):
        self.messages, self.epochs = [], []

    def message(self, text):
        self.messages.append(text)

    def epoch(self, report):
        self.epochs.append(report)


def run_small(runs_dir: Path, **options):
    """Execute a small run with `options` changed; its outcome."""
    spec, settings = resolve({**SMALL, "runs_dir": str(runs_dir), **options})
    return execute(spec, settings, Silent())
