"""Which ticket a pruning phase puts in the dense network's place: the search's own, a random one, or a given file's."""

from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import torch
from torch import nn

from ..costs.bill import network_bill
from ..costs.ticket_cost import macs_by_kept
from ..errors import RunFailed, UsageError
from ..methods.phases import Prune
from ..models.units import units_of
from ..pruning.align import align_mask
from ..pruning.controls import random_mask_like
from ..pruning.masks import Mask, bn_scores, check_fits
from ..pruning.ticket import Ticket
from ..quantities.ledger import NetworkBill
from ..runs.find import is_run
from ..runs.result import run_result
from ..runs.spec import RunSpec
from .session import Session
from .weights import read_weights

Weights = Optional[Dict[str, torch.Tensor]]


def draw_ticket(session: Session, phase: Prune, ticket_file: Optional[Path]) -> Tuple[Ticket, Weights]:
    """The ticket that `phase` asks for, and its network's weights where they come from a file."""
    spec = session.spec
    if ticket_file is not None:
        given = check_ticket(ticket_file, spec, session.model)
        if phase.choose == "random":
            return given.with_mask(random_mask_like(given.mask, spec.seed), criterion="random"), None
        return given, read_weights(_weights_file(ticket_file)) if phase.weights == "inherit" else None
    search = session.search
    if search is None or search.mask is None:
        raise RunFailed("no ticket can be drawn before a search has run.")
    mask = _aligned(session, search.mask)
    if phase.choose == "random":
        mask = random_mask_like(mask, spec.seed)
    ticket = Ticket.from_mask(
        mask,
        spec.prune_ratio,
        draw_epoch=search.epoch if spec.draw_epoch is None else spec.draw_epoch,
        criterion="random" if phase.choose == "random" else "bn-scale",
        distances=tuple(search.distances),
        align=spec.align,
        notes={} if search.ticket is not None else {"forced": "the search ended before the mask had settled"},
    )
    return ticket, None


def check_ticket(file: Path, spec: RunSpec, model: nn.Module) -> Ticket:
    """The ticket in `file`; UsageError where it does not fit the run: another network, no draw epoch, no weights."""
    ticket = Ticket.load(file)
    check_fits({unit.name: unit.channels for unit in units_of(model)}, ticket.widths)
    if spec.method == "eb-ff":
        hint = "Use --method eb-reinit, which starts fresh."
        if ticket.draw_epoch is None:
            raise UsageError("the ticket does not say at which epoch it was drawn.", hint)
        if ticket.draw_epoch >= spec.epochs:
            raise UsageError(f"the ticket was drawn after epoch {ticket.draw_epoch} of {spec.epochs}.", hint)
        if not _weights_file(file).is_file():
            raise UsageError(f"the ticket has no weights beside it ('{_weights_file(file)}').", hint)
    return ticket


def ticket_facts(ticket: Ticket, phase: Prune, dense: NetworkBill, ticket_file: Optional[Path]) -> Dict[str, Any]:
    """What the marks keep of a ticket; of a given one also what its search cost, and where that ran."""
    widths = {name: [len(kept), ticket.widths[name]] for name, kept in ticket.kept.items()}
    return {
        "draw_epoch": ticket.draw_epoch,
        "forced": "forced" in ticket.notes,
        "given": ticket_file is not None,
        "choose": phase.choose,
        "align": ticket.align,
        "kept": sum(kept for kept, _ in widths.values()),
        "total": sum(total for _, total in widths.values()),
        "widths": widths,
        "dense": {"parameters": dense.parameters, "macs": dense.macs, "flops": 2 * dense.macs},
        "dense_bill": None if ticket_file is None else dense.to_json(),
        "elsewhere": None if ticket_file is None else _search_elsewhere(ticket_file),
    }


def _search_elsewhere(file: Path) -> Optional[Dict[str, Any]]:
    """What the run beside the ticket file says of its search; None where the file came alone."""
    if not is_run(file.parent):
        return None
    result = run_result(file.parent)
    search = [row for row in result["phases"] if row["phase"] == "search"]
    if not search:
        return None
    device = result["device"]
    row = {name: search[0][name] for name in ("epochs", "seconds", "flops", "energy")}
    return {"run": result["name"], "device": device["name"], "host": device["host"], **row}


def _aligned(session: Session, mask: Mask) -> Mask:
    if session.spec.align == 1:
        return mask
    cost = macs_by_kept(network_bill(session.model, session.image_shape), units_of(session.model))
    return align_mask(mask, bn_scores(session.model), session.spec.align, cost)


def _weights_file(ticket_file: Path) -> Path:
    return ticket_file.with_name("ticket.safetensors")
