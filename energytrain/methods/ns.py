"""Network slimming (Liu et al. 2017): dense training with L1 on the BN scales, prune the smallest of all, retrain."""

from ..runs.spec import RunSpec
from .phases import Prune, Recipe
from .retraining import first_training, rounds


def recipe(spec: RunSpec) -> Recipe:
    def prune(ratio: float, name: str) -> Prune:
        return Prune("bn-scale", name=name, prune_ratio=ratio)

    return (first_training(spec, l1=spec.l1), *rounds(spec, prune))
