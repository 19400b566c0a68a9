"""What a run will do, before it is done: its planned work, with an assumed draw in the place of what only a run finds.

Assumed: every layer loses the share p of its channels, and a search ends after an eighth of the schedule, as
`--measure-epochs` assumes.
"""

import dataclasses
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple

from ..costs.bill import network_bill
from ..data.catalog import DataInfo
from ..execution.match import match_run
from ..execution.method_settings import ASSUMED_DRAW
from ..execution.resolve import resolve
from ..execution.settings import Settings
from ..methods.catalog import method_info, recipe_of
from ..methods.network import data_info, dense_network
from ..methods.phases import Prune, Train
from ..methods.planned_ledger import Draws, planned_ledger
from ..models.units import units_of
from ..pruning.rebuild import shrink
from ..pruning.ticket import Ticket
from ..quantities.ledger import MATRIX_KINDS, Ledger
from ..runs.spec import RunSpec

Kept = Tuple[Tuple[str, int], ...]


class Plan(NamedTuple):
    """A run's work, and the network of each training phase: kept channels by unit, empty for the dense network.

    precisions: in what each training phase computes. assumed: what of it is assumed, in words, or nothing.
    """

    spec: RunSpec
    settings: Settings
    ledger: Ledger
    networks: Mapping[str, Kept]
    precisions: Mapping[str, str]
    draws: Draws
    assumed: str


def plan(options: Mapping[str, Any], matched: Optional[Plan] = None) -> Plan:
    """The plan of the run that `options` (as `execution.resolve` takes them) mean.

    matched: the plan of the run that it is matched to, where that is not done; UsageError where it cannot be matched.
    """
    if matched is None:
        spec, settings = resolve(options)
    else:
        whole, settings = resolve({**options, "method": "dense"})
        matches = method_info(options["method"]).matches
        assert matches is not None
        alike = dataclasses.replace(whole, method=options["method"])
        spec = match_run(alike, _as_result(matched), matches, options.get("data_dir"))
    data = data_info(spec, settings.data_dir)
    draws, assumed = assumed_draws(spec, settings, data)
    if matched is not None:
        assumed = matched.assumed
    precisions = {phase.name: phase.precision for phase in recipe_of(spec) if isinstance(phase, Train)}
    return Plan(spec, settings, planned_ledger(spec, data, draws), _networks(spec, draws), precisions, draws, assumed)


def assumed_draws(spec: RunSpec, settings: Settings, data: DataInfo) -> Tuple[Draws, str]:
    """The draw epoch and the kept channels by pruning phase that a plan needs, and what of them is assumed."""
    prunings = [phase for phase in recipe_of(spec) if isinstance(phase, Prune)]
    if settings.ticket_file is not None:
        ticket = Ticket.load(settings.ticket_file)
        given = {phase.name: ticket.kept_counts for phase in prunings}
        return Draws(epoch=ticket.draw_epoch, kept=given), ""
    widths = {unit.name: unit.channels for unit in units_of(dense_network(spec, data))} if prunings else {}
    kept: Dict[str, Dict[str, int]] = {}
    for phase in prunings:
        ratio = spec.prune_ratio if phase.prune_ratio is None else phase.prune_ratio
        kept[phase.name] = {name: _kept(width, ratio, spec.align) for name, width in widths.items()}
    said = [] if not prunings else [f"every layer loses {spec.prune_ratio:g} of its channels"]
    searches = [phase for phase in recipe_of(spec) if isinstance(phase, Train) and phase.until is not None]
    epoch = spec.draw_epoch
    if epoch is None:
        epoch = max(1, round(ASSUMED_DRAW * spec.epochs))
        said += [f"the search ends after epoch {epoch}"] if searches else []
    return Draws(epoch=epoch, kept=kept), " and ".join(said)


def _kept(width: int, ratio: float, align: int) -> int:
    """Of one layer, as near to its share as whole multiples of `align` allow."""
    exact = max(1, width - int(ratio * width))
    return max(min(align, width), min(width, round(exact / align) * align))


def _networks(spec: RunSpec, draws: Draws) -> Mapping[str, Kept]:
    found: Dict[str, Kept] = {}
    kept: Kept = ()
    for phase in recipe_of(spec):
        if isinstance(phase, Prune):
            kept = tuple(draws.kept[phase.name].items())
        elif isinstance(phase, Train):
            found[phase.name] = kept
    return found


def _as_result(planned: Plan) -> Mapping[str, Any]:
    """The plan in the form of a finished run's result, as far as matching reads it."""
    spec, data = planned.spec, data_info(planned.spec, planned.settings.data_dir)
    kept = dict(list(planned.networks.values())[-1])
    whole = dense_network(spec, data)
    after = network_bill(shrink(whole, kept) if kept else whole, (data.channels, data.size, data.size))
    dense = planned_ledger(dataclasses.replace(spec, method="dense", average=False), data)
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
