"""What a run will do, before it is done: its planned work, with an assumed draw in the place of what only a run finds.

Assumed, where no ticket says otherwise: every layer loses the share p of its channels, and a search ends after the
epoch that was named, or else after an eighth of the schedule, as `--measure-epochs` assumes.
"""

import dataclasses
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from torch import nn

from ..costs.bill import network_bill
from ..data.catalog import DataInfo
from ..errors import UsageError
from ..execution.match import match_run
from ..execution.method_settings import ASSUMED_DRAW
from ..execution.resolve import resolve
from ..execution.settings import Settings
from ..methods.catalog import method_info, recipe_of
from ..methods.network import Networks, data_info
from ..methods.phases import MaskWeights, Prune, Train
from ..methods.planned_ledger import Draws, PlannedPhase, planned_phases, sum_of_phases
from ..methods.uniform import BY_LAYER, uniform_kept
from ..models.units import units_of
from ..pruning.masks import check_fits
from ..pruning.ticket import Ticket
from ..quantities.ledger import MATRIX_KINDS, Ledger
from ..runs.spec import RunSpec

Kept = Tuple[Tuple[str, int], ...]


class Plan(NamedTuple):
    """A run's work, and the network of each training phase: kept channels by unit, empty for the dense network.

    phases: of the recipe, layer by layer; ledger: their sum. precisions: in what each training phase computes.
    assumed: what of it is assumed, in words, or nothing. reference: the run whose dense training this one is an
    alternative to: itself, or what it is matched to.
    """

    spec: RunSpec
    settings: Settings
    data: DataInfo
    phases: Tuple[PlannedPhase, ...]
    ledger: Ledger
    networks: Mapping[str, Kept]
    precisions: Mapping[str, str]
    draws: Draws
    assumed: str
    reference: RunSpec

    @property
    def ratio(self) -> Optional[float]:
        """What is pruned, here or by the run that this one is matched to; None where the method prunes nothing or has
        rates of its own."""
        if self.reference is not self.spec:
            return self.reference.prune_ratio
        prunes = any(isinstance(one.phase, (Prune, MaskWeights)) or _gradual(one) for one in self.phases)
        return self.spec.prune_ratio if prunes and self.spec.filter_rates is None else None


def _gradual(planned: PlannedPhase) -> bool:
    return isinstance(planned.phase, Train) and planned.phase.gradual is not None


class Found(NamedTuple):
    """What is taken for what only a run finds out. draw_epoch: of searches. ticket: the channels that a pruning
    leaves, and the draw epoch where that is None."""

    draw_epoch: Optional[int] = None
    ticket: Optional[Ticket] = None


def plan(
    options: Mapping[str, Any],
    matched: Optional[Plan] = None,
    found: Optional[Found] = None,
    networks: Optional[Networks] = None,
) -> Plan:
    """The plan of the run that `options` (as `execution.resolve` takes them) mean.

    matched: the plan of the run that it is matched to, where that is not done. networks: those of other plans.
    UsageError where it cannot be matched, and for a ticket of another network or a draw after the schedule's end.
    """
    networks, found = networks or Networks(), found or Found()
    if matched is None:
        spec, settings = resolve(options)
    else:
        whole, settings = resolve({**options, "method": "dense"})
        matches = method_info(options["method"]).matches
        assert matches is not None
        alike = dataclasses.replace(whole, method=options["method"])
        spec = match_run(alike, _as_result(matched, networks), matches, options.get("data_dir"))
    data = data_info(spec, settings.data_dir)
    draws, assumed = assumed_draws(spec, settings, networks.dense(spec, data), found)
    if matched is not None:
        assumed = matched.assumed
    phases = tuple(planned_phases(spec, data, draws, networks))
    return Plan(
        spec,
        settings,
        data,
        phases,
        sum_of_phases(phases),
        {one.phase.name: tuple((one.kept or {}).items()) for one in phases if isinstance(one.phase, Train)},
        {one.phase.name: one.phase.precision for one in phases if isinstance(one.phase, Train)},
        draws,
        assumed,
        spec if matched is None else matched.spec,
    )


def assumed_draws(spec: RunSpec, settings: Settings, dense: nn.Module, found: Found) -> Tuple[Draws, str]:
    """The draw epoch and the kept channels by pruning phase that a plan needs, and what of them is assumed."""
    recipe = recipe_of(spec)
    prunings = [phase for phase in recipe if isinstance(phase, Prune)]
    if settings.ticket_file is not None:
        ticket = Ticket.load(settings.ticket_file)
        given = {phase.name: ticket.kept_counts for phase in prunings}
        return Draws(epoch=ticket.draw_epoch, kept=given), ""
    said: List[str] = []
    if found.ticket is not None and prunings:
        kept = {prunings[0].name: _of_ticket(found.ticket, dense, len(prunings))}
    else:
        kept = {phase.name: uniform_kept(spec, phase, dense) for phase in prunings}
        if any(phase.choose not in BY_LAYER for phase in prunings):
            said.append(f"every layer loses {spec.prune_ratio:g} of its channels")
    searches = [phase for phase in recipe if isinstance(phase, Train) and phase.until is not None]
    epoch = spec.draw_epoch
    if epoch is None:
        drawn = None if found.ticket is None else found.ticket.draw_epoch
        epoch = found.draw_epoch or drawn or max(1, round(ASSUMED_DRAW * spec.epochs))
        if searches and epoch > spec.epochs:
            raise UsageError(f"the draw epoch {epoch} lies after the {spec.epochs} epochs of the schedule.")
        if searches and (drawn is None or epoch != drawn):
            said.append(f"the search ends after epoch {epoch}")
    return Draws(epoch=epoch, kept=kept), " and ".join(said)


def _of_ticket(ticket: Ticket, dense: nn.Module, prunings: int) -> Mapping[str, int]:
    check_fits({unit.name: unit.channels for unit in units_of(dense)}, ticket.widths)
    if prunings > 1:
        raise UsageError("a ticket is drawn once, and this method prunes several times.", "Give --rounds 1.")
    return ticket.kept_counts


def _as_result(planned: Plan, networks: Networks) -> Mapping[str, Any]:
    """The plan in the form of a finished run's result, as far as matching reads it."""
    spec, data = planned.spec, planned.data
    last = planned.phases[-1]
    kept = last.kept is not None
    after = network_bill(last.network, (data.channels, data.size, data.size))
    dense = sum_of_phases(
        planned_phases(dataclasses.replace(spec, method="dense", average=False), data, Draws(), networks)
    )
    return {
        "name": planned.settings.folder.name,
        "spec": spec.to_json(),
        "status": "done",
        "ticket": {} if kept else None,
        "network": {"after": {"macs": after.macs}},
        "useful": _flops(planned.ledger),
        "dense": {**_flops(dense), "epochs": spec.epochs},
    }


def _flops(ledger: Ledger) -> Dict[str, Any]:
    return {
        "flops": ledger.flops(),
        "matrix_flops": ledger.flops(kinds=MATRIX_KINDS),
        "flops_by_precision": ledger.by_precision(),
    }
