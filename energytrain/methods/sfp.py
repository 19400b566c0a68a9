"""Soft filter pruning (He et al. 2018): after every epoch the weakest filters of each layer are set to zero.

They may grow back in the next epoch; what is zero at the end is removed. Training itself is not made cheaper.
"""

from ..runs.spec import RunSpec
from .phases import Prune, Recipe, Train, schedule


def recipe(spec: RunSpec) -> Recipe:
    softly = Train("train", 0, spec.epochs, schedule(spec), soft=spec.prune_ratio)
    return (softly, Prune("l2-filters", prune_ratio=spec.prune_ratio))
