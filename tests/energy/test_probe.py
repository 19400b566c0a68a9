"""What the probes say of sensors that are known: simulated ones, and those of the fake NVIDIA driver."""

import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy as np
import pytest
from energy.simulated import Load, Sensor, constant, levels, ns, ramp, read, series_of, square
from fakes.nvml_fixture import FakeNvml

from energytrain.energy.probing.averaging import averaging_span
from energytrain.energy.probing.probe import probe_meters
from energytrain.energy.probing.updates import Probed, probe_updates
from energytrain.energy.recorder.client import Recorder
from energytrain.energy.traces.trace import read_trace
from energytrain.meters.catalog import MeterSpec

Run = Callable[[str], Dict[str, Any]]
SECONDS = 30.0


def seen(sensor: Sensor, load: Load, poll: float, seed: int = 0, **how: Any) -> Probed:
    rng = np.random.default_rng(seed)
    return probe_updates(read(sensor, load, 5.0, poll, rng, sensor.channel(), lead=0.0, **how))


@pytest.mark.parametrize("period", [0.02, 0.1, 0.422])
@pytest.mark.parametrize("quantity", ["joules", "watts"])
def test_an_even_period_is_found_as_exactly_as_it_says(quantity: str, period: float) -> None:
    sensor = Sensor(quantity, period=period, phase=0.3 * period, noise=1.0)
    found = seen(sensor, constant(200.0), 0.005, unevenness=0.001)
    assert found.update_seconds is not None and found.error_seconds is not None and found.even and not found.at_most
    assert abs(found.update_seconds - period) <= found.error_seconds + 1e-9 < 0.01 * period
    assert found.updates == pytest.approx(5 / period, abs=2)


def test_failed_reads_do_not_change_it() -> None:
    found = seen(Sensor(period=0.1), constant(200.0), 0.01, failing=0.2)
    assert found.update_seconds == pytest.approx(0.1, rel=0.01)


def test_an_uneven_sensor_is_told_with_its_scatter() -> None:
    found = seen(Sensor(period=0.1, jitter=0.012), constant(200.0), 0.005)
    assert not found.even and found.update_seconds is not None and found.error_seconds is not None
    assert abs(found.update_seconds - 0.1) <= found.error_seconds < 0.01


def test_a_sensor_faster_than_the_reads_is_only_bounded() -> None:
    found = seen(Sensor(period=0.001), constant(200.0), 0.01)
    assert found.at_most and found.update_seconds == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize(
    "load",
    [
        constant(200.0),
        square(1.0, 0.1, 100.0, 400.0),
        levels([0.3, 1.1, 1.5, 2.6, 3.0, 3.9, 4.1], [100, 220, 140, 380, 90, 310, 170, 260]),
    ],
    ids=["still", "between two levels", "between many"],
)
def test_readings_that_follow_the_load_alone_do_not_tell(load: Load) -> None:
    assert seen(Sensor("watts", period=0.1), load, 0.01).update_seconds is None


def test_no_readings_tell_nothing() -> None:
    channel = Sensor("watts").channel()
    for values in ([], [1.0], [np.nan] * 5):
        assert probe_updates(series_of(channel, np.arange(len(values)), np.array(values))) == Probed(None)


def steps_of(rng: np.random.Generator) -> np.ndarray:
    return np.cumsum(rng.uniform(0.4, 1.2, 50)) - 3


def span_of(sensor: Sensor, counter: Optional[Sensor], seed: int) -> Any:
    """What is found from a load of random steps, beside a counter or with the steps known."""
    rng = np.random.default_rng([seed, 7])
    steps = steps_of(rng)
    load = levels(steps, rng.uniform(60, 400, len(steps) + 1))
    poll = sensor.period / 4.3
    power = read(sensor, load, SECONDS, poll, rng, sensor.channel(averaging_seconds=None))
    if counter is None:
        return averaging_span(power, [ns(step) for step in steps])
    return averaging_span(power, read(counter, load, SECONDS, poll, rng, counter.channel()))


@pytest.mark.parametrize(
    ("period", "averaging", "seed"), [(0.1, 0.025, 0), (0.1, 0.1, 1), (0.1, 1.0, 2), (0.02, 0.01, 3), (0.02, 0.5, 4)]
)
def test_the_span_is_found_from_known_steps(period: float, averaging: float, seed: int) -> None:
    sensor = Sensor("watts", period, averaging=averaging, noise=1.0, phase=0.3 * period, lag=0.01, gain=0.04, offset=2)
    found = span_of(sensor, None, seed)
    assert found.low <= averaging <= found.high < 1.5 * averaging
    assert found.seconds == pytest.approx(averaging, rel=0.1)


@pytest.mark.parametrize(
    ("period", "averaging", "seed"), [(0.1, 0.25, 0), (0.1, 1.0, 1), (0.02, 0.1, 2), (0.02, 1.0, 3)]
)
def test_the_span_is_found_beside_a_counter(period: float, averaging: float, seed: int) -> None:
    sensor = Sensor("watts", period, averaging=averaging, noise=1.0, phase=0.3 * period, gain=0.04, offset=2)
    found = span_of(sensor, Sensor(period=period, phase=0.8 * period, gain=0.04), seed)
    assert found.low <= averaging <= found.high < 1.3 * averaging
    assert found.seconds == pytest.approx(averaging, rel=0.1)


@pytest.mark.parametrize("averaging", [0.025, 0.1])
def test_a_counter_cannot_tell_spans_within_its_steps(averaging: float) -> None:
    found = span_of(Sensor("watts", averaging=averaging, noise=1.0, phase=0.03), Sensor(phase=0.08), 0)
    assert found.low == 0 and averaging <= found.high <= 0.3


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_momentary_sensor_jumps(noise: float) -> None:
    found = span_of(Sensor("watts", averaging=0.0, noise=noise, phase=0.03, lag=0.02), None, 0)
    assert found.low == 0 and found.high <= 0.2


def test_a_counter_that_was_reset_is_used_where_it_rises() -> None:
    sensor = Sensor("watts", averaging=1.0, noise=1.0, phase=0.03)
    found = span_of(sensor, Sensor(phase=0.08, reset_at=4.0), 0)
    assert found.seconds == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("load", [constant(200.0), ramp(0, 30, 200, 204)], ids=["constant", "nearly"])
def test_a_load_that_hardly_changes_tells_nothing(load: Load) -> None:
    rng = np.random.default_rng(3)
    sensor, counter = Sensor("watts", averaging=1.0, noise=1.0), Sensor()
    power = read(sensor, load, SECONDS, 0.02, rng, sensor.channel())
    assert averaging_span(power, read(counter, load, SECONDS, 0.02, rng, counter.channel())) is None
    assert averaging_span(power, [ns(5.0), ns(10.0)]) is None


def test_evidence_that_does_not_fit_tells_nothing() -> None:
    rng = np.random.default_rng(4)
    steps = steps_of(rng)
    load = levels(steps, rng.uniform(60, 400, len(steps) + 1))
    sensor, counter = Sensor("watts", averaging=0.1, noise=1.0), Sensor()
    power = read(sensor, load, SECONDS, 0.02, rng, sensor.channel())
    other = square(3.1, 0.0, 100.0, 300.0)
    assert averaging_span(power, read(counter, other, SECONDS, 0.02, rng, counter.channel())) is None
    assert averaging_span(power, [ns(x) for x in np.arange(0.17, 20, 2.3)]) is None
    assert averaging_span(power, []) is None and averaging_span(power, [ns(1.0)]) is None
    short = series_of(counter.channel(), [0.0, 0.1, 0.2], np.array([1.0, 2.0, 3.0]))
    assert averaging_span(power, short) is None


def test_meters_are_probed_by_a_recorder(fake_nvml: FakeNvml) -> None:
    fake_nvml.set(gpus=3, update_ms=20, counter__1=0, arch__1=3, noise_mw__1=500, power_mw__1=90_000, update_ms__1=50)
    fake_nvml.set(counter__2=0, arch__2=3, power_mw__2=75_000)
    counter, power, still = probe_meters([MeterSpec("nvml")], seconds=1.2, hz=150)
    assert (counter.channel.name, counter.channel.quantity, counter.failed) == ("nvml:0", "joules", 0)
    assert counter.updates.update_seconds == pytest.approx(0.02, rel=0.05) and not counter.updates.at_most
    assert counter.watts == pytest.approx(200, rel=0.05)
    assert power.updates.update_seconds == pytest.approx(0.05, rel=0.05) and power.watts == pytest.approx(90, rel=0.02)
    assert still.updates.update_seconds is None and still.watts == pytest.approx(75, rel=0.01)
    assert counter.samples > 20
    assert (power.counter, power.averaging) == (None, None), "another GPU's counter tells nothing of it"


def test_a_probe_says_what_failed(fake_nvml: FakeNvml) -> None:
    fake_nvml.set(gpus=2, update_ms=20, reads__0=10)
    lost, well = probe_meters([MeterSpec("nvml")], seconds=0.8, hz=50)
    assert 0 < lost.failed < lost.samples and well.failed == 0


def test_meters_that_cannot_be_opened_are_no_entries(fake_nvml: FakeNvml) -> None:
    fake_nvml.set(init_error=9)
    assert probe_meters([MeterSpec("nvml")], seconds=0.1) == []
    assert probe_meters([], seconds=0.1) == []


COST = """
    from energytrain.energy.probing.probe import observing_cost
    from energytrain.errors import MeterUnavailable
    from energytrain.meters.catalog import parse_meter
    try:
        cost = observing_cost(parse_meter({text!r}), seconds={seconds}, hz=100)
    except MeterUnavailable as error:
        tell(why=error.message)
    else:
        tell(cpu_share=cost.cpu_share, read_seconds=cost.read_seconds, added=cost.added_watts)
    """


@pytest.fixture
def cost_of(in_nvml_process: Run) -> Callable[..., Dict[str, Any]]:
    return lambda text="nvml", seconds=1.1: in_nvml_process(COST.format(text=text, seconds=seconds))


def test_reading_that_costs_power_is_seen_in_it(cost_of: Any, fake_nvml: FakeNvml) -> None:
    """0.2 J a read, 100 times a second, is 20 W; the few reads at the edges of each stretch cost as well."""
    fake_nvml.set(update_ms=1, read_uj=200_000, power_mw=50_000)
    told = cost_of()
    low, high = told["added"]
    assert 0 < low < 20 < high + 10 and high < 40
    assert 0 < told["cpu_share"] < 0.5 and 0 < told["read_seconds"] < 0.01


def test_a_counter_that_loses_when_it_is_read_shows_it(cost_of: Any, fake_nvml: FakeNvml) -> None:
    """Each read of the 50 W costs 5 ms of them; read every 10 ms that is half."""
    fake_nvml.set(update_ms=1, counter_loss_us=5000, power_mw=50_000)
    low, high = cost_of()["added"]
    assert low < high < -10 and low > -50


@pytest.mark.slow
def test_reading_that_costs_nothing(cost_of: Any, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(update_ms=1)
    low, high = cost_of()["added"]
    assert low <= 0 <= high and high - low < 20
    low, high = cost_of("nvml:counter=off,averaging=0")["added"]
    assert low <= 0 <= high and high - low < 0.01


def test_stretches_too_short_for_an_averaging_sensor_tell_nothing(cost_of: Any, fake_nvml: FakeNvml) -> None:
    told = cost_of("nvml:counter=off,averaging=1", 0.5)
    assert told["added"] is None and told["read_seconds"] > 0


@pytest.mark.slow
def test_a_counter_that_does_not_move_tells_nothing(cost_of: Any, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(power_mw=0)
    assert cost_of("nvml", 0.3)["added"] is None


def test_a_meter_that_cannot_be_opened_says_why(cost_of: Any, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(init_error=9)
    assert "not loaded" in cost_of()["why"]


@pytest.mark.slow
def test_both_readings_of_a_gpu_tell_the_span_of_its_power(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    """Two meters on one fake sensor, its load switching every 0.35 s, its readings the means of 200 ms."""
    fake_nvml.set(update_ms=20, average_ms=200, square_low_mw=60_000, square_period_ms=700)
    recorder = Recorder.start(tmp_path / "t.arrows", [MeterSpec("nvml"), MeterSpec("nvml", {"counter": "off"})], 200)
    assert recorder.wait_sampled()
    time.sleep(2.5)
    recorder.stop()
    series: List[Any] = list(read_trace(recorder.trace).metered.values())
    found = averaging_span(series[1], series[0])
    assert found is not None and found.low <= 0.2 <= found.high
    assert found.seconds == pytest.approx(0.2, rel=0.1)
