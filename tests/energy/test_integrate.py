"""What a window's energy is and is not: exact where it can be, bounded where readings lack, missing where none are."""

from dataclasses import replace
from typing import Any, Optional

import numpy as np
import pytest
from energy.simulated import Sensor, constant, levels, ns, read, series_of, square

from energytrain.energy.integrator.integrate import energy_of
from energytrain.energy.traces.series import Series
from energytrain.quantities.energy import Energy, ErrorTerm, Provenance, Scope

WATTS = Sensor("watts", period=0.1)
COUNTER = Sensor(period=0.1)
T = np.arange(-5, 15, 0.025)


def power(values: Any, t: Any = T, **facts: Any) -> Series:
    return series_of(WATTS.channel(**{"max_watts": 300.0, "idle_watts": 20.0, **facts}), t, values)


def counted(watts: float, t: Any = T, period: float = 0.1) -> Any:
    """What a counter of a constant load shows at `t`."""
    return np.floor(watts * (np.floor(t / period + 1e-9) * period + 6) * 1000) / 1000


def counter(values: Any, t: Any = T, **facts: Any) -> Series:
    return series_of(COUNTER.channel(**{"max_watts": 300.0, "idle_watts": 20.0, **facts}), t, values)


def term(energy: Energy, source: str) -> ErrorTerm:
    return next((e for e in energy.errors if e.source == source), ErrorTerm(source, 0.0, 0.0))


def holds(energy: Energy, joules: float) -> bool:
    assert energy.low is not None and energy.high is not None
    return energy.low <= joules <= energy.high


@pytest.mark.parametrize(("start", "end"), [(0.0, 10.0), (0.0123456, 9.7654321), (1.0, 1.003), (3.0, 14.9)])
def test_constant_power_integrates_exactly(start: float, end: float) -> None:
    energy = energy_of(power(np.full(len(T), 200.0)), ns(start), ns(end))
    assert energy.joules == pytest.approx(200.0 * (ns(end) - ns(start)) * 1e-9, rel=1e-12)
    assert energy.watts == pytest.approx(200.0, rel=1e-12)


def test_what_a_window_says_about_itself() -> None:
    energy = energy_of(power(np.full(len(T), 200.0)), ns(0), ns(10))
    assert (energy.provenance, energy.scope, energy.channel) == (Provenance.MEASURED, Scope.CHIP, "x")
    assert (energy.seconds, energy.coverage, energy.reason) == (10.0, 1.0, None)


def test_uneven_reads_of_a_constant_power_integrate_exactly() -> None:
    rng = np.random.default_rng(0)
    t = np.sort(rng.uniform(-5, 15, 900))
    assert energy_of(power(np.full(900, 200.0), t), ns(0), ns(10)).joules == pytest.approx(2000.0, rel=1e-12)


def test_repeated_readings_are_kept() -> None:
    """A load that stands, jumps and stands again: without the repeats it would be a slope over all its length."""
    load = levels([2.0, 8.0], [100.0, 300.0, 100.0])
    rng = np.random.default_rng(0)
    series = read(WATTS, load, 10, 0.025, rng, WATTS.channel(max_watts=300.0))
    energy = energy_of(series, ns(0), ns(10))
    assert energy.joules == pytest.approx(load.between(0, 10), abs=200 * 0.1)
    assert holds(energy, load.between(0, 10))


def test_gain_and_offset_are_correlated_terms_of_their_sensor() -> None:
    series = power(np.full(len(T), 200.0), gain_error=0.05, offset_watts=2.0)
    energy = energy_of(series, ns(0), ns(10))
    gain, offset = term(energy, "gain"), term(energy, "offset")
    assert gain.sensor == offset.sensor == "fake:x"
    assert gain.above == gain.below == pytest.approx(0.05 * 2000 * 2.576 / 1.96)
    assert offset.above == pytest.approx(2.0 * 10 * 2.576 / 1.96)
    assert {e.source for e in energy.errors if e.sensor is None} <= {"edge", "timing", "gap", "noise"}


def test_a_coarse_constant_power_is_off_by_the_same_step_in_every_reading() -> None:
    series = power(np.full(len(T), 200.0), resolution=1.0, update_seconds=0.1, averaging_seconds=0.1, max_watts=200.0)
    energy = energy_of(series, ns(0), ns(10))
    for true in (199.6, 200.4, 200.9):  # rounded twice, cut off once
        assert holds(energy, true * 10)
    assert term(energy, "resolution").above == pytest.approx(10.0) and not holds(energy, 2020.0)


@pytest.mark.parametrize("spread", [lambda rng, n: rng.normal(0, 1, n), lambda rng, n: rng.uniform(-1.7, 1.7, n)])
def test_the_noise_of_readings_averages_out_as_its_bound_says(spread: Any) -> None:
    errors = []
    for seed in range(100):
        values = np.repeat(200 + spread(np.random.default_rng(seed), len(T) // 4), 4)
        energy = energy_of(power(values), ns(0), ns(10))
        assert energy.joules is not None
        errors.append(abs(energy.joules - 2000) / term(energy, "noise").above)
    assert np.mean(np.array(errors) < 1) >= 0.968 and np.quantile(errors, 0.99) > 0.5


class TestGapsInPower:
    def test_failed_reads_are_bounded_by_idle_and_most(self) -> None:
        values = np.full(len(T), 200.0)
        values[(T > 3) & (T < 5)] = np.nan
        energy = energy_of(power(values), ns(0), ns(10))
        assert energy.joules == pytest.approx(2000.0)
        assert energy.coverage == pytest.approx(0.8, abs=0.02)
        assert term(energy, "gap").below == pytest.approx(2 * (200 - 20), rel=0.03)
        assert term(energy, "gap").above == pytest.approx(2 * (300 - 200), rel=0.03)
        for watts in (20.0, 300.0):  # whatever the load did in between
            assert holds(energy, 8.05 * 200 + 1.95 * watts)

    def test_the_largest_reading_bounds_a_gap_where_the_limit_is_unknown(self) -> None:
        values = np.where(T > 12, 260.0, 200.0)
        values[(T > 3) & (T < 5)] = np.nan
        energy = energy_of(power(values, max_watts=None), ns(0), ns(10))
        assert term(energy, "gap").above == pytest.approx(2 * (1.25 * 260 - 200), rel=0.03)

    def test_a_gap_is_bridged_from_side_to_side(self) -> None:
        values = np.where(T > 4, 280.0, 100.0)
        values[(T > 3) & (T < 5)] = np.nan
        energy = energy_of(power(values), ns(0), ns(10))
        assert energy.joules == pytest.approx(3 * 100 + 2 * 190 + 5 * 280, rel=0.01)
        assert holds(energy, 4 * 100 + 6 * 280)

    def test_reads_that_were_never_made_are_a_gap_as_well(self) -> None:
        keep = (T < 3) | (T > 5)
        stalled = energy_of(power(np.full(int(keep.sum()), 200.0), T[keep]), ns(0), ns(10))
        assert stalled.coverage == pytest.approx(0.8, abs=0.02)
        assert term(stalled, "gap").below > 300

    def test_a_failed_read_within_an_update_period_loses_nothing(self) -> None:
        values = np.full(len(T), 200.0)
        values[::3] = np.nan
        energy = energy_of(power(values, update_seconds=0.1), ns(0), ns(10))
        assert energy.coverage == 1.0 and term(energy, "gap").above == 0

    def test_many_gaps_average_out(self) -> None:
        values = np.full(len(T), 200.0)
        for start in range(1, 10):
            values[(T > start) & (T < start + 0.5)] = np.nan
        one = np.full(len(T), 200.0)
        one[(T > 1) & (T < 1.5)] = np.nan
        energies = [energy_of(power(v, update_seconds=0.1), ns(0), ns(10)) for v in (values, one)]
        nine, single = (term(energy, "gap").above for energy in energies)
        assert nine == pytest.approx(3 * 1.487 * single, rel=0.05)

    @pytest.mark.parametrize("garbled", [188.0 * 170.0, -5000.0])
    def test_a_reading_that_no_load_can_draw_is_a_failed_one(self, garbled: float) -> None:
        values = np.full(len(T), 200.0)
        lost = values.copy()
        values[np.searchsorted(T, 0.0)], lost[np.searchsorted(T, 0.0)] = garbled, np.nan
        energy, without = (energy_of(power(shown, max_watts=300.0), ns(0), ns(10)) for shown in (values, lost))
        assert energy == without and energy.joules == pytest.approx(2000.0)


class TestOutsideAllReadings:
    @pytest.mark.parametrize(("start", "end"), [(10.0, 17.0), (-7.0, 0.0)])
    def test_the_nearest_power_holds_and_the_bound_widens(self, start: float, end: float) -> None:
        energy = energy_of(power(np.full(len(T), 200.0)), ns(start), ns(end))
        assert energy.joules == pytest.approx(1400.0)
        assert energy.coverage == pytest.approx(5.15 / 7, abs=0.01)
        assert holds(energy, 5 * 200 + 1.9 * 20 + 0.1 * 200) and holds(energy, 5 * 200 + 1.9 * 300 + 0.1 * 200)

    def test_a_window_that_ends_within_reach_of_the_last_reading_is_covered(self) -> None:
        assert energy_of(power(np.full(len(T), 200.0)), ns(10), ns(15.05)).coverage == 1.0
        assert energy_of(counter(counted(200)), ns(10), ns(15.05)).coverage == 1.0

    @pytest.mark.parametrize("series", [power(np.full(len(T), 200.0)), counter(counted(200.0))])
    def test_a_window_with_no_reading_near_is_missing(self, series: Series) -> None:
        energy = energy_of(series, ns(16), ns(17))
        assert energy.joules is None and energy.provenance is Provenance.MISSING
        assert energy.reason is not None and "nearest reading of 'x' is 1.0" in energy.reason
        assert (energy.seconds, energy.coverage, energy.channel) == (1.0, 0.0, "x")

    def test_a_counter_that_dies_holds_its_last_power(self) -> None:
        values = counted(200.0)
        values[T > 5] = np.nan
        energy = energy_of(counter(values), ns(0), ns(10))
        assert energy.joules == pytest.approx(2000.0, rel=0.01)
        assert energy.coverage == pytest.approx(0.5, abs=0.03)
        assert holds(energy, 5 * 200 + 5 * 20) and holds(energy, 5 * 200 + 5 * 300)


class TestMissing:
    @pytest.mark.parametrize("make", [power, counter])
    def test_no_reading_at_all(self, make: Any) -> None:
        energy = energy_of(make(T[:0], T[:0]), ns(0), ns(1))
        assert energy.joules is None and energy.reason == "no reading of 'x' near the window"

    def test_failed_reads_only_tell_the_drivers_words(self) -> None:
        series = replace(power(np.full(len(T), np.nan)), errors=("GPU is lost",))
        energy = energy_of(series, ns(0), ns(1))
        assert energy.joules is None and energy.reason == "no reading of 'x' near the window (GPU is lost)"

    @pytest.mark.parametrize("reads", [1, len(T)])
    def test_a_counter_that_never_moves_measures_nothing(self, reads: int) -> None:
        energy = energy_of(counter(np.full(reads, 5.0), T[:reads]), ns(-5), ns(-4.9))
        assert energy.joules is None and energy.reason is not None and "never moved" in energy.reason

    def test_infinite_readings_are_failed_ones(self) -> None:
        values = np.full(len(T), 200.0)
        values[300] = np.inf
        assert energy_of(power(values, max_watts=None), ns(0), ns(10)).joules == pytest.approx(2000.0)


class TestShortWindows:
    def test_a_window_of_no_length_has_no_energy(self) -> None:
        for series in (power(np.full(len(T), 200.0)), counter(counted(200.0))):
            energy = energy_of(series, ns(1), ns(1))
            assert (energy.joules, energy.low, energy.high) == (0.0, 0.0, 0.0)

    def test_a_window_cannot_end_before_it_starts(self) -> None:
        with pytest.raises(ValueError, match="cannot end before it starts"):
            energy_of(power(np.full(len(T), 200.0)), ns(2), ns(1))

    def test_within_an_update_period_the_load_may_have_done_anything(self) -> None:
        for series in (power(np.full(len(T), 200.0), update_seconds=0.1), counter(counted(200.0))):
            energy = energy_of(series, ns(1.021), ns(1.051))
            assert energy.joules == pytest.approx(0.03 * 200, rel=0.02)
            assert energy.below > 0.3 * energy.joules and energy.above > 0.3 * energy.joules

    def test_one_power_reading_is_held(self) -> None:
        energy = energy_of(power([200.0], [1.0]), ns(0.5), ns(1.5))
        assert energy.joules == pytest.approx(200.0)
        assert holds(energy, 30.0) and holds(energy, 290.0) and not holds(energy, 310.0)


class TestCounters:
    def test_a_constant_load(self) -> None:
        energy = energy_of(counter(counted(200.0)), ns(0), ns(10))
        assert energy.joules == pytest.approx(2000.0, rel=1e-3)
        assert energy.coverage == 1.0

    def test_across_failed_reads_it_is_exact(self) -> None:
        values = counted(200.0)
        values[(T > 3) & (T < 5)] = np.nan
        energy = energy_of(counter(values), ns(0), ns(10))
        assert energy.joules == pytest.approx(2000.0, rel=1e-3)
        assert energy.coverage == 1.0 and term(energy, "gap").above == 0

    def test_an_edge_in_a_gap_is_bounded_by_the_load(self) -> None:
        values = counted(200.0)
        values[(T > 3) & (T < 5)] = np.nan
        energy = energy_of(counter(values), ns(0), ns(4))
        assert energy.joules == pytest.approx(800.0, rel=0.01)
        assert energy.coverage == pytest.approx(0.75, abs=0.02)
        assert holds(energy, 700.0) and holds(energy, 890.0) and energy.below > 50

    @pytest.mark.parametrize("most", [300.0, None])
    def test_a_plausible_wrap_adds_nothing_and_loses_nothing(self, most: Optional[float]) -> None:
        straight, wrapped = counted(200.0), counted(200.0) % 1000
        expected = energy_of(counter(straight, max_watts=most), ns(0), ns(10))
        energy = energy_of(counter(wrapped, max_watts=most, wraps_at=1000.0), ns(0), ns(10))
        assert energy.joules == pytest.approx(expected.joules, abs=1e-6)
        assert term(energy, "gap").above == 0

    def test_a_fall_is_no_wrap_unless_the_counter_is_known_to_wrap(self) -> None:
        energy = energy_of(counter(counted(200.0) % 1000), ns(0), ns(10))
        assert energy.joules == pytest.approx(2000.0, rel=0.01)
        assert energy.coverage < 1 and term(energy, "gap").above > 0

    def test_a_wrap_that_implies_too_much_power_is_a_reset(self) -> None:
        values = counted(200.0)
        values[T > 4] -= values[T > 4][0]
        for wraps_at in (None, 262143.328):
            energy = energy_of(counter(values, wraps_at=wraps_at), ns(0), ns(10))
            assert energy.joules == pytest.approx(2000.0, rel=0.01)
            assert 0.95 < energy.coverage < 1.0 and term(energy, "gap").above > 0
            assert holds(energy, 2000.0)

    def test_where_a_whole_turn_fits_into_a_gap_nobody_knows_how_many(self) -> None:
        values = counted(200.0) % 1000
        values[(T > 2) & (T < 9)] = np.nan
        energy = energy_of(counter(values, wraps_at=1000.0), ns(0), ns(10))
        assert energy.coverage < 0.4
        assert holds(energy, 3 * 200 + 7 * 30) and holds(energy, 3 * 200 + 7 * 290)

    @pytest.mark.parametrize("garbage", [0.0, 1.0, 1e6])
    def test_one_garbage_read_changes_nothing(self, garbage: float) -> None:
        values = counted(200.0)
        expected = energy_of(counter(values), ns(0), ns(10))
        values[300] = garbage
        energy = energy_of(counter(values), ns(0), ns(10))
        assert energy.joules == pytest.approx(expected.joules, rel=1e-4)
        assert energy.coverage == 1.0

    @pytest.mark.parametrize("most", [300.0, None])
    def test_a_jump_no_load_can_make_is_a_gap(self, most: Optional[float]) -> None:
        values = counted(200.0)
        values[300:] += 1e6
        energy = energy_of(counter(values, max_watts=most), ns(0), ns(10))
        assert energy.joules == pytest.approx(2000.0, rel=0.01)
        assert term(energy, "gap").above > 0

    def test_a_counter_at_rest_puts_the_energy_where_it_moves(self) -> None:
        """Nothing until 5 s, then 200 W: no straight line from the last step to the next one."""
        values = np.where(T < 5, 5.0, 5.0 + np.floor((T - 5) * 10 + 1e-6) / 10 * 200)
        series = counter(values, idle_watts=0.0)
        assert holds(energy_of(series, ns(0), ns(4)), 0.0)
        assert energy_of(series, ns(0), ns(4)).joules == pytest.approx(0.0, abs=0.01)
        whole = energy_of(series, ns(0), ns(10))
        assert whole.joules == pytest.approx(1000.0, rel=0.01) and whole.coverage == 1.0

    def test_a_coarse_counter_interpolates_between_its_steps(self) -> None:
        """A plug that counts whole 36 J: steps seconds apart, whatever its update period."""
        values = np.floor(20 * (np.floor(T) + 30) / 36) * 36
        energy = energy_of(counter(values, resolution=36.0, update_seconds=1.0), ns(0), ns(10))
        assert energy.joules == pytest.approx(200.0, abs=36.0)
        assert holds(energy, 200.0)


def test_a_jump_between_two_updates_is_placed_by_the_powers_around_it() -> None:
    """Windows begin where loads begin; a straight line between updates would take a part of the start away."""
    errors = []
    for phase in np.linspace(0, 0.1, 11):
        load = levels([0.0, 1.0], [100.0, 400.0, 100.0])
        sensor = replace(COUNTER, phase=float(phase))
        rng = np.random.default_rng(0)
        series = read(sensor, load, 1.0, 0.01, rng, sensor.channel(max_watts=400.0), unevenness=0.002)
        energy = energy_of(series, ns(0), ns(1))
        assert energy.joules is not None
        errors.append(energy.joules - 400.0)
    assert abs(np.mean(errors)) < 1.0 and np.max(np.abs(errors)) < 300 * 0.1 / 4


def test_both_edges_of_a_window_share_the_sensors_grid() -> None:
    """Reads at almost four an update drift past the updates every 31 s; a window near that moment must not notice."""
    sensor = replace(COUNTER, phase=0.04)
    series = read(sensor, constant(250.0), 60, 0.02502, np.random.default_rng(0), sensor.channel())
    for start in np.arange(0, 59, 0.5):
        energy = energy_of(series, ns(start), ns(start + 0.5))
        assert energy.joules == pytest.approx(125.0, rel=0.005)


def test_a_counter_may_show_a_little_late_what_it_counted() -> None:
    load = levels([5.0], [100.0, 400.0])
    sensor = replace(COUNTER, lag=0.02)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        sensor = replace(sensor, phase=rng.uniform(0, 0.1))
        channel = sensor.channel(idle_watts=100.0, max_watts=400.0)
        energy = energy_of(read(sensor, load, 10, 0.01, rng, channel, unevenness=0.005), ns(0), ns(10))
        assert energy.joules == pytest.approx(load.between(0, 10) - 0.02 * 300, abs=2.5)
        assert holds(energy, load.between(0, 10))


def test_updates_are_not_taken_to_be_quite_even() -> None:
    """A load that cannot swing leaves only the unevenness of the updates; reads in step with them hide it."""
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        sensor = replace(COUNTER, jitter=0.0005, phase=rng.uniform(0, 0.1))
        channel = sensor.channel(idle_watts=200.0, max_watts=200.0)
        series = read(sensor, constant(200.0), 2, 0.025, rng, channel)
        held += holds(energy_of(series, ns(0), ns(2)), 400.0)
    assert held >= 0.968 * 200


def test_an_averaging_sensor_is_turned_into_a_counter() -> None:
    """Of a pulse of 300 W the mean of 1 s shows a slope up and a slope down: its plain integral loses 75 J."""
    sensor = Sensor("watts", period=0.1, averaging=1.0)
    load = levels([0.0, 3.0], [100.0, 400.0, 100.0])
    series = read(sensor, load, 3, 0.025, np.random.default_rng(1), sensor.channel(max_watts=450.0), lead=8.0)
    assert energy_of(series, ns(0), ns(3)).joules == pytest.approx(1200.0, abs=15.0)
    plain = replace(series, channel=replace(series.channel, averaging_seconds=0.0))
    assert energy_of(plain, ns(0), ns(3)).joules < 1200.0 - 50


def test_an_averaging_sensor_needs_no_reading_far_beyond_the_window() -> None:
    """A running measurement ends two updates behind its window, not half of the sensor's span."""
    sensor = Sensor("watts", period=0.1, averaging=1.0)
    load = levels([0.0, 2.6], [100.0, 200.0, 450.0])
    series = read(sensor, load, 3, 0.025, np.random.default_rng(1), sensor.channel(max_watts=450.0), lead=8.0)
    known = series.t <= ns(3.2)
    energy = energy_of(replace(series, t=series.t[known], values=series.values[known]), ns(0), ns(3))
    assert energy.joules == pytest.approx(load.between(0, 3), abs=6.0) and energy.coverage == 1.0


def test_a_sensor_whose_means_follow_on_one_another_misses_nothing() -> None:
    sensor = Sensor("watts", period=0.4, averaging=0.4)
    load = square(0.23, 0.05, 100.0, 400.0)
    series = read(sensor, load, 20, 0.1, np.random.default_rng(1), sensor.channel(max_watts=450.0), lead=8.0)
    assert energy_of(series, ns(0), ns(20)).joules == pytest.approx(load.between(0, 20), rel=0.01)


def test_the_same_readings_give_the_same_energy_wherever_the_clock_stands() -> None:
    rng = np.random.default_rng(3)
    series = read(COUNTER, constant(250.0), 10, 0.025, rng, COUNTER.channel(max_watts=400.0), unevenness=0.002)
    later = replace(series, t=series.t + 10**15)
    first, second = energy_of(series, ns(0), ns(10)), energy_of(later, ns(0) + 10**15, ns(10) + 10**15)
    assert first == second


def test_windows_side_by_side_add_up_to_the_whole() -> None:
    load = square(1.7, 0.3, 100.0, 400.0)
    for sensor in (COUNTER, WATTS, Sensor("watts", period=0.1, averaging=0.025)):
        series = read(sensor, load, 12, 0.025, np.random.default_rng(4), sensor.channel(max_watts=450.0))
        parts = [energy_of(series, ns(a), ns(a + 3)).joules for a in (0, 3, 6, 9)]
        whole = energy_of(series, ns(0), ns(12)).joules
        assert sum(p for p in parts if p is not None) == pytest.approx(whole, rel=2e-3)


def test_a_long_trace_is_read_only_around_the_window() -> None:
    """The joules of a window do not change with what came hours before it."""
    t = np.arange(-5000, 15, 0.025)
    energy = energy_of(counter(counted(200.0, t) + 1e6, t), ns(0), ns(10))
    assert energy.joules == pytest.approx(energy_of(counter(counted(200.0)), ns(0), ns(10)).joules, rel=1e-3)


def _any_series(rng: np.random.Generator) -> Series:
    """Whatever a recorder may have left: few reads or many, uneven, failed, doubled, on any kind of channel."""
    quantity = str(rng.choice(["joules", "watts"]))
    count = int(rng.choice([0, 1, 2, 3, 5, 9, 30, 300]))
    t = np.sort(rng.uniform(0, 10, count)) if rng.random() < 0.5 else np.linspace(0, 10, count)
    if count > 3 and rng.random() < 0.2:
        t[1] = t[2]
    shapes = {
        "watts": [np.full(count, 200.0), rng.normal(200, 30, count), rng.choice([0.0, 100.0, 400.0], count)],
        "joules": [np.cumsum(rng.uniform(0, 10, count)), np.floor(t * 10) * 20 % 500, rng.uniform(0, 100, count)],
    }[quantity]
    values = np.array(shapes[rng.integers(3)])
    values[rng.random(count) < rng.choice([0.0, 0.1, 0.9])] = np.nan
    facts = dict(
        gain_error=rng.choice([0.0, 0.05]),
        offset_watts=rng.choice([0.0, 1.0]),
        resolution=rng.choice([0.0, 0.001, 1.0]),
        update_seconds=rng.choice([None, 0.02, 0.1, 1.0, 5.0]),
        averaging_seconds=rng.choice([None, 0.0, 0.02, 0.1, 1.0]),
        idle_watts=rng.choice([0.0, 50.0, 500.0]),
        max_watts=rng.choice([None, 0.0, 300.0]),
        wraps_at=rng.choice([None, 50.0, 1000.0]),
    )
    return series_of(Sensor(quantity).channel(**facts), t, values)


@pytest.mark.filterwarnings("error")
def test_whatever_was_recorded_a_window_is_measured_or_says_why_not() -> None:
    measured = missing = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        series = _any_series(rng)
        for length in (1e-9, 0.001, 0.05, 1.0, 15.0):
            start = float(rng.uniform(-3, 12))
            energy = energy_of(series, ns(start), ns(start + length))
            assert 0 <= energy.coverage <= 1
            if energy.joules is None:
                assert energy.reason
                missing += 1
            else:
                assert energy.low is not None and energy.high is not None
                assert energy.low <= max(energy.joules, 0.0) + 1e-9 and energy.joules <= energy.high + 1e-9
                measured += 1
    assert measured > 500 and missing > 300
