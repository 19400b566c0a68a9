"""SNIP (Lee et al. 2019): choose by the saliency of one batch before any training, then train what is left.

Unstructured by default; with `--structured` whole channels are ranked and removed physically.
"""

from ..runs.spec import RunSpec
from .phases import FRESH, MaskWeights, Prune, Recipe, Rewind, Train, schedule


def recipe(spec: RunSpec) -> Recipe:
    choose = Prune("snip", prune_ratio=spec.prune_ratio) if spec.structured else MaskWeights("snip", spec.prune_ratio)
    restart = (Rewind(FRESH),) if spec.retrain == "reinit" else ()
    return (choose, *restart, Train("train", 0, spec.epochs, schedule(spec)))
