"""Filter pruning by L1 norm (Li et al. 2017): dense training, per-layer rates, retraining at the last rate."""

from ..runs.spec import RunSpec
from .phases import Prune, Recipe
from .retraining import first_training, rounds


def recipe(spec: RunSpec) -> Recipe:
    def prune(ratio: float, name: str) -> Prune:
        return Prune("l1-filters", name=name, prune_ratio=ratio)

    return (first_training(spec), *rounds(spec, prune))
