"""From work to seconds and joules on a device that is not here, or not metered: the energy model, first version.

Of each layer and pass: seconds = max(FLOPs / (peak x efficiency), bytes / (bandwidth x efficiency)) + launches;
joules = static watts x seconds + joules per FLOP x FLOPs + joules per byte x bytes. Every figure carries `modelled`
and bounds from the profile, at least a factor of 2 each way where nothing was calibrated. Needs no torch.
"""

from dataclasses import dataclass
from typing import Iterable, Tuple

from ..devices.profile import Profile
from ..quantities.energy import Energy, ErrorTerm, Provenance, Scope
from ..quantities.ledger import WorkItem

MODEL_VERSION = 1

# The profile's efficiency that bounds an item's arithmetic, by its kind.
_EFFICIENCY_OF = {"l1": "optimiser", "mask": "optimiser"}


@dataclass(frozen=True)
class Prediction:
    """Seconds and energy of some work on the device of `profile`; `model_version` says by which model."""

    seconds: float
    energy: Energy
    profile: str
    model_version: int = MODEL_VERSION


def predict(items: Iterable[WorkItem], images: int, steps: int, profile: Profile) -> Prediction:
    """What `items` cost for `images` images in `steps` steps on the device of `profile`.

    The error is one term of one sensor, the profile: over phases it adds linearly, between two predictions of the same
    device it does not cancel, as no part of it is a pure gain.
    """
    seconds = joules = 0.0
    for item in items:
        item_seconds, item_joules = item_cost(item, images, steps, profile)
        seconds += item_seconds
        joules += item_joules
    source = f"model:{profile.name}"
    error = ErrorTerm("model", joules * (1 - 1 / profile.bounds_factor), joules * (profile.bounds_factor - 1), source)
    energy = Energy(joules, Provenance.MODELLED, Scope(profile.scope), source, (error,), seconds)
    return Prediction(seconds, energy, profile.name)


def item_cost(item: WorkItem, images: int, steps: int, profile: Profile) -> Tuple[float, float]:
    """Seconds and joules of one layer's pass."""
    flops = item.flops_per_image * images + item.flops_per_step * steps
    moved = item.bytes_per_image * images + item.bytes_per_step * steps
    efficiency = profile.efficiency[_EFFICIENCY_OF.get(item.kind, item.kind)]
    compute = flops / (profile.peak_flops[item.precision] * efficiency)
    memory = moved / (profile.bandwidth * profile.efficiency["memory"])
    seconds = max(compute, memory) + item.launches_per_step * steps * profile.launch_seconds
    dynamic = profile.joules_per_flop[item.precision] * flops + profile.joules_per_byte * moved
    return seconds, profile.static_watts * seconds + dynamic
