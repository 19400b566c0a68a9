"""Dense training: the whole network, the whole schedule. What everything else is compared with."""

from ..runs.spec import RunSpec
from .phases import Recipe, Train, schedule


def recipe(spec: RunSpec) -> Recipe:
    return (Train("train", 0, spec.epochs, schedule(spec)),)
