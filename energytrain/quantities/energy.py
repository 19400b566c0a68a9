"""Energy: joules with their error terms, where they come from and what they cover.

Two kinds of error stay apart because they add differently. A *correlated* term belongs to one sensor (its gain, its
offset): over several windows of that sensor it adds linearly, and in a ratio of two windows the gain cancels. An
*independent* term (a window's edge, a gap, noise) adds in quadrature.

Half widths are 95 % ones at least: where many windows are added, their sum still lies within its bounds in 95 of 100
cases. The integrator builds those of a single window to hold in 99.
"""

import math
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
    """

    source: str
    below: float
    above: float
    sensor: Optional[str] = None

    def __post_init__(self) -> None:
        if not (0 <= self.below < math.inf and 0 <= self.above < math.inf):
            raise ValueError(f"error term '{self.source}' must be finite and not negative: {self.below}, {self.above}")


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
        return _half_width(self.errors, "below")

    @property
    def above(self) -> float:
        """Half width upwards in joules (95 %)."""
        return _half_width(self.errors, "above")

    @property
    def low(self) -> Optional[float]:
        return None if self.joules is None else max(0.0, self.joules - self.below)

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
            errors=tuple(replace(e, below=e.below * factor, above=e.above * factor) for e in self.errors),
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
            "errors": [
                {"source": e.source, "below": e.below, "above": e.above, "sensor": e.sensor} for e in self.errors
            ],
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
    """Terms of a sum: one by source and sensor, correlated ones added linearly, independent ones in quadrature."""
    merged: Dict[Tuple[str, Optional[str]], Tuple[float, float]] = {}
    for term in terms:
        below, above = merged.get((term.source, term.sensor), (0.0, 0.0))
        if term.sensor is None:
            merged[term.source, None] = (math.hypot(below, term.below), math.hypot(above, term.above))
        else:
            merged[term.source, term.sensor] = (below + term.below, above + term.above)
    return tuple(ErrorTerm(source, b, a, sensor) for (source, sensor), (b, a) in merged.items())


@dataclass(frozen=True)
class Ratio:
    """One energy over another, with its interval (95 % at least); `provenance` is the weaker of the two.

    `high` is infinite where the divisor may be nothing.
    """

    value: float
    low: float
    high: float
    provenance: Provenance


def ratio(a: Energy, b: Energy) -> Optional[Ratio]:
    """a / b, or None where either is missing, a is below zero, b is not above it or the scopes differ.

    An error of a sensor's gain or offset that is in both moves both alike: only the difference of its relative sizes
    is left, which for a gain on one sensor is nothing. All other terms are independent. Relative errors are combined
    as logarithms, so that wide bounds (a model's) keep their meaning.
    """
    if a.joules is None or b.joules is None or a.joules < 0 or b.joules <= 0 or a.scope is not b.scope:
        return None
    provenance = weakest((a.provenance, b.provenance))
    if a.joules == 0:
        least = b.joules - b.below
        high = 0.0 if a.above == 0 else a.above / least if least > 0 else math.inf
        return Ratio(0.0, 0.0, high, provenance)
    rest_a, common_a = _by_sensor(a)
    rest_b, common_b = _by_sensor(b)
    moves = []
    for key in common_a.keys() | common_b.keys():
        up_a, down_a = _logarithms(common_a.get(key, []), a.joules)
        up_b, down_b = _logarithms(common_b.get(key, []), b.joules)
        moves.append((up_a - up_b, down_b - down_a) if down_a < math.inf else (math.inf, -math.inf))
    up_a, down_a = _logarithms(rest_a, a.joules)
    up_b, down_b = _logarithms(rest_b, b.joules)
    up = math.hypot(up_a, down_b, *(max(0.0, *move) for move in moves))
    down = math.hypot(down_a, up_b, *(min(0.0, *move) for move in moves))
    value = a.joules / b.joules
    return Ratio(value, value * math.exp(-down), value * math.exp(up), provenance)


def _by_sensor(energy: Energy) -> Tuple[List[ErrorTerm], Dict[Tuple[str, str], List[ErrorTerm]]]:
    """The terms of an energy: those of their own, and a sensor's gain and offset by (source, sensor)."""
    rest: List[ErrorTerm] = []
    common: Dict[Tuple[str, str], List[ErrorTerm]] = {}
    for term in energy.errors:
        if term.sensor is not None and term.source in ("gain", "offset"):
            common.setdefault((term.source, term.sensor), []).append(term)
        else:
            rest.append(term)
    return rest, common


def _logarithms(errors: List[ErrorTerm], joules: float) -> Tuple[float, float]:
    """(up, down): the terms' half widths as distances of ln(joules)."""
    below = _half_width(errors, "below") / joules
    return math.log1p(_half_width(errors, "above") / joules), -math.log1p(-below) if below < 1 else math.inf


def _half_width(errors: Iterable[ErrorTerm], side: str) -> float:
    return math.sqrt(sum(getattr(term, side) ** 2 for term in merge_terms(errors)))
