"""A plan as rows of FLOPs, seconds and joules on a device's profile, in the form that a run's result has.

Layer by layer and phase by phase as a run is modelled (`runs.account`): planned with what a finished run drew, every
figure is that run's modelled one. So reports read a plan as they read a result, and when a search is repaid follows
from the one rule for both (`reports.comparing.repayment`).
"""

import dataclasses
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..costs.energy_model import MODEL_VERSION, parts_of, predict
from ..costs.fp32_twin import is_emulated
from ..data.batching import epoch_size
from ..devices.profile import Profile
from ..devices.setup import load_setup
from ..methods.network import Networks
from ..methods.phase_work import bill_in
from ..methods.phases import Rewind
from ..methods.planned_ledger import PlannedPhase
from ..quantities.energy import Energy, total
from ..quantities.ledger import Ledger, NetworkBill, Work, spend
from ..runs.account import NO_WORK
from ..runs.emulation import what_if_of
from ..runs.inference import DENSE, TICKET, Network, inference_precision, modelled_inference
from ..runs.rows import Row, sum_of_rows
from .estimate import Plan

NOT_RUN = Energy.missing("it is planned, and was not run")
NO_PROFILE = "the device has no profile, so nothing can be modelled"


def planned_rows(plan: Plan, profile: Optional[Profile]) -> Tuple[Row, ...]:
    """A row for each phase but rewinding, which is no work."""
    emulated = any(is_emulated(items) for phase in plan.phases for items, _, _ in phase.work)
    return tuple(_row(one, profile, emulated) for one in plan.phases if not isinstance(one.phase, Rewind))


def useful_row(rows: Sequence[Row]) -> Row:
    """All phases together."""
    return sum_of_rows("useful", rows)


def planned_result(plan: Plan, profile: Optional[Profile], networks: Optional[Networks] = None) -> Dict[str, Any]:
    """The plan in the form of a run's result, as far as a plan has it: no accuracy, nothing measured, all `modelled`.

    networks: those that it was planned with. Beside a result's it has the key "plan": "prune_ratio", "assumed" (in
    words), "draw_epoch" (of a search, else None), "epochs" (all that are trained), "factor" (by which the truth may lie
    above or below a modelled figure, None without a profile) and "profile_title".
    """
    networks = networks or Networks()
    rows = planned_rows(plan, profile)
    useful, spec = useful_row(rows), plan.spec
    before, after = (_bill(model, plan) for model in (networks.dense(spec, plan.data), plan.phases[-1].network))
    pruned = plan.phases[-1].kept is not None
    emulated = any(row.emulated for row in rows)
    searches = any(getattr(one.phase, "until", None) is not None for one in plan.phases)
    draw = plan.draws.epoch if searches else None
    return {
        "name": _name(plan),
        "spec": spec.to_json(),
        "status": "planned",
        "device": {
            "name": _device(spec.device, profile),
            "profile": None if profile is None else profile.name,
            "here": False,
        },
        "energy_model": MODEL_VERSION,
        "headline": "modelled",
        "phases": [row.to_json("modelled") for row in rows],
        "useful": useful.to_json("modelled"),
        "dense": _dense(plan, profile, networks).to_json("modelled"),
        "what_if": what_if_of(useful, rows, profile, None) if emulated else None,
        "ticket": {"draw_epoch": draw, "prune_ratio": plan.ratio} if pruned else None,
        "network": {"before": before.size(), "after": after.size()},
        "inference": _inference(plan, before, after if pruned else None, profile),
        "plan": {
            "prune_ratio": plan.ratio,
            "assumed": plan.assumed,
            "draw_epoch": draw,
            "epochs": sum(one.epochs for one in plan.phases),
            "factor": None if profile is None else profile.bounds_factor,
            "profile_title": None if profile is None else profile.title,
        },
    }


def _device(setup: str, profile: Optional[Profile]) -> str:
    """The device by its setup's name; a card that has a profile and no setup of its own by the profile's."""
    return setup if profile is None or load_setup(setup).profile is not None else profile.name


def _name(plan: Plan) -> str:
    """What the plan is of, for people."""
    return plan.spec.method if plan.ratio is None else f"{plan.spec.method} p={plan.ratio:g}"


def _row(planned: PlannedPhase, profile: Optional[Profile], emulated: bool) -> Row:
    work: Dict[Any, Tuple[int, int]] = {}
    for items, images, steps in planned.work:  # the same items in one sum, as a run tallies them
        had = work.get(items, (0, 0))
        work[items] = (had[0] + images, had[1] + steps)
    summed = [(items, images, steps) for items, (images, steps) in work.items()]
    row = _modelled(planned.phase.name, planned.epochs, planned.images, summed, profile)
    if profile is None or not emulated:
        return row
    return dataclasses.replace(row, parts=tuple(parts_of(*one, profile) for one in summed))


def _modelled(name: str, epochs: int, images: int, work: List[Work], profile: Optional[Profile]) -> Row:
    ledger = Ledger()
    for one in work:
        ledger = ledger + spend(one[0], name, one[1], one[2])
    if profile is None or not work:
        missing = Energy.missing(NO_PROFILE if profile is None else NO_WORK)
        return Row(name, epochs, 0.0, images, ledger, NOT_RUN, missing, None, epochs)
    costs = [predict(items, seen, steps, profile) for items, seen, steps in work]
    seconds = sum(cost.seconds for cost in costs)
    return Row(name, epochs, seconds, images, ledger, NOT_RUN, total(c.energy for c in costs), seconds, epochs)


def _dense(plan: Plan, profile: Optional[Profile], networks: Networks) -> Row:
    """The whole schedule on the dense network instead; never in emulated precision."""
    reference = plan.reference
    bill = _bill(networks.dense(reference, plan.data), plan)
    images, steps, _ = epoch_size(plan.data.train_images, reference.batch_size)
    epochs = reference.epochs
    return _modelled("dense", epochs, images * epochs, [(bill.training, images * epochs, steps * epochs)], profile)


def _bill(model: Any, plan: Plan) -> NetworkBill:
    """Of a network in the precision of the run, or in fp32 where that is only emulated."""
    data = plan.data
    return bill_in(inference_precision(plan.spec.precision), model, (data.channels, data.size, data.size))


def _inference(
    plan: Plan, before: NetworkBill, after: Optional[NetworkBill], profile: Optional[Profile]
) -> List[Dict[str, Any]]:
    precision = inference_precision(plan.spec.precision)
    networks = {DENSE: Network(before.evaluation, precision)}
    if after is not None:
        networks[TICKET] = Network(after.evaluation, precision)
    return modelled_inference(networks, profile)
