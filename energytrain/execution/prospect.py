"""The outlook of a running attempt: joules of its epochs as they are finished, and the plan of what is left."""

from pathlib import Path
from typing import Dict, List, Optional, Sequence

import torch

from ..costs.energy_model import predict
from ..costs.memory import remembering
from ..data.catalog import DataInfo
from ..devices.profile import Profile
from ..methods.catalog import recipe_of
from ..methods.network import Networks
from ..methods.phases import MaskDistance, Prune, Train
from ..methods.planned_ledger import Draws, planned_epochs, planned_phases
from ..methods.uniform import uniform_kept
from ..pruning.ticket import Ticket
from ..quantities.ledger import Work, spend
from ..runs.spec import RunSpec
from .outlook import Left, Outlook, outlook


class Prospect:
    """The outlook of one attempt. before: joules of earlier attempts, None where they are not known."""

    def __init__(
        self,
        spec: RunSpec,
        data: DataInfo,
        profile: Optional[Profile],
        ticket_file: Optional[Path],
        before: Optional[float],
    ) -> None:
        self._spec, self._data, self._profile, self._ticket_file = spec, data, profile, ticket_file
        self._before = before
        self._recipe = recipe_of(spec)
        self._units: Optional[Dict[str, float]] = None
        self._seen: Dict[str, List[float]] = {}
        self._last: Optional[float] = None

    def begins(self, joules: Optional[float]) -> None:
        """A training phase begins; joules of the attempt so far. What came before is no part of its epochs."""
        self._last = joules

    def epoch(self, place: int, done: int, draw: Optional[int], joules: Optional[float]) -> Optional[Outlook]:
        """After an epoch of the phase at `place` of the recipe, `done` of its epochs finished.

        draw: after which epoch the ticket was or is drawn, None where that is open. joules: of the attempt so far.
        """
        phase, spec = self._recipe[place], self._spec
        assert isinstance(phase, Train)
        last, self._last = self._last, joules
        if joules is None or last is None or self._before is None or spec.measure_epochs is not None:
            return None
        self._seen.setdefault(phase.name, []).append(joules - last)
        trained = [one for one in self._recipe[place:] if isinstance(one, Train)]
        seen = {one.precision for one in self._recipe if isinstance(one, Train) and one.name in self._seen}
        if any(one.precision not in seen for one in trained):
            return None  # what emulation costs beside fp32 is in no plan
        if self._units is None:
            self._units = self._planned()
        draws = [draw] if draw is not None else _open_draws(phase, done)
        ways = [self._left(place, done, epoch) for epoch in draws]
        return outlook(self._before + joules, self._seen, self._units, ways)

    def _left(self, place: int, done: int, draw: int) -> List[Left]:
        assert self._units is not None
        left = []
        for at, phase in enumerate(self._recipe[place:]):
            if isinstance(phase, Train):
                epochs = planned_epochs(phase, Draws(draw), self._spec) - (done if at == 0 else 0)
                if epochs > 0:
                    left.append(Left(phase.name, epochs, self._units[phase.name]))
            elif self._units.get(phase.name):
                left.append(Left(phase.name, 0, self._units[phase.name]))
        return left

    def _planned(self) -> Dict[str, float]:
        """The plan's cost of an epoch of each phase, and of each phase without epochs."""
        spec, networks, draw = self._spec, Networks(), max(1, self._spec.epochs // 2)
        with remembering(), torch.random.fork_rng(devices=[]):
            dense = networks.dense(spec, self._data)
            prunings = [phase for phase in self._recipe if isinstance(phase, Prune)]
            if self._ticket_file is not None and prunings:
                kept = {phase.name: Ticket.load(self._ticket_file).kept_counts for phase in prunings}
            else:
                kept = {phase.name: dict(uniform_kept(spec, phase, dense)) for phase in prunings}
            phases = planned_phases(spec, self._data, Draws(draw, kept, masked=0), networks)
        return {one.phase.name: self._cost(one.work) / max(1, one.epochs) for one in phases}

    def _cost(self, work: Sequence[Work]) -> float:
        """Modelled joules, or FLOPs where the device has no profile."""
        if self._profile is None:
            return float(sum(spend(items, "", images, steps).flops() for items, images, steps in work))
        joules = [predict(items, images, steps, self._profile).energy.joules for items, images, steps in work]
        return sum(one for one in joules if one is not None)


def _open_draws(phase: Train, done: int) -> List[int]:
    """When the search of `phase` may end, first and last; its schedule's end where it has none."""
    first = phase.last
    if phase.until is not None and not (isinstance(phase.until, MaskDistance) and phase.until.rule == "fixed"):
        first = min(done + 1, phase.last)
    return list(dict.fromkeys((first, phase.last)))
