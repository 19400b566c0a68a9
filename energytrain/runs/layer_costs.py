"""What each layer of a run's phases did and is modelled to have cost; the phases' energy attributed to the layers.

No meter sees a layer. A phase's headline energy is divided in the proportions of the modelled one, so where it was
measured the parts are attributed, not measured; where it is modelled they are the model's own.
"""

from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..costs.energy_model import item_joules
from ..devices.profile import Profile
from ..quantities.ledger import Work, WorkItem, in_order
from .account import Accountant
from .timeline import USEFUL, Timeline

PASSES = ("forward", "input_grad", "weight_grad", "other")
_WEIGHT = ".weight"  # how a mask of single weights names a layer's


def layer_costs(
    timeline: Timeline, phases: Sequence[Mapping[str, Any]], profile: Optional[Profile]
) -> List[Dict[str, Any]]:
    """A row for each layer of each phase that did any work, in the order of the network; `phases` as in a result.

    phase, layer; kind: of its most FLOPs ("conv", ...; "optimiser" and the like are rows of their own); flops: by pass
    (`PASSES`; "other" is updates, penalties and masks) and in each by precision; flops_by_precision: of all passes;
    bytes; kept, total, unit: what a ticket left of its channels or weights, None where it has none; share: of the
    phase's modelled joules; modelled_joules; joules: the phase's headline energy by that share; provenance: of that
    energy, "attributed" where it is not modelled. share and all joules are None where nothing can be modelled, and then
    `reason` says why.
    """
    accountant = Accountant(timeline, {}, profile, None)
    useful = timeline.useful()
    rows: List[Dict[str, Any]] = []
    for phase in phases:
        spans = [span for span in useful if span.phase == phase["phase"] and span.what in USEFUL]
        found: Dict[str, Dict[str, Any]] = {}
        for work in _merged([part for span in spans for part in accountant.work(span)]):
            _add(found, work, profile)
        tickets = _kept_of(timeline, phase["phase"])
        factor = phase["planned_epochs"] / phase["epochs"] if phase["extrapolated"] else 1.0
        whole = sum(row["modelled"] for row in found.values())
        for layer, row in found.items():
            share = row["modelled"] / whole if whole and profile is not None else None
            rows.append(
                {
                    "phase": phase["phase"],
                    "layer": layer,
                    "kind": max(row["kinds"], key=lambda kind: row["kinds"][kind]),
                    "flops": {name: _scaled(row["flops"][name], factor) for name in PASSES},
                    "flops_by_precision": _scaled(_sum(row["flops"].values()), factor),
                    "bytes": round(row["bytes"] * factor),
                    **tickets.get(layer, {"kept": None, "total": None, "unit": None}),
                    "share": share,
                    **_energies(phase, share, profile),
                }
            )
    return rows


def _energies(phase: Mapping[str, Any], share: Optional[float], profile: Optional[Profile]) -> Dict[str, Any]:
    headline, modelled = phase["energy"], phase["modelled"]
    if share is None:
        reason = "the device has no profile" if profile is None else "the profile gives this phase no energy"
        return {"modelled_joules": None, "joules": None, "provenance": "missing", "reason": reason}
    if headline["joules"] is None:
        provenance = "missing"
    else:
        provenance = "modelled" if headline["provenance"] == "modelled" else "attributed"
    return {
        "modelled_joules": None if modelled["joules"] is None else share * modelled["joules"],
        "joules": None if headline["joules"] is None else share * headline["joules"],
        "provenance": provenance,
        "reason": headline["reason"],
    }


def _merged(work: Sequence[Work]) -> List[Work]:
    """Work on the same items added up, so that each network is gone through once."""
    merged: Dict[Tuple[WorkItem, ...], Tuple[int, int]] = {}
    for items, images, steps in work:
        had = merged.get(items, (0, 0))
        merged[items] = (had[0] + images, had[1] + steps)
    return [(items, images, steps) for items, (images, steps) in merged.items()]


def _add(found: Dict[str, Dict[str, Any]], work: Work, profile: Optional[Profile]) -> None:
    items, images, steps = work
    joules = [0.0] * len(items) if profile is None else item_joules(items, images, steps, profile)
    for item, energy in zip(items, joules):
        row = found.setdefault(
            item.layer,
            {"kinds": {}, "flops": {name: {} for name in PASSES}, "bytes": 0, "modelled": 0.0},
        )
        flops = item.flops_per_image * images + item.flops_per_step * steps
        row["kinds"][item.kind] = row["kinds"].get(item.kind, 0) + flops
        done = row["flops"][item.stage if item.stage in PASSES else "other"]
        done[item.precision] = done.get(item.precision, 0) + flops
        row["bytes"] += item.bytes_per_image * images + item.bytes_per_step * steps
        row["modelled"] += energy


def _sum(parts: Iterable[Mapping[str, int]]) -> Dict[str, int]:
    found: Dict[str, int] = {}
    for part in parts:
        for precision, flops in part.items():
            found[precision] = found.get(precision, 0) + flops
    return found


def _scaled(flops: Mapping[str, int], factor: float) -> Dict[str, int]:
    return in_order({precision: round(done * factor) for precision, done in flops.items()})


def _kept_of(timeline: Timeline, phase: str) -> Dict[str, Dict[str, Any]]:
    """By layer what the ticket that a phase trains has kept; in a dense phase all that the last ticket chose from."""
    mark = timeline.phases.get(phase)
    if mark is None:
        return {}
    when = (mark["attempt"], mark["t"])
    if mark["role"] == "dense":
        ticket = timeline.ticket
    else:
        before = [t for t in timeline.tickets.values() if (t["attempt"], t["t"]) <= when]
        ticket = max(before, key=lambda t: (t["attempt"], t["t"]), default=None)
    if ticket is None:
        return {}
    unit = ticket.get("unit", "channels")
    return {
        name[: -len(_WEIGHT)] if name.endswith(_WEIGHT) else name: {
            "kept": total if mark["role"] == "dense" else kept,
            "total": total,
            "unit": unit,
        }
        for name, (kept, total) in ticket["widths"].items()
    }
