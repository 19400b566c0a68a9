"""Control: dense training, its schedule compressed to the FLOPs of an Early-Bird run, search included.

The recipe is dense training; what differs is the number of epochs, found when the run is resolved (`--like RUN` names
the run whose FLOPs to match). Where a ticket does not beat it, stopping earlier would have saved as much.
"""

from .dense import recipe

__all__ = ["recipe"]
