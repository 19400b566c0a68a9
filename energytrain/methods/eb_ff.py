"""EB Train FF: search and retraining in full precision (You et al. 2020, Algorithm 1, Section 4.2, Table 2).

The ticket keeps the weights of the search and continues the schedule at the epoch at which it was drawn.
"""

from ..runs.spec import RunSpec
from .phases import DRAW_EPOCH, Prune, Recipe, early_bird_search, retrain


def recipe(spec: RunSpec) -> Recipe:
    if spec.ticket is not None:
        return (Prune("given"), retrain(spec, first=DRAW_EPOCH))
    return (early_bird_search(spec), Prune("drawn"), retrain(spec, first=DRAW_EPOCH))
