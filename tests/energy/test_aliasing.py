"""What a load may hide from a sensor that looks at a part of the time: which sensors, how much, for how long."""

from dataclasses import replace
from typing import Any, Optional, Tuple

import numpy as np
import pytest
from energy.simulated import Array, Load, Sensor, constant, ns, read, series_of, square

from energytrain.energy.integrator.aliasing import even_beat, hidden_power, looks
from energytrain.energy.integrator.integrate import energy_of
from energytrain.energy.integrator.power import power_curve
from energytrain.energy.integrator.updates import find_updates
from energytrain.quantities.energy import Energy, ErrorTerm, total

T = np.arange(-20, 120, 0.025)
UPDATE = 0.1
IN_STEP_SECONDS = 20.0  # 200 updates


def steady(watts: float = 200.0, t: Any = T, **facts: Any) -> Any:
    """A power that stands still, from a sensor that shows moments."""
    known = dict(averaging_seconds=0.0, update_seconds=UPDATE, idle_watts=50.0, max_watts=400.0)
    return series_of(Sensor("watts").channel(**{**known, **facts}), t, np.full(len(t), watts))


def aliasing(energy: Energy) -> Optional[ErrorTerm]:
    return next((term for term in energy.errors if term.source == "aliasing"), None)


@pytest.mark.parametrize(
    ("averaging", "observed", "update", "read", "expected"),
    [
        (0.0, 1.0, 0.1, 0.025, (0.0, 0.1)),
        (None, 1.0, 0.1, 0.025, (0.0, 0.1)),  # nobody says over what it averages
        (0.025, 1.0, 0.1, 0.025, (0.25, 0.1)),
        (0.025, 0.25, 0.1, 0.025, (0.25, 0.1)),  # said of the time between updates
        (0.1, 1.0, 0.1, 0.025, (1.0, 0.1)),
        (0.08, 0.8, 0.1, 0.103, (0.8, 0.1)),
        (1.0, 1.0, 0.1, 0.025, (1.0, 0.1)),
        (1.0, 0.25, 0.1, 0.103, (0.25, 0.1)),
        (0.02, 1.0, 0.02, 0.1, (0.2, 0.1)),  # gapless, but four of five means are never read
        (0.0011, 1.0, 0.0066, 0.1, (0.011, 0.1)),
        (0.422, 1 / 6, 0.0066, 0.1, (1 / 6, 0.0066)),  # it remembers what it saw between two reads
    ],
)
def test_how_much_and_how_often_readings_tell_of_the_load(
    averaging: Optional[float], observed: float, update: float, read: float, expected: Tuple[float, float]
) -> None:
    channel = Sensor("watts").channel(averaging_seconds=averaging, observed_share=observed)
    assert looks(channel, update, read, 0.7) == pytest.approx(expected)


def test_a_counter_tells_of_all_unless_it_is_known_to_sleep() -> None:
    assert looks(Sensor().channel(), 0.1, 0.5, 0.7) == (1.0, 0.1)
    assert looks(Sensor().channel(observed_share=0.25), 0.1, 0.5, 0.7) == (0.25, 0.1)


def test_a_load_hides_six_tenths_of_its_time_at_most_and_not_while_it_is_seen() -> None:
    channel = Sensor("watts").channel(idle_watts=50.0, max_watts=400.0)
    moments = hidden_power(channel, 0.0, 200.0, 300.0, UPDATE)
    assert (moments.below, moments.above) == pytest.approx((0.6 * 150, 0.6 * 200))
    mostly_seen = hidden_power(channel, 0.8, 200.0, 300.0, UPDATE)
    assert (mostly_seen.below, mostly_seen.above) == pytest.approx((0.2 * 150, 0.2 * 200))
    beyond = hidden_power(channel, 0.0, 420.0, 420.0, UPDATE)
    assert (beyond.below, beyond.above) == pytest.approx((0.6 * 370, 0.0))


def test_where_the_limit_is_unknown_it_is_three_times_the_largest_reading() -> None:
    hidden = hidden_power(Sensor("watts").channel(), 0.0, 200.0, 250.0, UPDATE)
    assert (hidden.below, hidden.above) == pytest.approx((0.6 * 200, 0.6 * (750 - 200)))


def test_a_load_keeps_step_for_200_looks_and_five_seconds_or_for_one_beat_that_the_readings_show() -> None:
    channel = Sensor("watts").channel()
    assert hidden_power(channel, 0.0, 200.0, 250.0, UPDATE).lasts == pytest.approx(IN_STEP_SECONDS)
    assert hidden_power(channel, 0.0, 200.0, 250.0, UPDATE, beat=3.0).lasts == 3.0
    assert hidden_power(channel, 0.0, 200.0, 250.0, UPDATE, beat=99.0).lasts == pytest.approx(IN_STEP_SECONDS)
    assert hidden_power(channel, 0.0, 200.0, 250.0, 0.001).lasts == 5.0


def beat_of(watts: Array, swing: float = 350.0) -> Optional[float]:
    """The beat in the readings of 30 s, one an update, in the window from 5 s to 25 s."""
    t = np.arange(len(watts)) * UPDATE
    return even_beat(power_curve(find_updates(t, watts, UPDATE, 0.001), 0.0), 5.0, 25.0, swing, UPDATE)


class TestEvenBeat:
    def test_readings_that_swing_evenly_show_the_beat(self) -> None:
        t = np.arange(300) * UPDATE
        assert beat_of(np.where(t % 1.7 < 0.8, 400.0, 100.0)) == pytest.approx(1.7, rel=0.02)
        assert beat_of(250 + 150 * np.sin(2 * np.pi * t / 2.3)) == pytest.approx(2.3, rel=0.02)

    def test_a_steady_or_a_noisy_power_has_none(self) -> None:
        assert beat_of(np.full(300, 200.0)) is None
        assert beat_of(np.random.default_rng(0).normal(200, 20, 300)) is None

    def test_a_small_swing_leaves_room_for_a_hidden_one(self) -> None:
        t = np.arange(300) * UPDATE
        assert beat_of(np.where(t % 1.7 < 0.8, 200.0, 100.0)) is None
        assert beat_of(np.where(t % 1.7 < 0.8, 200.0, 100.0), swing=150.0) == pytest.approx(1.7, rel=0.02)

    def test_uneven_jumps_are_no_beat(self) -> None:
        """A load in step whose edge meets the sensor's look shows now the one side and now the other."""
        for seed in range(50):
            side = np.random.default_rng(seed).random(300) < 0.3
            assert beat_of(np.where(side, 400.0, 100.0)) is None

    def test_a_beat_in_a_part_of_the_window_says_nothing_of_the_rest(self) -> None:
        t = np.arange(300) * UPDATE
        assert beat_of(np.where((t % 1.7 < 0.8) & (t < 15), 400.0, 100.0)) is None


@pytest.mark.parametrize("facts", [{}, {"averaging_seconds": None}, {"averaging_seconds": 1.0, "observed_share": 0.25}])
def test_a_sensor_that_looks_at_a_part_of_the_time_has_a_term_for_the_rest(facts: Any) -> None:
    term = aliasing(energy_of(steady(**facts), ns(0), ns(10)))
    assert term is not None and term.sensor == "fake:x" and term.lasts == pytest.approx(IN_STEP_SECONDS)
    assert (term.below, term.above) == pytest.approx((0.6 * 150 * 10, 0.6 * 200 * 10))


@pytest.mark.parametrize("averaging", [0.1, 1.0])
def test_a_sensor_that_looks_at_all_of_the_time_has_none(averaging: float) -> None:
    assert aliasing(energy_of(steady(averaging_seconds=averaging), ns(0), ns(10))) is None


def test_a_counter_has_none_unless_it_is_known_to_sleep() -> None:
    sensor = Sensor()
    for observed in (1.0, 0.25):
        channel = sensor.channel(idle_watts=50.0, max_watts=400.0, observed_share=observed)
        series = read(sensor, constant(200.0), 10, 0.025, np.random.default_rng(0), channel)
        term = aliasing(energy_of(series, ns(0), ns(10)))
        assert (term is None) == (observed == 1.0)
        if term is not None:
            assert (term.below, term.above) == pytest.approx((900, 1200), rel=0.01)


def test_a_gap_has_bounds_of_its_own() -> None:
    series = steady()
    series.values[(T > 3) & (T < 8)] = np.nan
    term = aliasing(energy_of(series, ns(0), ns(10)))
    assert term is not None and term.below == pytest.approx(0.6 * 150 * 5, rel=0.03)


def test_the_limits_of_the_device_narrow_it() -> None:
    wide, narrow = (
        energy_of(steady(idle_watts=idle, max_watts=most), ns(0), ns(10))
        for idle, most in ((0.0, None), (150.0, 220.0))
    )
    assert narrow.below < wide.below / 3 and narrow.above < wide.above / 15


def test_after_the_time_that_a_load_keeps_step_its_joules_grow_no_further() -> None:
    short, long = (energy_of(steady(), ns(0), ns(seconds)) for seconds in (IN_STEP_SECONDS, 5 * IN_STEP_SECONDS))
    assert long.below == pytest.approx(short.below, rel=0.01) and long.above == pytest.approx(short.above, rel=0.01)


def test_windows_side_by_side_have_the_bounds_of_the_whole() -> None:
    series = steady()
    parts = total(energy_of(series, ns(a), ns(a + 10)) for a in range(0, 100, 10))
    whole = energy_of(series, ns(0), ns(100))
    assert (parts.below, parts.above) == pytest.approx((whole.below, whole.above), rel=0.01)


def test_long_windows_hold_the_truth_of_loads_of_any_rhythm() -> None:
    """Half of them beat faster than the sensor looks, none knows of its clock, and some waver."""
    held = []
    for seed in range(100):
        rng = np.random.default_rng([seed, 7])
        period, seconds = float(np.exp(rng.uniform(np.log(0.02), np.log(0.4)))), 30.0
        sensor = Sensor("watts", period=UPDATE, phase=rng.uniform(0, UPDATE), noise=1.0, averaging=0.0)
        load = _wavering(rng, period, rng.choice([0.0, 0.01, 0.1]), seconds)
        channel = sensor.channel(idle_watts=50.0, max_watts=450.0)
        energy = energy_of(read(sensor, load, seconds, 0.02575, rng, channel, unevenness=0.001), ns(0), ns(seconds))
        assert energy.low is not None and energy.high is not None
        held.append(energy.low <= load.between(0, seconds) <= energy.high)
    assert np.mean(held) >= 0.968


def _wavering(rng: np.random.Generator, period: float, share: float, seconds: float) -> Load:
    """100 W and 400 W in turns whose lengths differ by `share` (a standard deviation)."""
    count = int((seconds + 30) / period)
    starts = np.cumsum(period * np.maximum(1 + share * rng.normal(size=count), 0.5)) - 12
    t = np.sort(np.concatenate([starts, starts + 0.45 * period * rng.uniform(0.6, 1.1)]))
    after = np.tile([400.0, 100.0], count)
    return Load(t, np.roll(after, 1), after)


def test_a_gapless_sensor_that_is_read_too_rarely_is_a_part_time_one() -> None:
    sensor = Sensor("watts", period=0.02, averaging=0.02)
    channel = sensor.channel(update_seconds=0.02, idle_watts=50.0, max_watts=450.0)
    held = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        load = square(0.1, rng.uniform(0, 0.1), 100.0, 400.0)
        often, rarely = (read(sensor, load, 5, poll, rng, channel) for poll in (0.005, 0.1))
        assert aliasing(energy_of(often, ns(0), ns(5))) is None
        energy = energy_of(rarely, ns(0), ns(5))
        assert energy.low is not None and energy.high is not None
        held.append(energy.low <= load.between(0, 5) <= energy.high)
    assert all(held)


def test_jumps_that_keep_step_with_the_sensor_are_a_term_of_their_own() -> None:
    sensor = Sensor("watts", period=UPDATE, averaging=0.0)
    channel = sensor.channel(update_seconds=UPDATE, idle_watts=50.0, max_watts=450.0)
    beating = read(sensor, square(1.0, 0.03, 100.0, 400.0), 20, 0.025, np.random.default_rng(0), channel)
    terms = {term.source: term for term in energy_of(beating, ns(0), ns(20)).errors}
    assert terms["beat"].sensor == "fake:x" and terms["aliasing"].lasts == pytest.approx(1.0, rel=0.05)
    assert terms["beat"].below == pytest.approx(40 * 300 * UPDATE / 2, rel=0.1)
    still = replace(beating, values=np.full(len(beating.values), 200.0))
    assert "beat" not in {term.source for term in energy_of(still, ns(0), ns(20)).errors}
