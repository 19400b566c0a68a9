"""Idle power and net energy: from baselines of simulated sensors whose true idle power is known."""

import numpy as np
import pytest
from energy.simulated import Load, Sensor, levels, ns, read
from runs.script import Script

from energytrain.energy.integrator.integrate import energy_of
from energytrain.quantities.energy import Energy, ErrorTerm, Provenance, Scope, total
from energytrain.runs.idle import Idle, idle_of, net_of
from energytrain.runs.timeline import build_timeline

IDLE, LOADED = 50.0, 200.0


def watts(value: float, seconds: float = 5.0, *errors: ErrorTerm) -> Energy:
    return Energy(value * seconds, Provenance.MEASURED, Scope.CHIP, "nvml:0", errors, seconds)


def edge(joules: float) -> ErrorTerm:
    return ErrorTerm("edge", joules, joules)


def gain(joules: float) -> ErrorTerm:
    return ErrorTerm("gain", joules, joules, "gpu")


def timeline(*marks):
    """A run of several attempts; each mark is "attempt", the edge of a baseline (5 s), or "stop"."""
    script = Script()
    for number, mark in enumerate(marks):
        if mark == "attempt":
            script.begin(baseline=5.0)
        elif mark == "stop":
            script.mark("stop", status="done", reason="")
        elif mark.startswith("killed "):
            script.mark("start", span=str(number), phase=mark.split()[1], epoch=None, what="baseline")
        else:
            script.span(str(number), mark, None, "baseline", 5)
            script.span(f"t{number}", "train", 0, "training", 10)
    return build_timeline(script.events)


def of_attempt(number, start, end):
    """An idle power that tells the attempt: 51 W in the first, 52 W in the second."""
    return watts(50.0 + number, (end - start) / 1e9)


def test_the_idle_power_is_the_mean_of_the_first_baseline_and_the_last():
    idle = idle_of(timeline("attempt", "begin", "attempt", "begin", "attempt", "begin", "end", "stop"), of_attempt)
    assert (idle.begin.watts, idle.end.watts, idle.watts) == (51.0, 53.0, 52.0)
    killed_in_it = idle_of(timeline("attempt", "killed begin", "attempt", "begin", "end", "stop"), of_attempt)
    assert killed_in_it.watts == 52.0


@pytest.mark.parametrize(
    "marks, why",
    [
        (("attempt", "stop"), "this run took no idle baseline"),
        (("attempt", "begin"), "the idle baseline after the training is missing: the run's status is 'interrupted'"),
        (("attempt", "begin", "killed end"), "the idle baseline after the training is missing"),
    ],
)
def test_without_both_there_is_no_net_energy_and_the_reason_is_said(marks, why):
    idle = idle_of(timeline(*marks), of_attempt)
    net = net_of(watts(LOADED), idle)
    assert net.joules is None and why in net.reason
    assert idle.watts is None and idle.drift() is None and idle.to_json()["watts"] is None


def test_a_baseline_that_was_switched_off_is_named():
    none = build_timeline(Script().begin(baseline=0).mark("stop", status="done", reason="").events)
    assert "--baseline 0" in net_of(watts(LOADED), idle_of(none, of_attempt)).reason


def test_a_baseline_without_readings_gives_no_net_energy():
    idle = Idle(watts(50), Energy.missing("GPU is lost", 5.0))
    assert net_of(watts(LOADED), idle).reason == "GPU is lost"
    assert net_of(Energy.missing("no meter", partial=3.0), idle).partial is None, "a part of the gross is no part of it"


def test_what_took_no_time_has_no_net_energy_either():
    nothing = Energy(0.0, Provenance.MEASURED)
    assert net_of(nothing, Idle(watts(50), watts(50))).joules == 0.0
    assert net_of(nothing, Idle(watts(50), watts(50))).provenance is Provenance.DERIVED


def test_the_bounds_have_the_net_joules_gain_both_windows_errors_and_half_the_drift():
    gross = Energy(20_000.0, Provenance.MEASURED, Scope.CHIP, "nvml:0", (gain(1000.0), edge(30)), 100.0)
    idle = Idle(watts(49, 5.0, gain(12.25), edge(1.5)), watts(51, 5.0, gain(12.75), edge(2.0)))
    net = net_of(gross, idle)
    assert net.joules == 15_000.0 and net.provenance is Provenance.DERIVED
    terms = {(term.source, term.sensor is None): term.above for term in net.errors}
    assert terms == pytest.approx(
        {
            ("gain", False): 750.0,  # 5 % of the net, as of the gross and of the idle
            ("edge", True): 30.0,
            ("idle", False): 100 * np.hypot(1.5, 2.0) / 10,
            ("drift", False): 100.0,  # 1 W to either side for 100 s
        }
    )


def test_the_idle_error_of_rows_adds_up_to_that_of_their_sum():
    """One idle power serves all rows: its error does not shrink by being used twice."""
    idle = Idle(watts(49, 5.0, edge(2)), watts(51, 5.0, edge(2)))
    one, whole = idle.over(10.0), idle.over(20.0)
    twice = total([one, one])
    assert (twice.joules, twice.above) == pytest.approx((whole.joules, whole.above))


def test_a_drift_beyond_the_bounds_is_said_with_both_figures():
    wide = Idle(watts(50, 5.0, edge(20)), watts(53, 5.0, edge(20)))
    sure = Idle(watts(50, 5.0, edge(1)), watts(53, 5.0, edge(1)))
    same_gain = Idle(watts(50, 5.0, gain(25)), watts(53, 5.0, gain(26.5)))
    assert wide.drift() is None
    assert "50.0 W" in sure.drift() and "53.0 W" in sure.drift()
    assert same_gain.drift() is not None, "an error of the gain moves both alike and explains no difference"
    assert Idle(watts(50), watts(50.5)).drift() is None, "one percent is not worth a word"


def run_of(seconds: float = 10.0) -> Load:
    """Idle for 5 s, loaded, idle for 5 s, as a run leaves it; all of it from time 0."""
    return levels([5.0, 5.0 + seconds], [IDLE, LOADED, IDLE], 100.0)


@pytest.mark.parametrize(
    "sensor",
    [
        Sensor("joules", period=0.1, jitter=0.002),
        Sensor("watts", period=0.02, jitter=0.0005, averaging=0.02, noise=0.5),
    ],
    ids=["counter", "power"],
)
def test_the_net_bounds_hold_the_truth_whatever_the_sensor_s_gain(sensor):
    """A gain that is 5 % off is allowed by the channel; of the net energy it is 5 %, not 5 % of the gross."""
    held, widths = 0, []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        off = Sensor(**{**vars(sensor), "gain": rng.uniform(-0.05, 0.05), "phase": rng.uniform(0, sensor.period)})
        channel = off.channel(gain_error=0.05, max_watts=400.0)
        series = read(off, run_of(), 20.0, 0.011, rng, channel, unevenness=0.002)

        def between(start, end, series=series):
            return energy_of(series, ns(start), ns(end))

        net = net_of(between(5.0, 15.0), Idle(between(0.05, 4.95), between(15.1, 20.0)))
        truth = (LOADED - IDLE) * 10.0
        held += net.low <= truth <= net.high
        widths.append((net.high - net.low) / truth)
    assert held == 60
    assert np.median(widths) < 1.25 * 2 * 0.05 * 2.576 / 1.960, "5 % of the net to either side, widened to 99 %"
