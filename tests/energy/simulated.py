"""Loads whose energy is known exactly, and sensors that show them as real ones do.

A `Load` is a power curve made of straight pieces, so its energy between any two moments is exact. A `Sensor` publishes
that load at its own update moments (with jitter, delay, gain, offset, noise, quantisation, averaging, asleep for a part
of the time), and `read` polls what was published last, as a recorder would: with uneven reads and failed ones, over a
wrap or a reset.
"""

from dataclasses import dataclass
from typing import Any, Optional, Sequence, Tuple

import numpy as np

from energytrain.energy.traces.series import Series
from energytrain.meters.base import Channel
from energytrain.quantities.energy import Scope

Array = Any
BOOT_NS = 86_400_000_000_000  # the simulated machine has been up for a day


def ns(seconds: float) -> int:
    """What the clock reads at simulated time `seconds`."""
    return int(round(seconds * 1e9)) + BOOT_NS


class Load:
    """Straight pieces: at `t[i]` seconds the power is `after[i]` and runs to `before[i + 1]` at `t[i + 1]`."""

    def __init__(self, t: Array, before: Array, after: Array) -> None:
        self.t, self.before, self.after = (np.asarray(a, dtype=float) for a in (t, before, after))
        pieces = (self.after[:-1] + self.before[1:]) / 2 * np.diff(self.t)
        self.joules = np.append(0.0, np.cumsum(pieces))

    def _piece(self, t: Array) -> Tuple[Array, Array, Array]:
        i = np.clip(np.searchsorted(self.t, t, side="right") - 1, 0, len(self.t) - 2)
        return i, t - self.t[i], (self.before[i + 1] - self.after[i]) / (self.t[i + 1] - self.t[i])

    def power(self, t: Array) -> Array:
        i, dt, slope = self._piece(np.asarray(t, dtype=float))
        return self.after[i] + slope * dt

    def energy(self, t: Array) -> Array:
        i, dt, slope = self._piece(np.asarray(t, dtype=float))
        return self.joules[i] + self.after[i] * dt + slope * dt * dt / 2

    def between(self, start: float, end: float) -> float:
        return float(self.energy(end) - self.energy(start))


def levels(moments: Sequence[float], watts: Sequence[float], seconds: float = 1000.0) -> Load:
    """watts[0] until moments[0], then watts[1], and so on."""
    t = np.array([-seconds, *moments, seconds])
    return Load(t, [watts[0], *watts], [*watts, watts[-1]])


def constant(watts: float) -> Load:
    return levels([0.0], [watts, watts])


def square(period: float, phase: float, low: float, high: float, duty: float = 0.5, seconds: float = 60.0) -> Load:
    """`high` for `duty` of each period."""
    starts = np.arange(-seconds, seconds, period) + phase
    t = np.sort(np.concatenate([starts, starts + duty * period]))
    after = np.tile([high, low], len(starts))
    return Load(t, np.roll(after, 1), after)


def ramp(start: float, end: float, low: float, high: float, seconds: float = 1000.0) -> Load:
    return Load([-seconds, start, end, seconds], [low, low, high, high], [low, low, high, high])


def sine(period: float, phase: float, low: float, high: float, seconds: float = 60.0) -> Load:
    """Between `low` and `high`, in 32 straight pieces a period."""
    t = np.arange(-seconds, seconds, period / 32)
    watts = (low + high) / 2 + (high - low) / 2 * np.sin(2 * np.pi * (t - phase) / period)
    return Load(t, watts, watts)


@dataclass(frozen=True)
class Sensor:
    """How a sensor departs from the truth; times in seconds. `gain` and `offset` are its actual errors, not bounds."""

    quantity: str = "joules"
    period: float = 0.1
    phase: float = 0.0
    jitter: float = 0.0  # standard deviation of an update moment around its grid
    lag: float = 0.0  # what is published at u is the state at u - lag
    gain: float = 0.0
    offset: float = 0.0
    noise: float = 0.0
    resolution: float = 0.001
    averaging: Optional[float] = None  # None and 0 show the power of a moment
    smoothing: float = 0.0  # each update moves the reading by period / smoothing of the way to what it saw
    observed: float = 1.0  # the part of each update that it looks at, the last one; a mean is made of such parts
    wraps_at: Optional[float] = None
    reset_at: Optional[float] = None

    def publish(self, load: Load, start: float, end: float, rng: np.random.Generator) -> Tuple[Array, Array]:
        """(moments, values) of all updates between `start` and `end`."""
        u = np.arange(start, end, self.period) + self.phase
        if self.jitter:
            u = u + np.clip(rng.normal(0, self.jitter, len(u)), -0.45 * self.period, 0.45 * self.period)
        seen = u - self.lag
        if self.quantity == "watts":
            watts = load.power(seen)
            if self.averaging:
                watts = self._mean(load, seen)
            if self.smoothing:
                watts = self._smoothed(watts)
            watts = watts * (1 + self.gain) + self.offset + self.noise * rng.normal(0, 1, len(u))
            return u, np.round(watts / self.resolution) * self.resolution
        joules = load.energy(seen) * (1 + self.gain) + self.offset * seen
        values = joules - joules[0] + 7.0
        if self.reset_at is not None:
            after = u >= self.reset_at
            values[after] -= values[after][0]
        values = np.floor(values / self.resolution) * self.resolution
        return u, values if self.wraps_at is None else values % self.wraps_at

    def _mean(self, load: Load, seen: Array) -> Array:
        assert self.averaging is not None
        if self.observed == 1.0:
            return (load.energy(seen) - load.energy(seen - self.averaging)) / self.averaging
        awake = self.observed * self.period
        ends = seen[:, None] - self.period * np.arange(max(round(self.averaging / self.period), 1))
        return ((load.energy(ends) - load.energy(ends - awake)) / awake).mean(axis=1)

    def _smoothed(self, watts: Array) -> Array:
        kept = (1 - self.period / self.smoothing) ** np.arange(len(watts))
        weights = np.append(1.0, np.full(len(watts) - 1, self.period / self.smoothing))
        return kept * np.cumsum(weights * watts / kept)

    def channel(self, **facts: Any) -> Channel:
        """The channel of this sensor as its driver would state it; `facts` add to it or replace."""
        known = dict(
            name="x",
            meter="fake",
            sensor="fake:x",
            quantity=self.quantity,
            scope=Scope.CHIP,
            resolution=self.resolution,
            averaging_seconds=self.smoothing or self.averaging,
            smoothing_seconds=self.smoothing,
            observed_share=self.observed,
            wraps_at=self.wraps_at,
        )
        return Channel(**{**known, **facts})


def read(
    sensor: Sensor,
    load: Load,
    seconds: float,
    poll: float,
    rng: np.random.Generator,
    channel: Channel,
    *,
    unevenness: float = 0.0,
    failing: float = 0.0,
    lead: float = 5.0,
) -> Series:
    """A recorder's series from `lead` seconds before time 0 to `lead` seconds after `seconds`.

    unevenness: the longest delay of a read, in seconds; failing: the share of reads that fail.
    """
    t = np.arange(-lead, seconds + lead, poll) + rng.uniform(0, poll)
    t = np.sort(t + rng.uniform(0, 1, len(t)) * unevenness)
    u, shown = sensor.publish(load, -lead - 5 * sensor.period, seconds + lead + 5 * sensor.period, rng)
    values = shown[np.searchsorted(u, t, side="right") - 1].copy()
    if failing:
        values[rng.uniform(size=len(t)) < failing] = np.nan
    return series_of(channel, t, values)


def series_of(channel: Channel, t: Array, values: Array, errors: Tuple[str, ...] = ()) -> Series:
    """A series from seconds and values."""
    return Series(channel, (np.asarray(t) * 1e9).round().astype(np.int64) + BOOT_NS, values, errors)
