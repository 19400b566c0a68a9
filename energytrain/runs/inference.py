"""What an image costs networks that are only used, the dense and the trained one: latency, images a second, joules.

Measured where the run took the phase `infer` (`execution.inference`): a window for each network and batch, whose joules
come from marks and trace like all others. Modelled in any case, from the forward pass's work and the device's profile.
"""

from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ..costs.energy_model import predict
from ..costs.fp32_twin import EMULATED, fp32_twin, is_emulated
from ..devices.profile import Profile
from ..quantities.energy import Energy, Provenance
from ..quantities.ledger import NetworkBill, WorkItem
from .timeline import INFERENCE, Span, Timeline

DENSE, TICKET = "dense", "ticket"
BATCHES = (1, 32)

EnergyBetween = Callable[[int, int, int], Energy]


class Network(NamedTuple):
    """items: the work of its forward pass in evaluation mode, in `precision`."""

    items: Tuple[WorkItem, ...]
    precision: str


def inference_precision(precision: str) -> str:
    """The precision of inference in a run of `precision`: block floating point is only emulated, so fp32 instead."""
    return "fp32" if precision == EMULATED else precision


def inference_of(
    timeline: Timeline, precision: str, here: bool, energy_between: EnergyBetween, profile: Optional[Profile]
) -> List[Dict[str, Any]]:
    """A row for each network and batch; none before a network is known.

    precision: the run's. here: whether the run's device is this machine, so that what was drawn here is its own.
    energy_between: the measured energy of an attempt from one moment to another.
    Of a row, images is how many the window had (0: it was not measured) and latency_seconds of one batch, both
    energies of one image; modelled_seconds are those of one batch.
    """
    windows = windows_of(timeline) if here else {}
    rows = modelled_inference(_networks(timeline, precision), profile)
    for row in rows:
        row.update(_measured(windows.get((row["network"], row["batch"])), here, energy_between))
    return rows


def modelled_inference(networks: Mapping[str, Network], profile: Optional[Profile]) -> List[Dict[str, Any]]:
    """A row for each of `networks`, by name, and batch, as `inference_of` has them, of which nothing was measured."""
    rows = []
    for name, network in networks.items():
        for batch in BATCHES:
            modelled, seconds = _modelled(network, batch, profile)
            rows.append(
                {
                    "network": name,
                    "batch": batch,
                    "precision": network.precision,
                    **_not_measured("no inference was measured: it is planned"),
                    "modelled_an_image": modelled.to_json(),
                    "modelled_seconds": seconds,
                }
            )
    return rows


def windows_of(timeline: Timeline) -> Dict[Tuple[str, int], Span]:
    """The whole windows of inference by network and batch."""
    whole = [span for span in timeline.useful() if span.what == INFERENCE]
    return {(str(span.marks["network"]), int(span.marks["batch"])): span for span in whole}


def left_to_infer(result: Mapping[str, Any]) -> bool:
    """Whether a finished run lacks windows of inference that its device, which was here, could measure."""
    return bool(result["device"]["here"]) and any(row["images"] == 0 for row in result["inference"] or ())


def _networks(timeline: Timeline, precision: str) -> Dict[str, Network]:
    """The dense network, and the trained one where it is another: as they were measured, else by the phases' bills."""
    marks = list(timeline.phases.values())
    if not marks:
        return {}
    trained = marks[-1]
    bills = {DENSE: next((mark["bill"] for mark in marks if mark["role"] != "ticket"), None)}
    if bills[DENSE] is None:
        bills[DENSE] = (timeline.ticket or {}).get("dense_bill")
    if trained["role"] != "dense":
        bills[TICKET] = trained["bill"]
    found = {}
    for name, bill in bills.items():
        if name in timeline.networks:
            mark = timeline.networks[name]
            found[name] = Network(tuple(WorkItem(**item) for item in mark["items"]), str(mark["precision"]))
        elif bill is not None:
            items = NetworkBill.from_json(bill).evaluation
            found[name] = Network(fp32_twin(items), "fp32" if is_emulated(items) else inference_precision(precision))
    return found


def _measured(span: Optional[Span], here: bool, energy_between: EnergyBetween) -> Dict[str, Any]:
    if span is None:
        why = "no inference was measured (--infer measures it)"
        if not here:
            why = "no inference was measured: the run's device is not here"
        return _not_measured(why)
    energy = energy_between(span.attempt, span.start, span.end).scaled(1 / span.images, Provenance.MEASURED)
    return {
        "images": span.images,
        "images_per_second": span.images / span.seconds,
        "latency_seconds": span.marks["latency"],
        "energy_an_image": energy.to_json(),
    }


def _not_measured(why: str) -> Dict[str, Any]:
    return {
        "images": 0,
        "images_per_second": None,
        "latency_seconds": None,
        "energy_an_image": Energy.missing(why).to_json(),
    }


def _modelled(network: Network, batch: int, profile: Optional[Profile]) -> Tuple[Energy, Optional[float]]:
    """Joules of one image and seconds of one batch."""
    if profile is None:
        return Energy.missing("the device has no profile, so nothing can be modelled"), None
    cost = predict(network.items, batch, 1, profile)
    return cost.energy.scaled(1 / batch), cost.seconds
