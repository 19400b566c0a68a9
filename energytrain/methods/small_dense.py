"""Control: a network that is narrower everywhere by one factor and costs the ticket's FLOPs, trained from scratch.

The recipe is dense training; what differs is the width, found when the run is resolved (`--like RUN` names the run
whose ticket to match). Where a ticket does not beat it, the search bought nothing a narrower network does not have.
"""

from .dense import recipe

__all__ = ["recipe"]
