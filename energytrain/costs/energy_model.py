"""From work to seconds and joules on a device that is not here, or not metered: the energy model, second version.

Of each layer and pass: seconds = max(FLOPs / (peak x efficiency), bytes / (bandwidth x efficiency)) + launches;
joules = static watts x seconds + joules per FLOP x FLOPs + joules per byte x bytes. Every figure carries `modelled`
and bounds from the profile, at least a factor of 2 each way where nothing was calibrated. Needs no torch.

Of work in emulated precision (bfp8), which no chip of a profile can do, the figure is a what-if: it takes the time of
the same work in fp32, with the static power of that time, and only FLOPs (by published unit energies) and bytes cost
less. `costs.what_if` has the other figure and says what both stand on.
"""

from dataclasses import asdict, dataclass
from typing import Iterable, List, Sequence, Tuple

from ..devices.profile import Profile
from ..quantities.energy import Energy, ErrorTerm, Provenance, Scope
from ..quantities.ledger import WorkItem
from .fp32_twin import EMULATED, ROUNDING, fp32_twin, is_emulated
from .unit_energies import unit_ratio

MODEL_VERSION = 2

# The profile's efficiency that bounds an item's arithmetic, by its kind.
_EFFICIENCY_OF = {
    "l1": "optimiser",
    "mask": "optimiser",
    "average": "optimiser",
    "quantise": "elementwise",
    "cast": "elementwise",
}


@dataclass(frozen=True)
class Prediction:
    """Seconds and energy of some work on the device of `profile`; `model_version` says by which model."""

    seconds: float
    energy: Energy
    profile: str
    model_version: int = MODEL_VERSION


@dataclass(frozen=True)
class Parts:
    """Where the joules of some work, and of the same work in fp32, come from. Seconds are those of fp32.

    static: of static watts over the seconds. narrow: of the FLOPs that are done in emulated 8 bits, each at the joules
    of one in fp32. wide: of all other FLOPs that both do. rounding: of the FLOPs that fp32 does without. traffic,
    fp32_traffic: of the bytes that each of the two moves.
    """

    seconds: float = 0.0
    static: float = 0.0
    narrow: float = 0.0
    wide: float = 0.0
    rounding: float = 0.0
    traffic: float = 0.0
    fp32_traffic: float = 0.0

    def dynamic(self, ratio: float) -> float:
        """Joules of FLOPs and bytes, where an 8-bit FLOP costs `ratio` of one in fp32."""
        return ratio * self.narrow + self.wide + self.rounding + self.traffic

    def scaled(self, factor: float) -> "Parts":
        """Of `factor` times as much work."""
        return Parts(**{name: value * factor for name, value in asdict(self).items()})

    def fp32_dynamic(self) -> float:
        return self.narrow + self.wide + self.fp32_traffic


def predict(items: Iterable[WorkItem], images: int, steps: int, profile: Profile) -> Prediction:
    """What `items` cost for `images` images in `steps` steps on the device of `profile`.

    The error is one term of one sensor, the profile: over phases it adds linearly, between two predictions of the same
    device it does not cancel, as no part of it is a pure gain. Work in emulated precision has a second such term, the
    unit energies; its items are to be those of one network (see `fp32_twin`).
    """
    items = tuple(items)
    errors: List[ErrorTerm] = []
    if is_emulated(items):
        parts, ratio = parts_of(items, images, steps, profile), unit_ratio()
        seconds, joules = parts.seconds, parts.static + parts.dynamic(ratio.value)
        below, above = (parts.narrow * abs(bound - ratio.value) for bound in (ratio.low, ratio.high))
        errors.append(ErrorTerm("unit energies", below, above, "unit energies"))
    else:
        seconds = joules = 0.0
        for item in items:
            item_seconds, item_joules = item_cost(item, images, steps, profile)
            seconds += item_seconds
            joules += item_joules
    source = model_source(profile)
    errors.insert(0, model_error(joules, profile.bounds_factor, source))
    energy = Energy(joules, Provenance.MODELLED, Scope(profile.scope), source, tuple(errors), seconds)
    return Prediction(seconds, energy, profile.name)


def model_source(profile: Profile) -> str:
    """The channel, and the sensor of the errors, of what `profile` models."""
    return f"model:{profile.name}"


def model_error(joules: float, factor: float, source: str) -> ErrorTerm:
    """That the truth may lie `factor` times above or below."""
    return ErrorTerm("model", joules * (1 - 1 / factor), joules * (factor - 1), source)


def item_cost(item: WorkItem, images: int, steps: int, profile: Profile) -> Tuple[float, float]:
    """Seconds and joules of one layer's pass, in a precision that the profile has."""
    flops, moved = _amounts(item, images, steps)
    efficiency = profile.efficiency[_EFFICIENCY_OF.get(item.kind, item.kind)]
    compute = flops / (profile.peak_flops[item.precision] * efficiency)
    memory = moved / (profile.bandwidth * profile.efficiency["memory"])
    seconds = max(compute, memory) + item.launches_per_step * steps * profile.launch_seconds
    dynamic = profile.joules_per_flop[item.precision] * flops + profile.joules_per_byte * moved
    return seconds, profile.static_watts * seconds + dynamic


def item_joules(items: Sequence[WorkItem], images: int, steps: int, profile: Profile) -> List[float]:
    """Joules of each item of one network's work, also of emulated work; together they are what `predict` gives."""
    if not is_emulated(items):
        return [item_cost(item, images, steps, profile)[1] for item in items]
    twins = iter(fp32_twin(items))  # of every item but those that round, in the same order
    ratio, found = unit_ratio().value, []
    for item in items:
        seconds = 0.0 if item.kind == ROUNDING else item_cost(next(twins), images, steps, profile)[0]
        flops, moved = _amounts(item, images, steps)
        emulated = item.precision == EMULATED
        share, precision = (ratio, "fp32") if emulated else (1.0, item.precision)
        dynamic = share * profile.joules_per_flop[precision] * flops + profile.joules_per_byte * moved
        found.append(profile.static_watts * seconds + dynamic)
    return found


def parts_of(items: Sequence[WorkItem], images: int, steps: int, profile: Profile) -> Parts:
    """The joules of one network's work, divided; of work that is not emulated, too."""
    twin = fp32_twin(items)
    seconds = sum(item_cost(item, images, steps, profile)[0] for item in twin)
    joules = {"narrow": 0.0, "wide": 0.0, "rounding": 0.0}
    traffic = 0.0
    for item in items:
        flops, moved = _amounts(item, images, steps)
        emulated = item.precision == EMULATED
        part = "narrow" if emulated else "rounding" if item.kind == ROUNDING else "wide"
        joules[part] += profile.joules_per_flop["fp32" if emulated else item.precision] * flops
        traffic += profile.joules_per_byte * moved
    fp32_traffic = sum(profile.joules_per_byte * _amounts(item, images, steps)[1] for item in twin)
    return Parts(seconds, profile.static_watts * seconds, **joules, traffic=traffic, fp32_traffic=fp32_traffic)


def _amounts(item: WorkItem, images: int, steps: int) -> Tuple[int, int]:
    """FLOPs and bytes."""
    flops = item.flops_per_image * images + item.flops_per_step * steps
    return flops, item.bytes_per_image * images + item.bytes_per_step * steps
