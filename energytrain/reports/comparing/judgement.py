"""Verdicts on methods, from differences to a reference that are paired by seed: better, same, worse, cannot tell.

Of a method's mean difference three statements are tried by one-sided t tests at 2.5 %: it is above zero (better), below
zero (worse), or within a margin either way (same: the two one-sided tests, TOST, of Schuirmann 1987, J. Pharmacokinet.
Biopharm. 15, 657). Each test succeeds exactly where the 95 % interval of the mean lies inside of what the statement
says. So the three need no correction among themselves: where the interval holds the truth, whatever it shows is true.

For the number of methods they are corrected after Holm (1979, Scand. J. Statist. 6, 65). The p-value of a method is
that of its best statement, twice the one-sided one: the level at which an interval would show it. The k-th least of m
is held to 5 % / (m - k + 1), and after the first that fails nothing is said of any. Of one method this is what its 95 %
interval shows. Holm's bound holds for finding something where nothing is, however the methods depend on each other; for
finding the wrong side of zero it is proven where they do not (Shaffer 1980, Ann. Statist. 8, 1342).

Accuracies are counts of images, so a few differences may be equal by chance. Their deviation of nothing would pass for
certainty; equal ones are not tested, unless all are zero, as those of runs that nothing set apart are.
"""

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from .spread import CONFIDENCE, Difference, Spread, paired, spread

SAME, BETTER, WORSE, CANNOT_TELL = "same", "better", "worse", "cannot tell"
LEVEL = 1 - CONFIDENCE
MOST_SEEDS = 100
ALIKE = 1e-9  # what arithmetic alone makes differ, in the unit of the differences


@dataclass(frozen=True)
class Judged:
    """What a method's differences say. `difference` with its own 95 % interval, not corrected for other methods.

    p_value: of the verdict, or of what comes nearest to one, adjusted after Holm: decided where it is 0.05 or less.
    None of one pair and of equal differences, which leave nothing to test and have no interval. seeds_needed: of
    "cannot tell", see `seeds_needed`; None where it is decided or not tested, and where no number up to `MOST_SEEDS`
    would do.
    """

    difference: Difference
    verdict: str
    p_value: Optional[float]
    seeds_needed: Optional[int]


def judge(differences: Sequence[Optional[Sequence[float]]], margin: Optional[float] = None) -> List[Optional[Judged]]:
    """A judgement of each method, from its differences to the reference (ours - theirs, one a seed; higher is better).

    margin: above zero, in the unit of the differences; what lies within it does not matter, and where a method is both
    within it and on one side of zero, it is "same". Without one nothing is "same": differences are held against zero.
    None for a method without differences. Methods that are not tested do not count in the correction.
    """
    if margin is not None and not margin > 0:
        raise ValueError(f"a margin of equivalence must be above zero: {margin}")
    found = [spread(values) if values else None for values in differences]
    tried = {at: _p_values(one, one.n, margin) for at, one in enumerate(found) if one is not None and _testable(one)}
    decided = _holm(tried)
    open_ = sum(verdict == CANNOT_TELL for verdict, _ in decided.values())
    judged: List[Optional[Judged]] = []
    for at, (one, values) in enumerate(zip(found, differences)):
        difference = paired(values or ())
        if one is None or difference is None:
            judged.append(None)
            continue
        if at not in decided:
            judged.append(Judged(Difference(one.mean, None, None, one.n), CANNOT_TELL, None, None))
            continue
        verdict, p_value = decided[at]
        needed = seeds_needed(one, margin, LEVEL / open_) if verdict == CANNOT_TELL else None
        judged.append(Judged(difference, verdict, p_value, needed))
    return judged


def _testable(found: Spread) -> bool:
    if found.sd is None:
        return False
    return found.high - found.low > ALIKE or max(abs(found.low), abs(found.high)) <= ALIKE


def seeds_needed(found: Spread, margin: Optional[float], level: float = LEVEL) -> Optional[int]:
    """The least number of seeds, up to `MOST_SEEDS`, at which differences of the same mean and standard deviation would
    be decided at `level`; None where there is none.

    `judge` takes the level that Holm's rule sets for the first of those that are still open, so that it is enough for
    each of them. A forecast: the next seeds may move mean and deviation.
    """
    if found.sd is None:
        return None
    seeds = np.arange(found.n + 1, MOST_SEEDS + 1)
    least = np.min([p * np.ones(len(seeds)) for p in _p_values(found, seeds, margin).values()], axis=0)
    enough = np.flatnonzero(least <= level)
    return int(seeds[enough[0]]) if len(enough) else None


def _p_values(found: Spread, n: Any, margin: Optional[float]) -> Dict[str, Any]:
    """Twice the one-sided p-value of each statement, for n values (a number, or an array of them) of the mean and
    deviation of `found`; of the two one-sided tests of "same" the larger one."""
    from scipy.special import stdtr

    def p_value(inside: float) -> Any:
        """How surely the mean lies on the right side of a bound from which it is `inside` away."""
        if not found.sd:
            return 0.0 if inside > 0 else 1.0
        return np.minimum(1.0, 2 * stdtr(n - 1, -inside * np.sqrt(n) / found.sd))

    tried = {} if margin is None else {SAME: p_value(margin - abs(found.mean))}
    return {**tried, BETTER: p_value(found.mean), WORSE: p_value(-found.mean)}


def _holm(tried: Dict[int, Dict[str, Any]]) -> Dict[int, Any]:
    """(verdict, adjusted p-value) of each method."""
    decided = {}
    going_on, highest = True, 0.0
    for place, at in enumerate(sorted(tried, key=lambda at: float(min(tried[at].values())))):
        left, p_values = len(tried) - place, tried[at]
        allowed = [statement for statement, p in p_values.items() if left * p <= LEVEL]
        going_on = going_on and bool(allowed)
        highest = max(highest, min(1.0, left * float(min(p_values.values()))))
        verdict = allowed[0] if going_on else CANNOT_TELL
        own = min(1.0, left * float(p_values[verdict])) if going_on else highest
        decided[at] = verdict, max(highest, own)
    return decided
