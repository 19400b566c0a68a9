"""Readings that move a share of the way towards each new value (INA3221): the bounds hold whatever the load does."""

from typing import Any, Callable, Dict, Optional, Tuple

import numpy as np
import pytest
from energy.simulated import Load, constant, levels, ns, ramp, series_of, square

from energytrain.energy.integrator.integrate import energy_of
from energytrain.meters.base import Channel
from energytrain.quantities.energy import Scope

ROUND, SAMPLES = 0.0066, 64
LAG = ROUND * SAMPLES
SEEDS = 50

LOADS: Dict[str, Callable[[np.random.Generator, float], Load]] = {
    "constant": lambda rng, s: constant(7.0),
    "step": lambda rng, s: levels([rng.uniform(0.1, 0.9) * s], [4.0, 12.0]),
    "step at the edge": lambda rng, s: levels([rng.uniform(-0.1, 0.1)], [12.0, 4.0]),
    "slow square": lambda rng, s: square(1.7, rng.uniform(0, 1.7), 3.0, 12.0),
    "fast square": lambda rng, s: square(0.21, rng.uniform(0, 0.21), 3.0, 12.0),
    "square of twice the lag": lambda rng, s: square(2 * LAG, rng.uniform(0, 2 * LAG), 3.0, 12.0),
    "ramp": lambda rng, s: ramp(-1.0, s + 1.0, 3.0, 12.0),
}


def chip(load: Load, t: Any, rng: np.random.Generator, step: float) -> Any:
    """What a chip without gain and offset errors shows at times `t`."""
    slow = 1 + rng.uniform(-0.05, 0.05)
    moments = np.arange(t[0] - 12 * LAG, t[-1] + ROUND, ROUND * slow) + rng.uniform(0, ROUND)
    power = load.power(moments - rng.uniform(0, ROUND))
    reading, shown = float(power[0]), np.empty(len(power))
    for i, watts in enumerate(power):
        reading += (watts - reading) / SAMPLES
        shown[i] = reading
    return np.floor(shown[np.searchsorted(moments, t, side="right") - 1] / step) * step


def measured(
    load: Load, seconds: float, hz: float, rng: np.random.Generator, step: float = 0.04, most: Optional[float] = 20.0
) -> Tuple[Any, float]:
    t = np.arange(-2.0, seconds + 0.3, 1.03 / hz) + rng.uniform(0, 1 / hz)
    t = np.sort(t + rng.normal(0, 3e-4, len(t)))
    channel = Channel(
        name="ina3221:VDD_IN",
        meter="ina3221",
        sensor="s",
        quantity="watts",
        scope=Scope.MODULE,
        resolution=step,
        update_seconds=ROUND,
        averaging_seconds=LAG,
        smoothing_seconds=LAG,
        max_watts=most,
    )
    series = series_of(channel, t, chip(load, t, rng, step))
    return energy_of(series, ns(0.0), ns(seconds)), load.between(0.0, seconds)


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("seconds, hz", [(1.0, 100.0), (3.0, 10.0), (10.0, 10.0)])
def test_the_truth_lies_inside_the_bounds(name: str, seconds: float, hz: float) -> None:
    rng = np.random.default_rng([SEEDS, int(seconds), *name.encode()])
    inside, widths = 0, []
    for _ in range(SEEDS):
        energy, truth = measured(LOADS[name](rng, seconds), seconds, hz, rng)
        inside += energy.low <= truth <= energy.high
        widths.append((energy.high - energy.low) / 2)
        assert energy.coverage == pytest.approx(1.0)
    assert inside >= SEEDS - 1
    # The range of the limits over one read, of the load over what the lag is unsure by, and the readings' steps.
    assert np.median(widths) <= 20.0 / hz + 9.0 * (LAG / 10 + 0.025) + 0.06 * 7.5 * seconds


@pytest.mark.parametrize("burst", [0.1, 0.2, 0.3])
def test_a_burst_over_an_unknown_limit_lies_inside_the_bounds(burst: float) -> None:
    """The readings stay far below such a burst: what the load can draw must not be guessed from their height."""
    rng = np.random.default_rng([7, round(burst * 10)])
    for _ in range(20):
        start = 3.0 + rng.uniform(0, 0.1)
        load = levels([start, start + burst], [5.0, 50.0, 5.0])
        energy, truth = measured(load, 6.0, 10.0, rng, most=None)
        assert energy.low <= truth <= energy.high


def test_a_window_that_begins_at_a_jump_gets_the_energy_after_it() -> None:
    """A reading lags by 0.4 s, so that the plain integral would miss 3.4 J here, whatever the window's length."""
    rng = np.random.default_rng(3)
    energy, truth = measured(levels([0.0], [4.0, 12.0]), 5.0, 50.0, rng, step=0.001)
    assert energy.joules == pytest.approx(truth, abs=0.5)


def test_a_plain_mean_is_something_else() -> None:
    rng = np.random.default_rng(4)
    load, t = levels([0.0], [4.0, 12.0]), np.arange(-2.0, 5.0, 0.02)
    plain = Channel("a", "m", "s", "watts", Scope.MODULE, update_seconds=ROUND, averaging_seconds=2 * LAG)
    wrong = energy_of(series_of(plain, t, chip(load, t, rng, 0.001)), ns(0.0), ns(1.0)).joules
    assert wrong is not None and abs(wrong - 12.0) > 0.5
