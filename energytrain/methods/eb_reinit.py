"""EB Train (re-init): the ticket starts from fresh weights and runs the whole schedule (You et al. 2020, Table 2)."""

from ..runs.spec import RunSpec
from .early_bird import given_or_drawn
from .phases import Prune, Recipe
from .retraining import continued


def recipe(spec: RunSpec) -> Recipe:
    prune = Prune("given" if spec.ticket else "drawn", weights="fresh")
    return (*given_or_drawn(spec, prune), continued(spec, first=0))
