"""What a run will have cost when it is done, told after each of its epochs: the joules so far and those that are left.

What is left of a phase of which epochs are finished costs as much an epoch as they did, between the least and the most
of them. A phase that was not begun yet costs what the plan gives for its epochs, in the proportion in which the
finished ones stand to the plan. While a search is open its draw may come with the next epoch or with the last one: the
range reaches over both.

Only for people who watch. The channels that a ticket will keep are taken as a uniform one's until its own epochs tell.
"""

from dataclasses import dataclass
from typing import List, Mapping, Optional, Sequence


@dataclass(frozen=True)
class Outlook:
    """Joules of a whole run, at least and at most."""

    low: float
    high: float


@dataclass(frozen=True)
class Left:
    """What is left of a phase: epochs, and the plan's cost of one of them (of the whole phase, where it has none)."""

    phase: str
    epochs: int
    planned: float


def outlook(
    spent: float, seen: Mapping[str, Sequence[float]], planned: Mapping[str, float], ways: Sequence[Sequence[Left]]
) -> Optional[Outlook]:
    """spent: joules so far. seen: those of each finished epoch by phase. planned: the plan's cost of an epoch of each
    phase that was seen, in any unit. ways: in which the run may go on. None where nothing was seen.

    >>> outlook(30.0, {"search": [9.0, 11.0]}, {"search": 5.0}, [[Left("search", 2, 5.0), Left("retrain", 4, 2.5)]])
    Outlook(low=66.0, high=74.0)
    """
    known = {phase: joules for phase, joules in seen.items() if joules and planned.get(phase)}
    if not known:
        return None
    scales = [joules / planned[phase] for phase, epochs in known.items() for joules in epochs]
    bounds: List[float] = []
    for choose in (min, max):
        totals = []
        for way in ways:
            joules = spent
            for left in way:
                own = seen.get(left.phase)
                joules += max(1, left.epochs) * (choose(own) if own and left.epochs else left.planned * choose(scales))
            totals.append(joules)
        bounds.append(choose(totals))
    return Outlook(*bounds)
