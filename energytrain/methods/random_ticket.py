"""Control: the Early-Bird ticket's layer widths, its channels drawn at random.

Search, draw epoch, kept channels a layer and retraining are those of eb-ff with the same seed; only which channels
are kept is chance. Where eb-ff does not beat it, the choice of channels bought nothing. A ticket from a file has no
weights for other channels, so there the network starts fresh and runs the whole schedule.
"""

from ..runs.spec import RunSpec
from .phases import DRAW_EPOCH, Prune, Recipe, early_bird_search, retrain


def recipe(spec: RunSpec) -> Recipe:
    if spec.ticket is not None:
        return (Prune("random", weights="fresh"), retrain(spec, first=0))
    return (early_bird_search(spec), Prune("random"), retrain(spec, first=DRAW_EPOCH))
