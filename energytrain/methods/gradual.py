"""Gradual pruning of weights (Zhu & Gupta 2017; "The sooner the better", 2020, Section 3.4, Table 2).

`gradual` trains to a given epoch, then prunes along a cubic curve for a window of epochs; `early-gradual` begins where
the pseudo-prune check saturates (Section 4). The structure that results is retrained.
"""

from ..runs.spec import RunSpec
from .early_bird import early_bird_search
from .phases import DRAW_EPOCH, Gradual, Recipe, Train, schedule
from .retraining import first_training, retraining


def recipe(spec: RunSpec) -> Recipe:
    early = spec.method == "early-gradual"
    before = early_bird_search(spec, structure="weights") if early else first_training(spec)
    first = DRAW_EPOCH if early else before.last
    assert spec.gradual_steps is not None
    pruning = Gradual(spec.prune_ratio, spec.gradual_steps, spec.skip_ends)
    window = Train("gradual", first, spec.epochs, schedule(spec), gradual=pruning, length=spec.gradual_epochs)
    return (before, window, *retraining(spec))
