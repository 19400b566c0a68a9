"""What a recipe will cost in FLOPs and bytes, from the same phases that execution carries out.

Planned with a run's own ticket (which holds its draw epoch) it gives that run's useful ledger to the FLOP.
"""

from typing import Optional

from torch import nn

from ..costs.bill import mask_work, network_bill
from ..data.batching import epoch_size
from ..data.catalog import DataInfo
from ..pruning.rebuild import rebuild
from ..pruning.ticket import Ticket
from ..quantities.ledger import Ledger, spend
from ..runs.spec import RunSpec
from .catalog import recipe_of
from .network import dense_network
from .phases import DRAW_EPOCH, Epoch, Prune, Train


def planned_ledger(spec: RunSpec, data: DataInfo, ticket: Optional[Ticket] = None) -> Ledger:
    """The work of every training phase of `spec`'s method on `data`, by phase.

    `ticket` is needed by the methods that prune: its channels are the network's after the draw, its draw epoch ends
    the search. Raises ValueError where it is missing.
    """
    model: nn.Module = dense_network(spec, data)
    shape = (data.channels, data.size, data.size)
    images, steps, _ = epoch_size(data.train_images, spec.batch_size)
    ledger = Ledger()
    for phase in recipe_of(spec):
        if isinstance(phase, Prune):
            model = rebuild(model, _needed(ticket, spec))
            continue
        bill = network_bill(model, shape, precision=spec.precision, l1=phase.l1 > 0)
        epochs = _epochs(phase, ticket, spec)
        ledger = ledger + spend(bill.training, phase.name, images * epochs, steps * epochs)
        if phase.until is not None:
            ledger = ledger + spend((mask_work(model),), phase.name, 0, epochs)
    return ledger


def _epochs(phase: Train, ticket: Optional[Ticket], spec: RunSpec) -> int:
    """How many epochs a phase takes, given when its search ends."""
    first = _resolved(phase.first, ticket, spec)
    last = phase.last if phase.until is None else _resolved(DRAW_EPOCH, ticket, spec)
    return max(0, last - first)


def _resolved(epoch: Epoch, ticket: Optional[Ticket], spec: RunSpec) -> int:
    if epoch is DRAW_EPOCH:
        return int(_needed(ticket, spec).draw_epoch or 0)
    return int(epoch)  # type: ignore[arg-type]


def _needed(ticket: Optional[Ticket], spec: RunSpec) -> Ticket:
    if ticket is None or ticket.draw_epoch is None:
        raise ValueError(f"planning {spec.method} needs a ticket with its draw epoch")
    return ticket
