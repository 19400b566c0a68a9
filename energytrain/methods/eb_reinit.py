"""EB Train (re-init): the ticket starts from fresh weights and runs the whole schedule (You et al. 2020, Table 2)."""

from ..runs.spec import RunSpec
from .phases import Prune, Recipe, early_bird_search, retrain


def recipe(spec: RunSpec) -> Recipe:
    if spec.ticket is not None:
        return (Prune("given", weights="fresh"), retrain(spec, first=0))
    return (early_bird_search(spec), Prune("drawn", weights="fresh"), retrain(spec, first=0))
