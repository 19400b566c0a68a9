"""Which ticket a pruning puts in the network's place: the search's own, a criterion's, a random or a given one."""

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import torch
from torch import nn

from ..costs.bill import network_bill
from ..costs.ticket_cost import macs_by_kept
from ..errors import RunFailed, UsageError
from ..methods.catalog import method_info
from ..methods.phases import Prune
from ..models.units import units_of
from ..pruning.align import Cost, align_mask
from ..pruning.controls import random_mask_like
from ..pruning.early_bird import EarlyBird
from ..pruning.masks import Mask, bn_scale_mask, bn_scores, check_fits, global_mask
from ..pruning.ticket import Ticket
from ..pruning.weight_masks import check_weights_fit
from ..pruning.weight_ticket import WeightTicket, is_weight_ticket
from ..quantities.ledger import NetworkBill
from ..runs.find import is_run
from ..runs.result import run_result
from ..runs.spec import RunSpec
from .auto_ratio import choose_ratio
from .criteria import channel_mask
from .session import Session
from .weights import read_weights

Weights = Optional[Dict[str, torch.Tensor]]


def draw_ticket(
    session: Session, phase: Prune, ticket_file: Optional[Path], on_step: Callable[[int], None]
) -> Tuple[Ticket, Weights, List[Dict[str, Any]]]:
    """The ticket that `phase` asks for, its network's weights where they come from a file, and the checks made for it.

    on_step: told of the steps of training that a choice takes.
    """
    spec = session.spec
    if ticket_file is not None:
        given = _channel_ticket(ticket_file, spec, session.model)
        if phase.choose == "random":
            return given.with_mask(random_mask_like(given.mask, spec.seed), criterion="random"), None, []
        return given, read_weights(weights_file(ticket_file)) if phase.weights == "inherit" else None, []
    if phase.choose in ("drawn", "random") and spec.accuracy_budget is None:
        return _drawn(session, phase), None, []
    if phase.choose in ("drawn", "random"):
        return _chosen(session, on_step)
    mask, scores = channel_mask(session, phase)
    if scores is not None:
        mask = _aligned(session, mask, scores)
    ratio = phase.prune_ratio
    if spec.filter_rates is not None:  # published by layer: what they come to
        ratio = 1.0 - sum(map(int, (part.sum() for part in mask.values()))) / sum(map(len, mask.values()))
    assert ratio is not None
    ticket = Ticket.from_mask(
        mask,
        ratio,
        draw_epoch=0 if phase.choose == "snip" else trained_epochs(spec),
        criterion=phase.choose,
        align=1 if scores is None else spec.align,
    )
    return ticket, None, []


def trained_epochs(spec: RunSpec) -> int:
    """How many epochs the training that comes before a pruning has."""
    if spec.search != "fixed":
        return spec.epochs
    assert spec.draw_epoch is not None
    return spec.draw_epoch


def _drawn(session: Session, phase: Prune) -> Ticket:
    """The ticket of the search that has just ended."""
    spec, search = session.spec, session.search
    if search is None or search.epoch == 0:
        raise RunFailed("no ticket can be drawn before a search has run.")
    found = search.mask if isinstance(search, EarlyBird) else bn_scale_mask(session.model, spec.prune_ratio)
    settled = search.ticket is not None if isinstance(search, EarlyBird) else search.drawn
    assert found is not None
    mask = _aligned(session, found, bn_scores(session.model))
    if phase.choose == "random":
        mask = random_mask_like(mask, spec.seed)
    unsettled = "the mask had settled" if isinstance(search, EarlyBird) else "the check had saturated"
    return Ticket.from_mask(
        mask,
        spec.prune_ratio,
        draw_epoch=session.draw_epoch,
        criterion="random" if phase.choose == "random" else "bn-scale",
        distances=tuple(search.distances) if isinstance(search, EarlyBird) else (),
        align=spec.align,
        notes={} if settled or spec.search == "fixed" else {"forced": f"the search ended before {unsettled}"},
    )


def _chosen(session: Session, on_step: Callable[[int], None]) -> Tuple[Ticket, Weights, List[Dict[str, Any]]]:
    """The ticket of the search at the ratio that keeps the accuracy budget."""
    spec, scores, cost = session.spec, bn_scores(session.model), _cost(session)

    def mask_at(ratio: float) -> Mask:
        return _aligned(session, global_mask(scores, ratio), scores, cost)

    drawn = _drawn(session, Prune())
    chosen = choose_ratio(session, mask_at, on_step)
    notes = dict(drawn.notes)
    if not chosen.kept_budget:
        notes["budget"] = f"no prune ratio kept the budget of {spec.accuracy_budget:g} points; the smallest was taken"
    return drawn.with_mask(chosen.mask, prune_ratio=chosen.prune_ratio, notes=notes), None, chosen.checks


def check_ticket(file: Path, spec: RunSpec, model: nn.Module) -> None:
    """UsageError where the ticket in `file` is not the run's: another network or kind, no draw epoch, no weights."""
    if method_info(spec.method).weights:
        check_weights_fit(model, WeightTicket.load(file).mask)
        _require_weights(file, "Name a run that masked weights.")
        return
    if is_weight_ticket(file):
        raise UsageError(f"{file} is a ticket of single weights, and {spec.method} takes channels.", "Use --method lt.")
    _channel_ticket(file, spec, model)


def _channel_ticket(file: Path, spec: RunSpec, model: nn.Module) -> Ticket:
    ticket = Ticket.load(file)
    check_fits({unit.name: unit.channels for unit in units_of(model)}, ticket.widths)
    if method_info(spec.method).module == "eb_ff":
        hint = "Use --method eb-reinit, which starts fresh."
        if ticket.draw_epoch is None:
            raise UsageError("the ticket does not say at which epoch it was drawn.", hint)
        if ticket.draw_epoch >= spec.epochs and spec.retrain == "own":
            raise UsageError(f"the ticket was drawn after epoch {ticket.draw_epoch} of {spec.epochs}.", hint)
        _require_weights(file, hint)
    return ticket


def _require_weights(file: Path, hint: str) -> None:
    if not weights_file(file).is_file():
        raise UsageError(f"the ticket has no weights beside it ('{weights_file(file)}').", hint)


def ticket_facts(
    ticket: Ticket, phase: Prune, dense: NetworkBill, ticket_file: Optional[Path], trained: bool
) -> Dict[str, Any]:
    """What the marks keep of a ticket; of a given one also what its search cost, and where that ran.

    dense: the whole network's bill; kept where no dense network was `trained` in this run.
    """
    widths = {name: [len(kept), ticket.widths[name]] for name, kept in ticket.kept.items()}
    return {
        "phase": phase.name,
        "unit": "channels",
        "criterion": ticket.criterion,
        "draw_epoch": ticket.draw_epoch,
        "forced": "forced" in ticket.notes,
        "prune_ratio": ticket.prune_ratio,
        "over_budget": ticket.notes.get("budget"),
        "given": ticket_file is not None,
        "choose": phase.choose,
        "align": ticket.align,
        "kept": sum(kept for kept, _ in widths.values()),
        "total": sum(total for _, total in widths.values()),
        "widths": widths,
        "dense": dense.size(),
        "dense_bill": None if trained else dense.to_json(),
        "elsewhere": None if ticket_file is None else search_elsewhere(ticket_file),
    }


def search_elsewhere(file: Path) -> Optional[Dict[str, Any]]:
    """What the run beside the ticket file says of the training before it; None where the file came alone."""
    if not is_run(file.parent):
        return None
    result = run_result(file.parent)
    search = [row for row in result["phases"] if row["phase"] in ("search", "train")]
    if not search:
        return None
    device = result["device"]
    row = {name: search[0][name] for name in ("epochs", "seconds", "flops", "flops_by_precision", "energy")}
    return {"run": result["name"], "device": device["name"], "host": device["host"], **row}


def _aligned(session: Session, mask: Mask, scores: Mapping[str, torch.Tensor], cost: Optional[Cost] = None) -> Mask:
    """The mask with aligned counts, of the channels that the present network has; `cost`: `_cost` where it is known."""
    if session.spec.align == 1:
        return mask
    left, cost = session.present, cost or _cost(session)
    inner = {name: mask[name][kept] for name, kept in left.items()}
    aligned = align_mask(inner, {name: scores[name][kept] for name, kept in left.items()}, session.spec.align, cost)
    return session.over_dense(aligned)


def _cost(session: Session) -> Cost:
    """The present network's multiply-adds by its kept channels."""
    return macs_by_kept(network_bill(session.model, session.image_shape), units_of(session.model))


def weights_file(ticket_file: Path) -> Path:
    return ticket_file.with_name("ticket.safetensors")
