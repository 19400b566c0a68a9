"""Two energies compared: their ratio, and what is left of one without the other.

What both share cancels: an error of one sensor's gain moves both alike.
"""

import math
from dataclasses import dataclass, replace
from typing import Dict, List, Optional, Tuple

from .energy import Energy, ErrorTerm, Provenance, half_width, merge_terms, weakest


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


def minus(whole: Energy, part: Energy) -> Energy:
    """What is left of `whole` without `part`, an energy of the same seconds: net of gross and idle. At best derived.

    An error of a sensor's gain or offset that is in both moves both alike, so only its difference is left: the gain
    error of a net energy is that of the net joules. Of all other terms those of one sensor add linearly and the
    independent ones in quadrature. Missing, with the reason, where one of the two is; ValueError for unlike scopes.
    """
    absent = [e for e in (whole, part) if e.joules is None]
    if absent:
        return Energy.missing(str(absent[0].reason), whole.seconds, whole.scope, whole.channel)
    assert whole.joules is not None and part.joules is not None
    if whole.scope is not part.scope:
        raise ValueError(f"energies of different scopes cannot be subtracted: {whole.scope} and {part.scope}")
    rest_whole, common_whole = _by_sensor(whole)
    rest_part, common_part = _by_sensor(part)
    terms = list(merge_terms([*rest_whole, *(replace(e, below=e.above, above=e.below) for e in rest_part)]))
    for source, sensor in {**common_whole, **common_part}:
        a, b = common_whole.get((source, sensor), []), common_part.get((source, sensor), [])
        up, down = half_width(a, "above") - half_width(b, "above"), half_width(a, "below") - half_width(b, "below")
        # A sensor that reads high raises the part as well: where it raises it by more, what is left falls.
        terms.append(ErrorTerm(source, max(0.0, down, -up), max(0.0, up, -down), sensor))
    return Energy(
        joules=whole.joules - part.joules,
        provenance=weakest((whole.provenance, part.provenance, Provenance.DERIVED)),
        scope=whole.scope,
        channel=whole.channel,
        errors=tuple(term for term in terms if term.below > 0 or term.above > 0),
        seconds=whole.seconds,
        coverage=min(whole.coverage, part.coverage),
    )


def _by_sensor(energy: Energy) -> Tuple[List[ErrorTerm], Dict[Tuple[str, str], List[ErrorTerm]]]:
    """The terms of an energy: those of their own, and a sensor's gain and offset by (source, sensor)."""
    rest: List[ErrorTerm] = []
    common: Dict[Tuple[str, str], List[ErrorTerm]] = {}
    for term in energy.lasting_errors():
        if term.sensor is not None and term.source in ("gain", "offset"):
            common.setdefault((term.source, term.sensor), []).append(term)
        else:
            rest.append(term)
    return rest, common


def _logarithms(errors: List[ErrorTerm], joules: float) -> Tuple[float, float]:
    """(up, down): the terms' half widths as distances of ln(joules)."""
    below = half_width(errors, "below") / joules
    return math.log1p(half_width(errors, "above") / joules), -math.log1p(-below) if below < 1 else math.inf
