"""Windows: named stretches of time over a trace. They nest, overlap and repeat; each is integrated for itself."""

from dataclasses import dataclass
from typing import Dict, Sequence, Tuple

from ..meters.base import Channel
from ..quantities.energy import Energy
from .integrator.integrate import energy_of
from .primary import primary_energy
from .traces.series import Trace


@dataclass(frozen=True)
class Window:
    """A named stretch of time in the trace's CLOCK_MONOTONIC nanoseconds. ValueError if it ends before it starts."""

    name: str
    start_ns: int
    end_ns: int

    def __post_init__(self) -> None:
        if self.end_ns < self.start_ns:
            raise ValueError(f"window '{self.name}' ends before it starts: {self.start_ns} to {self.end_ns}")

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.start_ns) * 1e-9


def energies_of(trace: Trace, windows: Sequence[Window]) -> Dict[str, Tuple[Energy, ...]]:
    """What each channel measured in each window, by channel name and in the order of `windows`.

    Scopes may overlap, so energies of different channels must not be added; `primary_energies` does where it may.
    """
    return {
        name: tuple(energy_of(series, window.start_ns, window.end_ns) for window in windows)
        for name, series in trace.metered.items()
    }


def primary_energies(trace: Trace, channels: Sequence[Channel], windows: Sequence[Window]) -> Tuple[Energy, ...]:
    """The energy of each window on the primary channels together, in the order of `windows`."""
    return tuple(primary_energy(trace, channels, window.start_ns, window.end_ns) for window in windows)
