"""ThiNet (Luo et al. 2017): dense training, then layer by layer the channels that the next layer misses least."""

from ..runs.spec import RunSpec
from .phases import Prune, Recipe
from .retraining import first_training, rounds


def recipe(spec: RunSpec) -> Recipe:
    def prune(ratio: float, name: str) -> Prune:
        return Prune("thinet", name=name, prune_ratio=ratio)

    return (first_training(spec), *rounds(spec, prune))
