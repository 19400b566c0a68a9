"""Carries out the phases that choose: a network's replacement by its ticket, masked weights, a rewinding."""

from typing import TYPE_CHECKING, Union

from safetensors.torch import save_file

from ..data.batching import epoch_size
from ..errors import RunFailed, UsageError
from ..methods.catalog import search_precision
from ..methods.phase_work import bill_in, masked_names, masking_work, pruning_work, ratio_check_work, saliency_images
from ..methods.phases import FRESH, MaskWeights, Prune, Rewind, Train
from ..pruning.pseudo_prune import PseudoPruneSearch
from ..pruning.saliency import snip_scores
from ..pruning.ticket import Ticket
from ..pruning.weight_masks import check_weights_fit, global_weight_mask, magnitude_mask
from ..pruning.weight_ticket import WeightTicket
from ..quantities.ledger import work_to_json
from .criteria import first_batch
from .drawing import draw_ticket, search_elsewhere, ticket_facts, trained_epochs, weights_file
from .weights import read_weights

if TYPE_CHECKING:
    from .phases import Runner


def prune(runner: "Runner", phase: Prune) -> None:
    """Draw the ticket that `phase` asks for and put its network in the place of the present one."""
    session, info = runner.session, runner.session.data.info
    with runner.marks.span(phase.name, None, "pruning") as facts:
        before = session.model
        searched_in = search_precision(session.spec)
        bill = bill_in(searched_in, session.dense_network(), session.image_shape)
        ticket, weights, checks = draw_ticket(session, phase, runner.ticket_file, lambda step: _beat(runner, step))
        work = pruning_work(before, info, session.spec, phase, ticket.kept_counts)
        work += ratio_check_work(before, info, session.spec, searched_in, checks)
        facts["work"] = work_to_json(work)
        session.become_ticket(ticket, weights, fresh=phase.weights == "fresh")
    session.phase, session.epoch = session.phase + 1, None
    runner.live.add_work(work)
    facts = ticket_facts(ticket, phase, bill, runner.ticket_file, runner.has_trained)
    runner.marks.mark("ticket", **facts, checks=checks)
    _evaluate_last(runner, phase.name)
    with runner.marks.span(phase.name, None, "checkpoint"):
        _store(runner, ticket)
        session.save(runner.store)


def mask_weights(runner: "Runner", phase: MaskWeights) -> None:
    """Choose single weights, set them to zero and hold them there."""
    session, spec = runner.session, runner.session.spec
    with runner.marks.span(phase.name, None, "pruning") as facts:
        ticket = _weight_ticket(runner, phase)
        if phase.criterion != "given":
            work = masking_work(session.model, session.data.info, spec, phase)
            facts["work"] = work_to_json(work)
            runner.live.add_work(work)
        session.hold_weights(ticket.mask)
    session.phase, session.epoch = session.phase + 1, None
    _note(runner, ticket, phase.name, given=phase.criterion == "given")
    runner.save(phase.name, None)


def note_gradual(runner: "Runner", phase: Train) -> None:
    """Write down what a gradual pruning has come to."""
    session = runner.session
    assert session.weight_mask is not None and phase.gradual is not None
    ticket = WeightTicket(session.weight_mask, phase.gradual.prune_ratio, "magnitude", session.epoch)
    unsettled = isinstance(session.search, PseudoPruneSearch) and not session.search.drawn
    _note(runner, ticket, phase.name, forced=unsettled)


def _note(runner: "Runner", ticket: WeightTicket, phase: str, given: bool = False, forced: bool = False) -> None:
    """The mark of a ticket of weights, and its files."""
    bill = runner.session.bill()
    runner.marks.mark(
        "ticket",
        **ticket.facts(),
        phase=phase,
        search_epoch=runner.session.draw_epoch,
        given=given,
        dense=bill.size(),
        dense_bill=None if runner.has_trained else bill.to_json(),
        elsewhere=search_elsewhere(runner.ticket_file) if given and runner.ticket_file is not None else None,
        forced=forced,
        align=1,
    )
    with runner.marks.span(phase, None, "checkpoint"):
        _store(runner, ticket)


def rewind(runner: "Runner", phase: Rewind) -> None:
    """Take weights and optimiser back to a kept state, or begin with fresh ones; what is pruned stays pruned."""
    session = runner.session
    with runner.marks.span(phase.name, None, "rewinding"):
        if phase.to == FRESH:
            session.rewind(None)
        else:
            kept = runner.rewind_store.load(int(phase.to))
            if kept is None:
                raise RunFailed(
                    f"the state before epoch {phase.to} was not kept: training did not come that far.",
                    "Give a smaller --rewind-epoch or a larger --retrain-epochs.",
                )
            session.rewind(kept)
    session.phase, session.epoch = session.phase + 1, None
    runner.save(phase.name, None)


def _weight_ticket(runner: "Runner", phase: MaskWeights) -> WeightTicket:
    session = runner.session
    model = session.model
    if phase.criterion == "given":
        if runner.ticket_file is None:
            raise UsageError("no ticket was given.", "Give --ticket.")
        ticket = WeightTicket.load(runner.ticket_file)
        check_weights_fit(model, ticket.mask)
        model.load_state_dict(read_weights(weights_file(runner.ticket_file)))
        return ticket
    names = masked_names(model, phase.criterion, phase.skip_ends)
    if phase.criterion == "snip":
        scores = snip_scores(model, *first_batch(session, saliency_images(session.spec, session.data.info)))
        return WeightTicket(global_weight_mask(scores, phase.prune_ratio), phase.prune_ratio, "snip", 0)
    mask = magnitude_mask(model, phase.prune_ratio, names, within=session.weight_mask)
    return WeightTicket(mask, phase.prune_ratio, "magnitude", trained_epochs(session.spec))


def _beat(runner: "Runner", step: int) -> None:
    """A choice that trains says that it is alive; its work is counted when it is done."""
    runner.marks.beat(0, 0)
    runner.listener.step(step + 1, epoch_size(len(runner.session.data.train), runner.session.spec.batch_size)[1])


def _evaluate_last(runner: "Runner", name: str) -> None:
    """Where no epoch follows, the network is judged after its pruning."""
    session = runner.session
    if any(not runner.is_over(phase) for phase in runner.recipe[session.phase :]):
        return
    bill = session.bill()
    runner.mark_phase(name, 0, bill)
    runner.evaluate(name, 0, bill, session.spec.precision)


def _store(runner: "Runner", ticket: Union[Ticket, WeightTicket]) -> None:
    """The ticket's files, and beside them the weights of its network."""
    ticket.save(runner.folder / "ticket.json")
    state = runner.session.model.state_dict()
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    save_file(weights, str(runner.folder / "ticket.safetensors"))
