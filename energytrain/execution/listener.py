"""What an execution tells whoever watches it: plain events, so that a terminal, a test or a tracker can listen."""

from dataclasses import dataclass
from typing import Optional, Protocol

from .outlook import Outlook


@dataclass(frozen=True)
class EpochReport:
    """One epoch, finished. Accuracies in percent; watts and joules of the run so far, with their provenance; and what
    the whole run will have cost at its end."""

    phase: str
    epoch: int
    epochs: int
    loss: float
    accuracy: float
    test_accuracy: Optional[float]
    distance: Optional[float]
    watts: Optional[float]
    joules: Optional[float]
    provenance: str
    outlook: Optional[Outlook] = None


class Listener(Protocol):
    """Calls come from the training thread; they must return quickly."""

    def message(self, text: str) -> None:
        """A sentence that the user should read (what is modelled, what could not be metered, a warning)."""

    def phase(self, name: str, first: int, last: int) -> None:
        """A training phase begins: epochs first .. last - 1 at most."""

    def window(self, network: str, batch: int, number: int, windows: int) -> None:
        """A window of inference begins, `number` from 1: `network` (dense or ticket) with `batch` images at a time."""

    def step(self, done: int, steps: int) -> None:
        """A step of the epoch or window under way is done."""

    def epoch(self, report: EpochReport) -> None:
        """An epoch is done and evaluated."""


class Silent:
    """A listener that shows nothing."""

    def message(self, text: str) -> None:
        pass

    def phase(self, name: str, first: int, last: int) -> None:
        pass

    def window(self, network: str, batch: int, number: int, windows: int) -> None:
        pass

    def step(self, done: int, steps: int) -> None:
        pass

    def epoch(self, report: EpochReport) -> None:
        pass
