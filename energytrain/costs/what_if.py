"""What training in emulated 8 bits would cost where 8 bits are arithmetic: two figures, and their ratios to fp32.

Both are what-ifs on a device's profile, of the same work: no chip of the profile computes in block floating point, so
the joules that its emulation draws are no figure of the method.

- *Same time*, which is what `modelled` means for such work: seconds, and the static power drawn in them, are those of
  fp32, as nothing says that the chip would run faster. FLOPs of the kind that 8 bits do cost fp32's joules x the ratio
  of published unit energies (`costs.unit_energies`), bytes are those of 8 bits, rounding costs fp32's joules.
- *The paper's convention*: the energy in fp32, static power and all, x (joules of FLOPs and bytes in 8 bits / in fp32).

Of the convention no more is known than this. You et al. 2020 (Section 4.3) measured on a Jetson TX2 what was trained in
fp32, and for search and retraining in 8 bits ("LL") give an "energy consumption estimated using real-measured unit
energy" of Yang et al. 2019, without the arithmetic. Their cells of LL come to 0.19 to 0.23 of fp32 an epoch, too little
for a device that draws static power for as long; so that power must shrink along. Their cells of a search in 8 bits and
a retraining in fp32 ("LF") imply 0.6 to 0.9 for the search: the two disagree three- to fourfold. Nothing here is fitted
to either.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ..devices.profile import Profile
from ..quantities.energy import Energy, ErrorTerm, Provenance, Scope
from .energy_model import Parts, model_error, model_source
from .unit_energies import SOURCES, Interval, unit_ratio

# The least factor that a model without residuals from calibration is believed to.
UNCALIBRATED = 2.0
ASSUMPTION = (
    "no chip of the profile runs 8 bits faster: the time and the static power drawn in it are those of fp32, bytes are "
    "those of 8 bits, and what the profile's joules per FLOP hold (instructions, registers and caches as well) shrinks "
    "as bare INT8 arithmetic does, which stands in for block floating point"
)
PAPER_ASSUMPTION = "unit energies alone: static power shrinks along with FLOPs and bytes"

Figure = Callable[[Sequence[Parts], float], float]


@dataclass(frozen=True)
class Anchor:
    """What the device itself drew for phases of the same run in fp32, over what the profile gives for them.

    below, above: relative errors of what was measured.
    """

    factor: float
    below: float
    above: float
    phases: Tuple[str, ...]


def same_time(parts: Sequence[Parts], ratio: float) -> float:
    """Joules, where an 8-bit FLOP costs `ratio` of one in fp32."""
    return math.fsum(part.static + part.dynamic(ratio) for part in parts)


def paper_convention(parts: Sequence[Parts], ratio: float) -> float:
    """Joules by unit energies alone: of each network's work the energy in fp32, less by what FLOPs and bytes are."""
    return math.fsum(
        _fp32(part) * (part.dynamic(ratio) / part.fp32_dynamic() if part.fp32_dynamic() else 1.0) for part in parts
    )


def in_fp32(parts: Sequence[Parts]) -> float:
    """Joules of the same work in fp32."""
    return math.fsum(_fp32(part) for part in parts)


def share_of_fp32(figure: Figure, parts: Sequence[Parts], factor: float, unit_energies: bool = True) -> Interval:
    """`figure` over the same work in fp32, with its interval (95 %).

    What both have in common cancels: an error of the profile that raises all its joules alike. What is left is how they
    divide into static power, FLOPs and bytes, of which each may be `factor` times more or less, and `unit_energies`.
    Relative errors are combined as logarithms, in quadrature.
    """
    ratio = unit_ratio()
    value = figure(parts, ratio.value) / in_fp32(parts)
    moved = []
    for names in (("static",), ("narrow", "wide", "rounding"), ("traffic", "fp32_traffic")):
        for by in (1 / factor, factor):
            changed = [replace(part, **{name: getattr(part, name) * by for name in names}) for part in parts]
            moved.append((names, figure(changed, ratio.value) / in_fp32(changed)))
    if unit_energies:
        moved += [(("ratio",), figure(parts, bound) / in_fp32(parts)) for bound in (ratio.low, ratio.high)]
    ups: Dict[Tuple[str, ...], float] = {}
    downs: Dict[Tuple[str, ...], float] = {}
    for names, other in moved:
        move = math.log(other / value)
        ups[names], downs[names] = max(ups.get(names, 0.0), move), max(downs.get(names, 0.0), -move)
    return Interval(value, value * math.exp(-math.hypot(*downs.values())), value * math.exp(math.hypot(*ups.values())))


def anchored(energy: Energy, anchor: Optional[Anchor], profile: Profile) -> Energy:
    """A modelled energy, scaled by what the device itself drew in fp32.

    That holds the device to what it drew in other phases, not in these: without residuals the factor of its error falls
    to `UNCALIBRATED`, where the profile's is greater, and no lower.
    """
    if anchor is None or energy.joules is None:
        return energy
    joules, source = energy.joules * anchor.factor, model_source(profile)
    kept = [error for error in energy.errors if error.source != "model"]
    errors = (
        model_error(joules, min(profile.bounds_factor, UNCALIBRATED), source),
        *(replace(e, below=e.below * anchor.factor, above=e.above * anchor.factor) for e in kept),
        ErrorTerm("anchor", joules * anchor.below, joules * anchor.above, source),
    )
    return replace(energy, joules=joules, errors=errors)


def what_if(modelled: Energy, parts: Sequence[Parts], profile: Profile, anchor: Optional[Anchor]) -> Dict[str, Any]:
    """The figures of some work, `parts`, as JSON; `modelled` is its same-time energy, anchored already.

    ValueError where the work is none.
    """
    if not in_fp32(parts):
        raise ValueError("no work has no energy to compare")
    ratio = unit_ratio()
    paper = paper_convention(parts, ratio.value)
    apart = share_of_fp32(paper_convention, parts, profile.bounds_factor, unit_energies=False)
    errors = [
        _range("unit energies", paper, [paper_convention(parts, bound) for bound in (ratio.low, ratio.high)]),
        _range("shares", paper, [paper / apart.value * bound for bound in (apart.low, apart.high)]),
    ]
    conventional = anchored(_energy(paper, errors, parts, profile), anchor, profile)

    def of_fp32(figure: Figure) -> Dict[str, float]:
        return asdict(share_of_fp32(figure, parts, profile.bounds_factor))

    return {
        "label": f"what-if: 8-bit unit energies on a {profile.name} profile",
        "profile": profile.title,
        "assumption": ASSUMPTION,
        "figures": {
            "same_time": {**modelled.to_json(), "ratio_to_fp32": of_fp32(same_time)},
            "paper_convention": {
                **conventional.to_json(),
                "ratio_to_fp32": of_fp32(paper_convention),
                "assumption": PAPER_ASSUMPTION,
            },
        },
        "fp32": anchored(_energy(in_fp32(parts), [], parts, profile), anchor, profile).to_json(),
        "anchored": None if anchor is None else {**asdict(anchor), "phases": list(anchor.phases)},
        "unit_ratio": asdict(ratio),
        "sources": [source.to_json() for source in SOURCES],
    }


def _fp32(part: Parts) -> float:
    return part.static + part.fp32_dynamic()


def _range(source: str, joules: float, bounds: Sequence[float]) -> ErrorTerm:
    return ErrorTerm(source, max(0.0, joules - min(bounds)), max(0.0, max(bounds) - joules), source)


def _energy(joules: float, errors: List[ErrorTerm], parts: Sequence[Parts], profile: Profile) -> Energy:
    source = model_source(profile)
    terms = (model_error(joules, profile.bounds_factor, source), *errors)
    seconds = math.fsum(part.seconds for part in parts)
    return Energy(joules, Provenance.MODELLED, Scope(profile.scope), source, terms, seconds)
