"""Which methods, prune ratios and schedules fit into a budget of joules, the most promising first.

The bounds (95 %) of a modelled energy decide: where the upper one is inside the budget it "fits", where the lower one
is outside it "does not fit", and between them it "may fit".

Of each plan three schedules are looked at: the whole one; where that does not surely fit, the longest that does; and
where it surely does not fit, also the longest whose most likely energy is inside. What fits comes before what may fit.
Among these, the first are those whose accuracy was measured, by that accuracy: an accuracy counts for the schedule that
it was measured with, so not for a shortened one. The others are ranked by how little they depart from the full
training: by the share of the schedule that is left, then by how little is pruned, then by joules. What-if energies
of emulated 8 bits are not to be ranked with others: they come behind these.
"""

from dataclasses import dataclass
from typing import Callable, List, Mapping, Optional, Sequence, Tuple

from ..errors import UsageError
from ..quantities.energy import Energy
from .estimate import Plan
from .measured import Measured
from .planner import Planner

FITS, MAY_FIT, DOES_NOT_FIT = "fits", "may fit", "does not fit"
_ORDER = (FITS, MAY_FIT, DOES_NOT_FIT)
RULE = (
    "What fits comes before what may fit; then measured accuracy, where the whole schedule is trained; then the least "
    "departure from the full schedule: the share of its epochs, how little is pruned, joules. What-if energies come "
    "behind all others of the same verdict, as they are not to be ranked with them."
)
_TRIES = 12
UNIT_ENERGIES = "unit energies"  # the error term that energies of emulated 8 bits alone have

EnergyOf = Callable[[Plan], Energy]
At = Callable[[int], Tuple[Plan, Energy]]


@dataclass(frozen=True)
class Proposal:
    """A plan with a schedule of `epochs` of the `whole`; accuracy: measured, of the whole schedule alone."""

    plan: Plan
    epochs: int
    whole: int
    energy: Energy
    verdict: str
    accuracy: Optional[Measured]

    @property
    def share(self) -> float:
        return self.epochs / self.whole


@dataclass(frozen=True)
class Refused:
    """A plan whose whole schedule does not surely fit, or for whose energy nothing is known, and why."""

    plan: Plan
    verdict: str
    energy: Energy
    why: str


def verdict(energy: Energy, budget: float) -> str:
    """Of an energy with known joules."""
    if _high(energy) <= budget:
        return FITS
    return DOES_NOT_FIT if _low(energy) > budget else MAY_FIT


def _low(energy: Energy) -> float:
    assert energy.low is not None
    return energy.low


def _likely(energy: Energy) -> float:
    assert energy.joules is not None
    return energy.joules


def _high(energy: Energy) -> float:
    assert energy.high is not None
    return energy.high


def proposals(
    plans: Sequence[Plan],
    planner: Planner,
    energy_of: EnergyOf,
    budget: float,
    accuracies: Mapping[int, Measured],
) -> Tuple[List[Proposal], List[Refused]]:
    """Those that fit or may fit, ranked, and why each whole schedule that does not surely fit does not.

    accuracies: by place among `plans`. UsageError where no energy is known.
    """
    found: List[Proposal] = []
    refused: List[Refused] = []
    for place, plan in enumerate(plans):
        energy, whole = energy_of(plan), plan.reference.epochs
        if energy.joules is None:
            raise UsageError(
                f"a budget in joules cannot be planned: {energy.reason}.", "Name a --device with a profile."
            )
        full = verdict(energy, budget)
        found.append(Proposal(plan, whole, whole, energy, full, accuracies.get(place)))
        if full == FITS:
            continue

        def at(epochs: int, plan: Plan = plan) -> Tuple[Plan, Energy]:
            shorter = planner.plan(plan.spec.method, plan.ratio, epochs)
            return shorter, energy_of(shorter)

        surely = _longest(at, whole, energy, budget, _high)
        lengths = [surely]
        if full == DOES_NOT_FIT:
            lengths.append(_longest(at, whole, energy, budget, _likely))
        for epochs in dict.fromkeys(lengths):
            if epochs:
                shorter, cost = at(epochs)
                found.append(Proposal(shorter, epochs, whole, cost, verdict(cost, budget), None))
        refused.append(Refused(plan, full, energy, _why(full, energy, budget, surely, whole, at)))
    kept = [one for one in found if one.verdict != DOES_NOT_FIT]
    return sorted(kept, key=_rank), refused


def _longest(at: At, whole: int, full: Energy, budget: float, measure: Callable[[Energy], float]) -> int:
    """The greatest number of epochs below `whole` whose `measure` is inside the budget, 0 for none. Costs are close to
    proportional to epochs, so the search begins at their share."""
    low, high = 0, whole  # low fits, or is none; high does not fit
    guess = int(whole * budget / measure(full))
    for _ in range(_TRIES):
        if high - low <= 1:
            break
        middle = min(max(guess, low + 1), high - 1)
        if measure(at(middle)[1]) <= budget:
            low, guess = middle, middle + 1
        else:
            high, guess = middle, middle - 1
    return low


def _why(
    full: str,
    energy: Energy,
    budget: float,
    surely: int,
    whole: int,
    at: At,
) -> str:
    if full == MAY_FIT:
        why = f"its upper bound is {_times(_high(energy) / budget)} the budget"
    else:
        why = f"even its lower bound is {_times(_low(energy) / budget)} the budget"
    if surely:
        return f"{why}; {surely} of {whole} epochs fit"
    return f"{why}; even a schedule of one epoch {verdict(at(1)[1], budget)}"


def _times(factor: float) -> str:
    return f"{factor:.3g} x"


def _rank(one: Proposal) -> Tuple[float, ...]:
    accuracy = one.accuracy
    return (
        _ORDER.index(one.verdict),
        any(term.source == UNIT_ENERGIES for term in one.energy.errors),
        0 if accuracy is not None else 1,
        0.0 if accuracy is None else -accuracy.mean,
        -one.share,
        one.plan.ratio or 0.0,
        one.energy.joules or 0.0,
    )
