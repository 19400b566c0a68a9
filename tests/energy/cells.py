"""Loads on meters for the tests of the bounds: what 500 draws of a sensor show of a load, and what is measured of it.

A cell is one kind of load on one kind of meter. Each seed draws the load's level and phase, the window's length, the
sensor's gain, offset, lag and phase, uneven reads and failed ones.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
from energy.simulated import Array, Load, Sensor, constant, levels, ns, ramp, read, sine, square

from energytrain.energy.integrator.integrate import energy_of
from energytrain.energy.traces.series import Series
from energytrain.quantities.energy import Energy

LOW, HIGH = 100.0, 400.0
LIMITS = (50.0, 450.0)  # of the device


class Meter(NamedTuple):
    sensor: Sensor
    poll: float
    seconds: float  # the shortest window
    states_period: bool = False


COUNTERS = {
    "counter 100 ms": Meter(Sensor(period=0.1, jitter=0.0005), 0.025, 1.0),
    "counter 20 ms": Meter(Sensor(period=0.02, jitter=0.0002), 0.01, 0.5),
    "counter 20 ms read at 10 Hz": Meter(Sensor(period=0.02), 0.1, 5.0, states_period=True),
}
WHOLE = {
    "power 100 ms, means of 1 s": Meter(Sensor("watts", period=0.1, noise=1.0, averaging=1.0), 0.025, 5.0),
    "power 422 ms, means of 422 ms": Meter(Sensor("watts", period=0.422, noise=0.1, averaging=0.422), 0.1, 10.0),
}
# They look at a part of the time; one of which nobody says over what it averages may do so.
PART_TIME = {
    "power 25 ms": Meter(Sensor("watts", period=0.025, noise=1.0), 0.00625, 2.0),
    "power 100 ms": Meter(Sensor("watts", period=0.1, noise=1.0, jitter=0.001), 0.025, 5.0),
    "power 100 ms, moments without noise": Meter(Sensor("watts", period=0.1, averaging=0.0), 0.025, 5.0, True),
    "power 100 ms, means of 25 ms": Meter(Sensor("watts", period=0.1, noise=1.0, averaging=0.025), 0.025, 5.0),
    "power 100 ms, means of 1 s, a quarter seen": Meter(
        Sensor("watts", period=0.1, noise=1.0, averaging=1.0, observed=0.25), 0.025, 5.0
    ),
    "power 6.6 ms read at 100 Hz": Meter(
        Sensor("watts", period=0.0066, noise=1.0, averaging=0.0011), 0.0103, 2.0, states_period=True
    ),
    "power 6.6 ms, smoothed by 422 ms": Meter(
        Sensor("watts", period=0.0066, noise=0.1, averaging=0.0011, smoothing=0.4224, observed=1 / 6),
        0.025,
        2.0,
        states_period=True,
    ),
}
METERS = {**COUNTERS, **WHOLE, **PART_TIME}

MakeLoad = Callable[[np.random.Generator, float, Meter], Load]  # of a generator, the window's seconds and the meter


def _square(period: float, duty: float = 0.5) -> MakeLoad:
    return lambda rng, seconds, meter: square(period, rng.uniform(0, period), LOW, HIGH, duty, seconds=40)


LOADS: Dict[str, MakeLoad] = {
    "constant": lambda rng, seconds, meter: constant(rng.uniform(LOW, HIGH)),
    "step": lambda rng, seconds, meter: levels([rng.uniform(0, seconds)], [LOW, HIGH]),
    "starts with the window": lambda rng, seconds, meter: levels([rng.uniform(-0.01, 0.01), seconds], [LOW, HIGH, LOW]),
    "square": _square(1.0),
    "ramp": lambda rng, seconds, meter: ramp(-1, seconds + 1, LOW, HIGH),
    "sine": lambda rng, seconds, meter: sine(2.3, rng.uniform(0, 2.3), LOW, HIGH),
    # Nearly in step with a sensor of 100 ms: each jump is missed by the same part of an update.
    "square of 0.7 s": _square(0.7),
    "square of 1 s, 45 %": _square(1.0, 0.45),
    "square of 0.831 s, 37 %": _square(0.831, 0.37),
    "square of 4.1 s, 30 %": _square(4.1, 0.3),
}
FAST: Dict[str, MakeLoad] = {
    "square of 50 ms": _square(0.05),
    "square of 100 ms": _square(0.1),
    "square of 103 ms": _square(0.103),
    "square of 200 ms": _square(0.2),
    "sine of 100 ms": lambda rng, seconds, meter: sine(0.1, rng.uniform(0, 1), LOW, HIGH, seconds=40),
}
# Exactly in step with the sensor: all its looks fall on the same part of the load.
IN_STEP: Dict[str, MakeLoad] = {
    "square of an update": lambda rng, seconds, meter: _square(meter.sensor.period)(rng, seconds, meter),
    "square of half an update": lambda rng, seconds, meter: _square(meter.sensor.period / 2)(rng, seconds, meter),
    "sine of an update": lambda rng, seconds, meter: sine(meter.sensor.period, rng.uniform(0, 1), LOW, HIGH, 40),
    "square of a read": lambda rng, seconds, meter: _square(meter.poll)(rng, seconds, meter),
}
ALL_LOADS = {**LOADS, **FAST, **IN_STEP}


class Faults(NamedTuple):
    """What a seed draws of the sensor: gain and offset (watts) within +-, and seconds of lag."""

    gain: float
    offset: float
    lag: Tuple[float, float]  # or up to LAG_SHARE of an update where that is longer


LAG_SHARE = 0.25
REAL = Faults(0.05, 2.0, (0.005, 0.025))  # NVIDIA states 5 % for a power reading
NO_ROOM = REAL._replace(gain=0.0, offset=0.0)  # no error of the gain makes room for another
NONE = Faults(0.0, 0.0, (0.0, 0.0))


class Outcome(NamedTuple):
    held: float
    width: float  # mean half width over the truth
    width_without: float  # the same without what a load may hide
    errors: Array  # over the truth

    @property
    def error_99(self) -> float:
        return float(np.quantile(self.errors, 0.99))


def readings(
    load: Load, meter: Meter, seconds: float, faults: Faults, limits: Tuple[float, float], rng: np.random.Generator
) -> Series:
    """What one draw of the meter's sensor shows of a load, and a recorder reads."""
    period = meter.sensor.period
    lag = faults.lag[0], max(faults.lag[1], LAG_SHARE * period if faults.lag[1] else 0.0)
    sensor = replace(
        meter.sensor,
        phase=rng.uniform(0, period),
        gain=rng.uniform(-faults.gain, faults.gain),
        offset=rng.uniform(-faults.offset, faults.offset),
        lag=rng.uniform(*lag),
    )
    channel = sensor.channel(
        gain_error=faults.gain,
        offset_watts=faults.offset,
        idle_watts=limits[0],
        max_watts=limits[1],
        update_seconds=period if meter.states_period else None,
    )
    lead = 10.0 if sensor.averaging == 1.0 else 4.0
    return read(sensor, load, seconds, meter.poll, rng, channel, unevenness=0.001, failing=0.01, lead=lead)


def holds(energy: Energy, truth: float) -> bool:
    assert energy.low is not None and energy.high is not None
    return energy.low <= truth <= energy.high


def _half_width(energy: Energy) -> float:
    assert energy.low is not None and energy.high is not None
    return (energy.high - energy.low) / 2


@lru_cache(maxsize=None)
def outcome_of(
    load: str,
    name: str,
    seeds: int,
    faults: Faults = REAL,
    limits: Tuple[float, float] = LIMITS,
    shortest: Optional[float] = None,
) -> Outcome:
    """A cell over so many seeds. shortest: seconds of the shortest window, the meter's own without it."""
    meter = METERS[name]
    held: List[bool] = []
    width: List[Tuple[float, float]] = []
    error: List[float] = []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 2026])
        seconds = (shortest or meter.seconds) + rng.uniform(0, 0.5)
        made = ALL_LOADS[load](rng, seconds, meter)
        energy = energy_of(readings(made, meter, seconds, faults, limits, rng), ns(0), ns(seconds))
        truth = made.between(0, seconds)
        assert energy.joules is not None
        without = replace(energy, errors=tuple(e for e in energy.errors if e.source != "aliasing"))
        held.append(holds(energy, truth))
        width.append((_half_width(energy) / truth, _half_width(without) / truth))
        error.append(abs(energy.joules / truth - 1))
    mean = np.mean(width, axis=0)
    return Outcome(float(np.mean(held)), float(mean[0]), float(mean[1]), np.array(error))
