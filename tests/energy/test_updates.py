"""Finding a sensor's updates between the reads: its period, and moments finer than the reads are apart."""

from typing import Tuple

import numpy as np
import pytest
from energy.simulated import Load, Sensor, constant, ns, ramp, read, square

from energytrain.energy.integrator.updates import Updates, find_updates, on_grid, update_period

Arrays = Tuple[np.ndarray, np.ndarray]


def reads(sensor: Sensor, poll: float, seed: int, load: Load, unevenness: float = 0.001) -> Arrays:
    rng = np.random.default_rng(seed)
    series = read(sensor, load, 5, poll, rng, sensor.channel(), unevenness=unevenness)
    return (series.t - ns(0)) * 1e-9, series.values


def updates_of(sensor: Sensor, poll: float, seed: int, unevenness: float = 0.001) -> Updates:
    t, values = reads(sensor, poll, seed, constant(250.0), unevenness)
    return find_updates(t, values, None, 0.001)


@pytest.mark.parametrize(("period", "poll"), [(0.1, 0.025), (0.1, 0.01), (0.02, 0.01), (0.02, 0.005), (0.1, 0.06)])
@pytest.mark.parametrize("quantity", ["joules", "watts"])
def test_the_period_is_seen_in_the_changes(quantity: str, period: float, poll: float) -> None:
    sensor = Sensor(quantity, period=period, phase=0.007, noise=1.0)
    t, values = reads(sensor, poll, 0, ramp(-5, 10, 100, 400))
    seen = update_period(t, values, None, 0.001)
    assert seen.seconds == seen.longest == pytest.approx(period, rel=0.02)


def test_where_every_read_is_new_the_period_is_at_most_the_reads_interval() -> None:
    t, values = reads(Sensor(period=0.02), 0.1, 0, constant(250.0))
    assert update_period(t, values, None, 0.001).seconds == pytest.approx(0.1, rel=0.02)
    assert update_period(t, values, 0.02, 0.001).seconds == 0.02


def test_changes_may_be_rarer_than_updates_but_not_more_frequent() -> None:
    t, values = reads(Sensor(period=0.1), 0.025, 0, constant(250.0))
    assert update_period(t, values, 0.05, 0.001).seconds == 0.05
    assert update_period(t, values, 0.5, 0.001).seconds == pytest.approx(0.1, rel=0.01)


def test_a_noisy_step_of_resolution_shows_the_updates() -> None:
    """Readings that toggle by a step now and then: their shortest spans are one period, the rest several."""
    sensor = Sensor("watts", period=0.4, noise=0.05, resolution=0.1)
    t, values = reads(sensor, 0.1, 1, constant(8.0))
    assert update_period(t, values, None, 0.1).seconds == pytest.approx(0.4, rel=0.05)


@pytest.mark.parametrize("load", [constant(200.0), square(1.0, 0.2, 100, 400)])
def test_exact_levels_show_the_loads_rhythm_and_not_the_sensors(load: Load) -> None:
    t, values = reads(Sensor("watts", period=0.1), 0.025, 0, load)
    guess = update_period(t, values, None, 0.001)
    assert guess.seconds == 0.025 and guess.longest == 0.1


def test_a_new_value_came_between_two_reads() -> None:
    updates = updates_of(Sensor(period=0.1, phase=0.03), 0.025, 0, unevenness=0.0)
    inside = (updates.early > -4) & (updates.late < 9)
    moments = np.round((updates.late - 0.03) / 0.1 - 0.5) * 0.1 + 0.03
    assert ((updates.early < moments + 1e-9) & (moments <= updates.late + 1e-9))[inside].all()
    assert np.allclose((updates.late - updates.early)[inside], 0.025)
    assert (updates.last[:-1] < updates.late[1:]).all()


def test_reads_that_are_missing_end_a_run() -> None:
    t = np.concatenate([np.arange(0, 3, 0.025), np.arange(5, 8, 0.025)])
    updates = find_updates(t, np.full(len(t), 200.0), 0.1, 0.001)
    assert updates.after_gap.tolist() == [False, True]
    assert updates.last[0] == pytest.approx(2.975) and updates.late[1] == pytest.approx(5.0)
    assert updates.early[1] == pytest.approx(4.9)


@pytest.mark.parametrize(
    ("period", "poll", "jitter"),
    [
        (0.1, 0.025, 0.0),
        (0.1, 0.0251, 0.0),
        (0.1, 0.025, 0.001),
        (0.02, 0.01, 0.0),
        (0.02, 0.01, 0.0005),
        (0.1, 0.06, 0.0),
    ],
)
def test_the_grid_is_far_finer_than_the_reads(period: float, poll: float, jitter: float) -> None:
    """But for one shift of the whole grid, which `freedom` bounds: a constant load's energy does not notice it."""
    for seed in range(20):
        phase = float(np.random.default_rng(seed).uniform(0, period))
        sensor = Sensor(period=period, phase=phase, jitter=jitter, resolution=1e-9)
        t, values = reads(sensor, poll, seed, constant(1.0))
        updates = find_updates(t, values, None, 1e-9)
        grid = on_grid(updates.early[5:150], updates.late[5:150], updates.period.seconds)
        assert grid is not None
        moments, freedom, scatter = grid
        off = moments - (updates.values[5:150] + (moments - updates.values[5:150])[0])
        assert np.std(off) < poll / 10 + 1.5 * jitter
        assert freedom <= poll / 2 + 0.001 and scatter <= 0.15 * period
        assert ((updates.early[5:150] <= moments) & (moments <= updates.late[5:150])).all()


def test_a_sensor_without_a_beat_has_no_grid() -> None:
    rng = np.random.default_rng(0)
    late = np.cumsum(rng.uniform(0.05, 0.15, 100))
    assert on_grid(late - 0.01, late, 0.1) is None
    assert on_grid(late[:3] - 0.01, late[:3], 0.1) is None


def test_a_grid_survives_updates_that_no_read_saw() -> None:
    moments = np.delete(np.arange(100) * 0.1, [7, 30, 31, 32, 60])
    grid = on_grid(moments - 0.012, moments + 0.013, 0.1003)
    assert grid is not None
    assert np.allclose(np.diff(grid[0]), np.diff(moments), atol=1e-4)


def test_a_grid_stands_in_the_middle_of_what_the_bounds_allow() -> None:
    moments = np.arange(60) * 0.1
    rarely = np.arange(60) % 10 == 0
    early = moments - np.where(rarely, 0.03, 0.01)
    late = moments + np.where(rarely, 0.01, 0.03)
    grid = on_grid(early, late, 0.1)
    assert grid is not None
    assert np.allclose(grid[0], moments, atol=1e-3)
    assert grid[1] == pytest.approx(0.01, abs=1e-3) and grid[2] == 0.0
