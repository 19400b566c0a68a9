"""Conditions over stretches of time, against sums made by hand."""

from typing import Any, Sequence, Tuple

import numpy as np
import pytest

from energytrain.energy.traces.conditions import conditions_summary, throttles
from energytrain.energy.traces.series import Series, Trace
from energytrain.meters.base import Channel
from energytrain.quantities.energy import Scope

SECOND = 1_000_000_000
BEGIN = 86_400 * SECOND


def at(seconds: float) -> int:
    return BEGIN + int(seconds * SECOND)


def trace(attempt: int = 1, **channels: Tuple[str, Sequence[float], Sequence[float]]) -> Trace:
    """name=(quantity, seconds, values); underscores in a name stand for blanks."""
    series = {}
    for key, (quantity, times, values) in channels.items():
        name = "nvml:0 " + key.replace("_", " ")
        channel = Channel(name, "nvml conditions", "nvml:GPU-1", quantity, Scope.CHIP)
        series[name] = Series(channel, np.array([at(t) for t in times]), np.array(values, float))
    return Trace(series, "bench", "boot", attempt, np.empty((0, 3), np.int64))


def summary(found: Trace, *stretches: Tuple[float, float]) -> Any:
    summaries = conditions_summary([(found, [(at(a), at(b)) for a, b in stretches])])
    assert len(summaries) == 1
    return next(iter(summaries.values()))


EVERY = list(range(20))


def test_a_reading_counts_by_how_much_of_the_stretches_is_nearest_to_it() -> None:
    heat = trace(temperature=("celsius", EVERY, [40 + t for t in EVERY]))
    whole = summary(heat, (4.0, 8.0))  # half a second of 44 and 48, one second of 45, 46, 47
    assert (whole["min"], whole["max"], whole["seconds"]) == (44.0, 48.0, pytest.approx(4.0))
    assert whole["mean"] == pytest.approx((44 / 2 + 45 + 46 + 47 + 48 / 2) / 4)
    parts = summary(heat, (4.0, 4.25), (9.0, 9.75))  # shorter than the second between two readings
    assert (parts["min"], parts["max"]) == (44.0, 50.0)
    assert parts["mean"] == pytest.approx((44 * 0.25 + 49 * 0.5 + 50 * 0.25) / 1.0)


def test_what_no_reading_is_near_is_not_spoken_for() -> None:
    gappy = trace(temperature=("celsius", [0, 1, 2, 30, 31], [50, 50, 50, 90, 90]))
    known = summary(gappy, (0.0, 20.0))
    assert known["seconds"] == pytest.approx(4.0) and known["max"] == 50.0
    nothing = summary(gappy, (10.0, 20.0))
    assert (nothing["seconds"], nothing["mean"], nothing["max"]) == (0.0, None, None)
    failing = trace(temperature=("celsius", EVERY, [np.nan] * 20))
    assert summary(failing, (0.0, 20.0))["mean"] is None, "a failed read is no value"
    assert summary(gappy)["seconds"] == 0.0


def test_flags_have_the_share_of_time_of_each_bit() -> None:
    flags = trace(clock_events=("flags", EVERY, [0x1] * 8 + [0x44] * 4 + [0x4] * 4 + [0] * 4))
    found = summary(flags, (0.0, 20.0 - 0.5))
    assert found["shares"] == pytest.approx({"0x1": 7.5 / 19.5, "0x4": 8 / 19.5, "0x40": 4 / 19.5})
    held = throttles("nvml:0 clock events", found)
    assert held == pytest.approx({"power cap": 8 / 19.5, "hw thermal slowdown": 4 / 19.5}), "idle is no throttle"
    assert throttles("nvml:0 clock events", {**found, "meter": "another"}) == {}, "the bits of others mean other things"


def test_every_reason_that_slows_a_gpu_down_has_its_name() -> None:
    """The bits as nvml.h lists them, nvmlClocksEventReason...: idle, applications setting, sync boost, display clock
    are somebody's will and no throttle."""
    bits = {hex(1 << place): 0.5 for place in range(9)}
    flags = {"quantity": "flags", "meter": "nvml conditions", "shares": bits}
    named = throttles("nvml:0 clock events", flags)
    assert set(named) == {"power cap", "hw slowdown", "sw thermal slowdown", "hw thermal slowdown", "power brake"}


def test_a_board_counts_what_throttles_it() -> None:
    count = {"quantity": "count", "meter": "ina3221 conditions", "share": 0.3}
    assert throttles("ina3221:thermal throttling", count) == {"thermal throttling": 0.3}
    assert throttles("ina3221:throttle events", {**count, "share": 0.0}) == {}
    assert throttles("ina3221:throttle events", {**count, "share": None}) == {}
    assert throttles("nvml:0 foreign processes", count) == {}


def test_states_have_the_share_of_each_value_and_counts_that_of_any() -> None:
    state = summary(trace(power_mode=("state", EVERY, [0] * 5 + [3] * 15)), (0.0, 19.0))
    assert state["shares"] == pytest.approx({"0": 4.5 / 19, "3": 14.5 / 19})
    count = summary(trace(foreign_processes=("count", EVERY, [0] * 15 + [1, 2, 2, 1, 1])), (0.0, 19.5))
    assert count["share"] == pytest.approx(5 / 19.5) and count["max"] == 2.0


def test_attempts_are_one_summary() -> None:
    first = trace(temperature=("celsius", EVERY, [40] * 20))
    second = trace(2, temperature=("celsius", EVERY, [60] * 20))
    found = conditions_summary([(first, [(at(1), at(4))]), (second, [(at(1), at(2))])])
    assert found["nvml:0 temperature"]["mean"] == pytest.approx(45.0)
    assert found["nvml:0 temperature"]["seconds"] == pytest.approx(4.0)
