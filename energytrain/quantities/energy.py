"""Energy: joules with their error terms, where they come from and what they cover.

Two kinds of error stay apart because they add differently. A *correlated* term belongs to one sensor (its gain, its
offset): over several windows of that sensor it adds linearly, and in a ratio of two windows the gain cancels. An
*independent* term (a window's edge, a gap, noise) adds in quadrature.

Half widths are 95 % ones at least: where many windows are added, their sum still lies within its bounds in 95 of 100
cases. The integrator builds those of a single window to hold in 99.
"""

import math
import operator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple


class Provenance(str, Enum):
    """Where a figure comes from, from the strongest to the weakest."""

    MEASURED = "measured"
    DERIVED = "derived"
    EXTRAPOLATED = "extrapolated"
    MODELLED = "modelled"
    MISSING = "missing"

    @property
    def weakness(self) -> int:
        return list(Provenance).index(self)


class Scope(str, Enum):
    """What a reading covers; overlapping scopes are never added."""

    CHIP = "chip"
    RAIL = "rail"
    MODULE = "module"
    BOARD = "board"
    WALL = "wall"


@dataclass(frozen=True)
class ErrorTerm:
    """One source of error: by how many joules the truth may lie below or above (finite half widths, 95 % at least).

    `sensor` names the physical sensor for a correlated term (gain, offset); None makes it independent.
    `lasts` is for how many seconds the error keeps its sign at most, None for good: over a longer time it averages out,
    so that its joules grow no further (`over`).
    """

    source: str
    below: float
    above: float
    sensor: Optional[str] = None
    lasts: Optional[float] = None

    def __post_init__(self) -> None:
        if not (0 <= self.below < math.inf and 0 <= self.above < math.inf):
            raise ValueError(f"error term '{self.source}' must be finite and not negative: {self.below}, {self.above}")

    def over(self, seconds: float) -> "ErrorTerm":
        """What is left of the term over a time of `seconds`, for good."""
        if self.lasts is None:
            return self
        share = self.lasts / seconds if seconds > self.lasts else 1.0
        return replace(self, below=self.below * share, above=self.above * share, lasts=None)

    def scaled(self, factor: float) -> "ErrorTerm":
        """The term of a stretch `factor` times as long of which no more was seen."""
        lasts = None if self.lasts is None else self.lasts * factor
        return replace(self, below=self.below * factor, above=self.above * factor, lasts=lasts)

    def to_json(self) -> Dict[str, Any]:
        data = {"source": self.source, "below": self.below, "above": self.above, "sensor": self.sensor}
        return data if self.lasts is None else dict(data, lasts=self.lasts)


@dataclass(frozen=True)
class Energy:
    """Joules of one window on one channel, or no joules and the reason.

    `low` and `high` are a view of the error terms (95 % at least). `coverage` is the share of the window that readings
    back. `partial` carries the sum of the known parts when a combination has a missing one; it is never a total.
    """

    joules: Optional[float]
    provenance: Provenance
    scope: Optional[Scope] = None
    channel: Optional[str] = None
    errors: Tuple[ErrorTerm, ...] = ()
    seconds: float = 0.0
    coverage: float = 1.0
    reason: Optional[str] = None
    partial: Optional[float] = None

    def __post_init__(self) -> None:
        if (self.joules is None) != (self.provenance is Provenance.MISSING):
            raise ValueError("an Energy has no joules exactly when its provenance is 'missing'")
        if self.joules is None and not self.reason:
            raise ValueError("a missing Energy needs its reason")
        if self.joules is not None and not math.isfinite(self.joules):
            raise ValueError(f"joules must be a finite number or missing: {self.joules}")

    @staticmethod
    def missing(
        reason: str,
        seconds: float = 0.0,
        scope: Optional[Scope] = None,
        channel: Optional[str] = None,
        partial: Optional[float] = None,
    ) -> "Energy":
        return Energy(
            None, Provenance.MISSING, scope, channel, (), seconds, coverage=0.0, reason=reason, partial=partial
        )

    @property
    def below(self) -> float:
        """Half width downwards in joules (95 %)."""
        return half_width(self.lasting_errors(), "below")

    @property
    def above(self) -> float:
        """Half width upwards in joules (95 %)."""
        return half_width(self.lasting_errors(), "above")

    def lasting_errors(self) -> Iterable[ErrorTerm]:
        """The error terms with what is left over the whole time of those that last for less."""
        return (e.over(self.seconds) for e in self.errors)

    @property
    def low(self) -> Optional[float]:
        if self.joules is None:
            return None
        # Only a difference of two energies can be below zero, and its bounds may then be so too.
        return self.joules - self.below if self.joules < 0 else max(0.0, self.joules - self.below)

    @property
    def high(self) -> Optional[float]:
        return None if self.joules is None else self.joules + self.above

    @property
    def watts(self) -> Optional[float]:
        """Mean power over the window, in watts."""
        return None if self.joules is None or self.seconds <= 0 else self.joules / self.seconds

    def scaled(self, factor: float, provenance: Provenance = Provenance.DERIVED) -> "Energy":
        """The energy of a stretch `factor` (>= 0) times as long, at the same mean power and relative errors.

        As weak as the weaker of the two provenances; a missing one stays missing, its known part scaled.
        """
        if not (0 <= factor < math.inf):
            raise ValueError(f"an energy cannot be scaled by {factor}")
        seconds = self.seconds * factor
        if self.joules is None:
            return replace(self, seconds=seconds, partial=None if self.partial is None else self.partial * factor)
        return replace(
            self,
            joules=self.joules * factor,
            errors=tuple(e.scaled(factor) for e in self.errors),
            seconds=seconds,
            provenance=weakest((self.provenance, provenance)),
        )

    def to_json(self) -> Dict[str, Any]:
        return {
            "joules": self.joules,
            "low": self.low,
            "high": self.high,
            "provenance": self.provenance.value,
            "scope": None if self.scope is None else self.scope.value,
            "channel": self.channel,
            "seconds": self.seconds,
            "coverage": self.coverage,
            "reason": self.reason,
            "partial": self.partial,
            "errors": [e.to_json() for e in self.errors],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Energy":
        return Energy(
            joules=data["joules"],
            provenance=Provenance(data["provenance"]),
            scope=None if data["scope"] is None else Scope(data["scope"]),
            channel=data["channel"],
            errors=tuple(ErrorTerm(**term) for term in data["errors"]),
            seconds=data["seconds"],
            coverage=data["coverage"],
            reason=data["reason"],
            partial=data["partial"],
        )


def weakest(provenances: Iterable[Provenance]) -> Provenance:
    """The provenance of a combination: its weakest part's."""
    return max(provenances, key=lambda p: p.weakness)


def total(parts: Iterable[Energy]) -> Energy:
    """The sum of energies over disjoint windows of one channel, or over disjoint channels of one scope.

    Correlated terms of one sensor add linearly, independent ones in quadrature. With a part missing there is no
    total: the result is missing and carries the known part as `partial`. Channels are taken to run side by side, so
    `seconds` is the longest time of a channel and not the sum over channels. Adding unlike scopes is a ValueError;
    only an exact zero (nothing was done) has no scope of its own.
    """
    energies: List[Energy] = list(parts)
    if not energies:
        return Energy.missing("there is nothing to add")
    scopes = {e.scope for e in energies if e.joules is not None and not _is_nothing(e)}
    if len(scopes) > 1:
        raise ValueError(f"energies of different scopes cannot be added: {sorted(str(s) for s in scopes)}")
    by_channel: Dict[Optional[str], float] = {}
    for e in energies:
        by_channel[e.channel] = by_channel.get(e.channel, 0.0) + e.seconds
    seconds = max(by_channel.values())
    named = sorted(name for name in by_channel if name is not None)
    channel = "+".join(named) if named else None
    scope = scopes.pop() if scopes else energies[0].scope
    absent = [e for e in energies if e.joules is None]
    known = [e.joules for e in energies if e.joules is not None]
    if absent:
        reason = "; ".join(dict.fromkeys(str(e.reason) for e in absent))
        known += [e.partial for e in absent if e.partial is not None]
        return Energy.missing(reason, seconds, scope, channel, partial=math.fsum(known) if known else None)
    lasting = sum(e.seconds for e in energies)
    covered = sum(e.coverage * e.seconds for e in energies)
    return Energy(
        joules=math.fsum(known),
        provenance=weakest(e.provenance for e in energies),
        scope=scope,
        channel=channel,
        errors=merge_terms(term for e in energies for term in e.errors),
        seconds=seconds,
        coverage=min(1.0, covered / lasting) if lasting > 0 else min(e.coverage for e in energies),
    )


def _is_nothing(energy: Energy) -> bool:
    return energy.joules == 0 and energy.scope is None and not energy.errors


def merge_terms(terms: Iterable[ErrorTerm]) -> Tuple[ErrorTerm, ...]:
    """Terms of a sum: one by source and sensor, correlated ones added linearly, independent ones in quadrature.

    Of those that last for unlike times the sum lasts for the longest.
    """
    merged: Dict[Tuple[str, Optional[str]], ErrorTerm] = {}
    for term in terms:
        key = (term.source, term.sensor)
        one = merged.get(key)
        if one is None:
            merged[key] = term
            continue
        add = math.hypot if term.sensor is None else operator.add
        lasts = None if one.lasts is None or term.lasts is None else max(one.lasts, term.lasts)
        merged[key] = ErrorTerm(term.source, add(one.below, term.below), add(one.above, term.above), term.sensor, lasts)
    return tuple(merged.values())


def half_width(errors: Iterable[ErrorTerm], side: str) -> float:
    """Of terms together, in joules; side: "below" or "above"."""
    return math.sqrt(sum(getattr(term, side) ** 2 for term in merge_terms(errors)))
