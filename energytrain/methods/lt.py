"""Lottery ticket (Frankle & Carbin 2019): train, mask the smallest weights of all convolutions, rewind, retrain.

One round back to the start is the baseline of You et al. 2020. `lt-iterative` takes several rounds, `lt-rewind` goes
back to an epoch early in the training instead (Frankle et al. 2019; Renda et al. 2020, Section 2). Every round goes
back to the first training's weights. With a ticket from a file only the retraining is left, from the weights that
lie beside it.
"""

from ..runs.spec import RunSpec
from .phases import MaskWeights, Recipe
from .retraining import first_training, retraining, rounds


def recipe(spec: RunSpec) -> Recipe:
    def prune(ratio: float, name: str) -> MaskWeights:
        return MaskWeights("magnitude", ratio, name, skip_ends=spec.skip_ends)

    if spec.ticket is not None:
        return (MaskWeights("given", spec.prune_ratio), *retraining(spec))
    return (first_training(spec), *rounds(spec, prune))
