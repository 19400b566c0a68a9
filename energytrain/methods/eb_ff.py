"""EB Train FF: search and retraining in full precision (You et al. 2020, Algorithm 1, Section 4.2, Table 2).

The ticket keeps the weights of the search and continues the schedule at the epoch at which it was drawn.
"""

from ..runs.spec import RunSpec
from .early_bird import after_draw, given_or_drawn
from .phases import Prune, Recipe


def recipe(spec: RunSpec) -> Recipe:
    return (*given_or_drawn(spec, Prune("given" if spec.ticket else "drawn")), *after_draw(spec))
