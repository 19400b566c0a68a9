"""Watts now and joules so far, in the run's own headline: measured where its device is here and metered, else modelled.

Only for people who watch and for budgets; what a run reports is computed from its marks and traces. Where a precision
is emulated the joules that a meter shows hold the emulation, and say so; a budget counts them, as they are drawn.
"""

from typing import Iterable, Optional, Tuple

from ..costs.energy_model import predict
from ..devices.profile import Profile
from ..quantities.ledger import Work, WorkItem
from .metering import Metering


class LiveCost:
    """The cost of one attempt while it runs."""

    def __init__(self, metering: Metering, profile: Optional[Profile], here: bool, emulated: bool = False) -> None:
        self._metering = metering
        self._profile = profile
        self._measured = here and bool(metering.primary)
        self._words = ("measured, emulation included", "modelled, what-if") if emulated else ("measured", "modelled")
        self._joules = 0.0
        self._watts: Optional[float] = None

    @property
    def knows_joules(self) -> bool:
        return self._measured or self._profile is not None

    def add(self, items: Iterable[WorkItem], images: int, steps: int) -> None:
        """Work that was done, for the modelled figures."""
        if self._profile is None:
            return
        cost = predict(items, images, steps, self._profile)
        if cost.energy.joules is not None and cost.seconds > 0:
            self._joules += cost.energy.joules
            self._watts = cost.energy.joules / cost.seconds

    def add_work(self, work: Iterable[Work]) -> None:
        for items, images, steps in work:
            self.add(items, images, steps)

    def now(self) -> Tuple[Optional[float], Optional[float], str]:
        """(watts, joules, provenance); None and `missing` where they are not known."""
        if self._measured:
            watts, joules = self._metering.live()
            return watts, joules, "missing" if joules is None else self._words[0]
        if self._profile is None:
            return None, None, "missing"
        return self._watts, self._joules, self._words[1]
