"""The channel that totals use: the widest scope, one of it, never an overlap."""

from typing import Any, Dict, List

import numpy as np
import pytest
from energy.simulated import BOOT_NS, ns, series_of

from energytrain.energy.primary import choose_primary, primary_energy
from energytrain.energy.traces.series import Trace
from energytrain.meters.base import Channel
from energytrain.quantities.energy import Provenance, Scope

T = np.arange(-2, 12, 0.05)


def channel(name: str, scope: Scope = Scope.CHIP, **facts: Any) -> Channel:
    return Channel(**{"name": name, "meter": "m", "sensor": name, "quantity": "watts", "scope": scope, **facts})


def names(channels: List[Channel]) -> List[str]:
    return [c.name for c in choose_primary(channels)]


def trace(watts: Dict[str, float], **facts: Any) -> Trace:
    series = {name: series_of(channel(name, **facts), T, np.full(len(T), w)) for name, w in watts.items()}
    return Trace(series, "here", "boot", 1, np.array([[BOOT_NS, BOOT_NS, BOOT_NS]]))


ALL = [
    channel("gpu"),
    channel("rail", Scope.RAIL),
    channel("module", Scope.MODULE),
    channel("board", Scope.BOARD),
    channel("wall", Scope.WALL),
]


@pytest.mark.parametrize(
    ("count", "expected"), [(5, ["wall"]), (4, ["board"]), (3, ["module"]), (2, ["gpu"]), (1, ["gpu"]), (0, [])]
)
def test_the_widest_scope_wins(count: int, expected: List[str]) -> None:
    assert names(ALL[:count]) == expected


def test_rails_are_added_only_where_there_is_nothing_wider() -> None:
    rails = [channel("VDD_GPU_SOC", Scope.RAIL), channel("VDD_CPU_CV", Scope.RAIL)]
    assert names(rails) == ["VDD_GPU_SOC", "VDD_CPU_CV"]
    assert names([*rails, channel("gpu")]) == ["gpu"]


def test_disjoint_chips_are_added() -> None:
    assert names([channel("nvml:0"), channel("nvml:1"), channel("package-0")]) == ["nvml:0", "nvml:1", "package-0"]


def test_two_meters_of_one_wide_scope_are_not_added() -> None:
    assert names([channel("plug", Scope.WALL), channel("wt310", Scope.WALL)]) == ["plug"]
    assert names([channel("jtop", Scope.MODULE), channel("ina3221", Scope.MODULE)]) == ["jtop"]


def test_what_another_channel_contains_is_left_out() -> None:
    psys, package = channel("psys"), channel("package-0", part_of="psys")
    assert names([package, psys]) == ["psys"]
    assert names([channel("package-0", part_of="psys", meter="other"), psys]) == ["package-0", "psys"]
    assert names([package]) == ["package-0"]


def test_of_one_sensor_the_counter_is_taken() -> None:
    watts, joules = channel("w", sensor="s"), channel("j", sensor="s", quantity="joules")
    assert names([watts, joules, channel("other")]) == ["j", "other"]
    wall = [channel("w", Scope.WALL, sensor="s"), channel("j", Scope.WALL, sensor="s", quantity="joules")]
    assert names(wall) == ["j"]


def test_one_channel_speaks_for_itself() -> None:
    energy = primary_energy(trace({"nvml:0": 200.0}), [channel("nvml:0")], ns(0), ns(10))
    assert energy.joules == pytest.approx(2000.0) and energy.channel == "nvml:0"
    assert energy.provenance is Provenance.MEASURED


def test_disjoint_channels_are_summed_over_the_same_time() -> None:
    recorded = trace({"nvml:0": 200.0, "nvml:1": 50.0}, gain_error=0.05)
    energy = primary_energy(recorded, [channel("nvml:0"), channel("nvml:1")], ns(0), ns(10))
    assert energy.joules == pytest.approx(2500.0)
    assert (energy.channel, energy.scope, energy.seconds) == ("nvml:0+nvml:1", Scope.CHIP, 10.0)
    assert energy.watts == pytest.approx(250.0)
    gains = {e.sensor: e.above for e in energy.errors if e.source == "gain"}
    assert gains == pytest.approx({"nvml:0": 0.05 * 2000 * 2.576 / 1.96, "nvml:1": 0.05 * 500 * 2.576 / 1.96})
    assert energy.above >= np.hypot(*gains.values())


def test_a_channel_without_energy_leaves_a_partial_sum_and_no_total() -> None:
    recorded = trace({"nvml:0": 200.0, "nvml:1": np.nan})
    energy = primary_energy(recorded, [channel("nvml:0"), channel("nvml:1")], ns(0), ns(10))
    assert energy.joules is None and energy.partial == pytest.approx(2000.0)
    assert energy.reason is not None and "nvml:1" in energy.reason


def test_a_channel_that_was_not_recorded_is_missing() -> None:
    energy = primary_energy(trace({"nvml:0": 200.0}), [channel("nvml:1")], ns(0), ns(10))
    assert energy.joules is None and energy.seconds == 10.0
    assert energy.reason == "the trace of attempt 1 has no channel 'nvml:1'"


def test_no_channel_is_missing_and_never_zero() -> None:
    energy = primary_energy(trace({}), [], ns(0), ns(10))
    assert energy.joules is None and energy.reason and energy.seconds == 10.0
