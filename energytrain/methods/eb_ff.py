"""EB Train FF, LF and LL (You et al. 2020, Algorithm 1, Sections 4.2 and 4.3, Table 2).

The ticket keeps the weights of the search and continues the schedule at the epoch at which it was drawn. FF trains in
full precision, LF searches in 8-bit block floating point, LL does both in it: `catalog` says which.
"""

from ..runs.spec import RunSpec
from .early_bird import after_draw, given_or_drawn
from .phases import Prune, Recipe


def recipe(spec: RunSpec) -> Recipe:
    return (*given_or_drawn(spec, Prune("given" if spec.ticket else "drawn")), *after_draw(spec))
