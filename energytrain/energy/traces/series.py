"""The samples of one attempt on one host as plain arrays: what the recorder wrote and the integrator reads."""

from dataclasses import dataclass
from typing import Any, Container, Dict, Tuple

import numpy as np

from ...meters.base import Channel

# numpy's own generic array types differ between the oldest and the newest supported release.
Array = Any


def free_name(name: str, taken: Container[str]) -> str:
    """`name`, or "name#2" and so on where it is taken: what is kept by name needs one of its own."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}#{number}"
    return free


@dataclass(frozen=True)
class Series:
    """All readings of one channel, in the order in which they were taken.

    t: int64, shape (n,), CLOCK_MONOTONIC nanoseconds at the middle of each read.
    values: float64, shape (n,), in what `channel.quantity` says; nan where the read failed.
    errors: the driver's distinct messages of failed reads.
    """

    channel: Channel
    t: Array
    values: Array
    errors: Tuple[str, ...] = ()

    def __post_init__(self) -> None:
        t = np.asarray(self.t, dtype=np.int64)
        values = np.asarray(self.values, dtype=np.float64)
        if t.ndim != 1 or t.shape != values.shape:
            raise ValueError(f"'{self.channel.name}' needs one time a value: {t.shape} and {values.shape}")
        object.__setattr__(self, "t", t)
        object.__setattr__(self, "values", values)


@dataclass(frozen=True)
class Trace:
    """The series of one attempt on one host, by channel name; times are comparable only within one trace.

    anchors: int64, shape (n, 3): monotonic, boot-time and real-time clock read together, in nanoseconds.
    complete: whether the recorder wrote its end marker; torn_bytes: bytes after the last whole message.
    """

    series: Dict[str, Series]
    host: str
    boot_id: str
    attempt: int
    anchors: Array
    complete: bool = True
    torn_bytes: int = 0

    @property
    def metered(self) -> Dict[str, Series]:
        """The series of power and energy."""
        return {name: series for name, series in self.series.items() if series.channel.is_power}

    @property
    def conditions(self) -> Dict[str, Series]:
        """The series of what else the sensors said: temperatures, clocks, limits."""
        return {name: series for name, series in self.series.items() if not series.channel.is_power}
