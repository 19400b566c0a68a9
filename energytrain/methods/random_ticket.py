"""Control: the Early-Bird ticket's layer widths, its channels drawn at random.

Search, draw epoch, kept channels a layer and retraining are those of eb-ff with the same seed; only which channels
are kept is chance. Where eb-ff does not beat it, the choice of channels bought nothing. A ticket from a file has no
weights for other channels, so there the network starts fresh and runs the whole schedule.
"""

from ..runs.spec import RunSpec
from .early_bird import after_draw, given_or_drawn
from .phases import Prune, Recipe
from .retraining import continued


def recipe(spec: RunSpec) -> Recipe:
    if spec.ticket is not None:
        return (Prune("random", weights="fresh"), continued(spec, first=0))
    return (*given_or_drawn(spec, Prune("random")), *after_draw(spec))
