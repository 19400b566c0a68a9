"""Idle power of a run, from the baselines it took, and net energy: what is left of the gross without idle.

A run that is metered on its own device keeps it idle for some seconds before the first training step and after the
last, everything loaded. Net energy tells what training added; the gross is what was paid.
"""

from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, Optional

from ..quantities.compare import minus, ratio
from ..quantities.energy import Energy, ErrorTerm, Provenance, total, weakest
from .timeline import Timeline

BEGIN, END = "begin", "end"  # the phases of the two baselines' spans
# An idle power that moves by less than this is nothing to warn of, however exactly it was measured.
WORTH_A_WORD = 0.02


@dataclass(frozen=True)
class Idle:
    """The energies of the first baseline and of the last one; either may be missing, with its reason."""

    begin: Energy
    end: Energy

    @property
    def watts(self) -> Optional[float]:
        """The mean of both, None where one is missing."""
        return self.over(1.0).joules

    def over(self, seconds: float) -> Energy:
        """What the idle device uses in `seconds`; missing where a baseline is.

        The sensor's gain and offset stay terms of their own. What else is unsure of the two windows is one term, and
        half their difference another: both belong to the run's idle power, so they add linearly over its rows.
        """
        for baseline in (self.begin, self.end):
            if baseline.joules is None or baseline.seconds <= 0:
                return Energy.missing(baseline.reason or "an idle baseline has no length", seconds)
        halves = [e.scaled(seconds / 2 / e.seconds) for e in (self.begin, self.end)]
        both = total(halves)
        sensor = f"idle of {both.channel}"
        common = tuple(e for e in both.errors if e.sensor is not None and e.source in ("gain", "offset"))
        rest = replace(both, errors=tuple(e for e in both.errors if e not in common))
        drift = abs((halves[0].joules or 0.0) - (halves[1].joules or 0.0))
        own = (ErrorTerm("idle", rest.below, rest.above, sensor), ErrorTerm("drift", drift, drift, sensor))
        return replace(both, errors=common + own, seconds=seconds)

    def drift(self) -> Optional[str]:
        """A sentence where the two baselines differ by more than their bounds allow, else None."""
        if self.over(1.0).joules is None:
            return None
        begin, end = (e.scaled(1.0 / e.seconds) for e in (self.begin, self.end))
        moved = ratio(begin, end)
        if moved is None or moved.low <= 1.0 <= moved.high or abs(moved.value - 1.0) < WORTH_A_WORD:
            return None
        return (
            f"the idle power moved from {begin.joules:.1f} W before the training to {end.joules:.1f} W after it, by "
            "more than the sensor's bounds allow; net energies are that much less sure"
        )

    def to_json(self) -> Dict[str, Any]:
        watts = self.over(1.0)
        return {
            "watts": watts.joules,
            "low": watts.low,
            "high": watts.high,
            "reason": watts.reason,
            "begin_watts": self.begin.watts,
            "end_watts": self.end.watts,
            "seconds": self.begin.seconds + self.end.seconds,
        }


def idle_of(timeline: Timeline, energy_between: Callable[[int, int, int], Energy]) -> Idle:
    """The first baseline that was taken before training and the last one after it.

    energy_between: the measured energy of an attempt from one moment to another. Every attempt takes a baseline before
    it trains, because it is a process of its own; only one that ends by itself takes the one after.
    """
    spans = timeline.baselines()
    first = next((s for s in spans if s.complete and s.phase == BEGIN), None)
    last = next((s for s in reversed(spans) if s.complete and s.phase == END), None)
    asked = [attempt.mark.get("baseline") for attempt in timeline.attempts]
    none = "this run took no idle baseline" + (" (--baseline 0)" if 0 in asked else "")
    if first is None:
        return Idle(Energy.missing(none), Energy.missing(none))
    begin = energy_between(first.attempt, first.start, first.end)
    if last is None:
        unfinished = f"the idle baseline after the training is missing: the run's status is '{timeline.status}'"
        return Idle(begin, Energy.missing(none if timeline.status == "done" else unfinished))
    return Idle(begin, energy_between(last.attempt, last.start, last.end))


def net_of(gross: Energy, idle: Idle) -> Energy:
    """`gross` without what the idle device would have used in the same seconds; missing, with the reason, where idle
    power or gross energy is not known."""
    if gross.joules is None:
        return Energy.missing(str(gross.reason), gross.seconds, gross.scope, gross.channel)
    if gross.seconds == 0:  # nothing was done
        return replace(gross, provenance=weakest((gross.provenance, Provenance.DERIVED)))
    return minus(gross, idle.over(gross.seconds))
