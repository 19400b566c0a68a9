"""Windows over one trace: nested, overlapping, of one name, each integrated for itself."""

import numpy as np
import pytest
from energy.simulated import BOOT_NS, Sensor, levels, ns, series_of

from energytrain.energy.traces.series import Series, Trace
from energytrain.energy.windows import Window, energies_of, primary_energies

T = np.arange(-3, 13, 0.02)
LOAD = levels([4.0, 8.0], [100.0, 300.0, 100.0])
SENSOR = Sensor("watts", period=0.02)
STALE = 200 * 0.03  # joules: a jump of 200 W is seen at most one update and a half late or early


def window(name: str, start: float, end: float) -> Window:
    return Window(name, ns(start), ns(end))


def trace() -> Trace:
    first = series_of(SENSOR.channel(name="nvml:0", sensor="a", update_seconds=0.02), T, LOAD.power(T))
    second = series_of(SENSOR.channel(name="nvml:1", sensor="b", update_seconds=0.02), T, LOAD.power(T) / 10)
    return Trace({"nvml:0": first, "nvml:1": second}, "here", "boot", 1, np.array([[BOOT_NS, BOOT_NS, BOOT_NS]]))


WINDOWS = [window("run", 0, 10), window("train", 2, 9), window("epoch", 2, 6), window("epoch", 5, 9)]


def test_nested_and_overlapping_windows_each_get_their_own_energy() -> None:
    energies = energies_of(trace(), WINDOWS)
    assert list(energies) == ["nvml:0", "nvml:1"]
    expected = [LOAD.between(0, 10), LOAD.between(2, 9), LOAD.between(2, 6), LOAD.between(5, 9)]
    assert [e.joules for e in energies["nvml:0"]] == pytest.approx(expected, abs=STALE)
    assert [e.joules for e in energies["nvml:1"]] == pytest.approx([e / 10 for e in expected], abs=STALE / 10)
    assert [e.seconds for e in energies["nvml:0"]] == [w.seconds for w in WINDOWS] == [10.0, 7.0, 4.0, 4.0]


def test_primary_energies_add_the_channels_window_by_window() -> None:
    recorded = trace()
    channels = [series.channel for series in recorded.series.values()]
    totals = primary_energies(recorded, channels, WINDOWS)
    expected = [LOAD.between((w.start_ns - BOOT_NS) * 1e-9, (w.end_ns - BOOT_NS) * 1e-9) * 1.1 for w in WINDOWS]
    assert [e.joules for e in totals] == pytest.approx(expected, abs=1.1 * STALE)


def test_no_windows_and_no_channels() -> None:
    assert energies_of(trace(), []) == {"nvml:0": (), "nvml:1": ()}
    assert energies_of(Trace({}, "here", "boot", 1, np.zeros((0, 3))), WINDOWS) == {}


def test_a_window_does_not_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="window 'w' ends before it starts"):
        window("w", 2, 1)
    assert window("w", 2, 2).seconds == 0


def test_a_series_has_one_time_a_value() -> None:
    with pytest.raises(ValueError, match="'x' needs one time a value"):
        Series(SENSOR.channel(), np.arange(3), np.arange(2))
    series = Series(SENSOR.channel(), [1, 2], [1, 2])
    assert series.t.dtype == np.int64 and series.values.dtype == np.float64
