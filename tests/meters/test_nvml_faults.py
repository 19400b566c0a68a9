"""GPUs that fail in the middle of a recording: what was read still bounds the truth, and nothing becomes a zero."""

import time
from pathlib import Path
from typing import Any, Dict

import pytest
from fakes.nvml_fixture import FakeNvml

from energytrain.energy.integrator.integrate import energy_of
from energytrain.energy.recorder.client import Recorder
from energytrain.energy.traces.series import Series
from energytrain.energy.traces.trace import read_trace
from energytrain.meters.catalog import MeterSpec

SETTLE = 0.3


def recorded(fake: FakeNvml, folder: Path, options: Dict[str, str], **trouble: float) -> Any:
    """(series, start, end) of a recording of 1.2 s; `trouble`: keys of the fake and when, in seconds from its start."""
    recorder = Recorder.start(folder / "t.arrows", [MeterSpec("nvml", options)], 100)
    assert recorder.wait_sampled(), recorder.failure
    time.sleep(SETTLE)
    start = time.monotonic_ns()
    fake.set(**{key: start + int(at * 1e9) for key, at in trouble.items()})
    time.sleep(1.2)
    end = time.monotonic_ns()
    time.sleep(SETTLE)
    recorder.stop()
    (series,) = read_trace(recorder.trace).metered.values()
    return series, start, end


def holds(series: Series, start: int, end: int, fake: FakeNvml) -> bool:
    energy = energy_of(series, start, end)
    assert energy.low is not None and energy.high is not None, energy.reason
    return energy.low <= fake.joules(start, end) <= energy.high


@pytest.mark.parametrize("options", [{}, {"counter": "off"}], ids=["counter", "power"])
def test_a_gpu_that_is_lost_and_comes_back_leaves_a_gap(
    fake_nvml: FakeNvml, tmp_path: Path, options: Dict[str, str]
) -> None:
    fake_nvml.set(update_ms=20, arch=3)
    series, start, end = recorded(fake_nvml, tmp_path, options, lost_from_ns=0.3, lost_until_ns=0.8)
    failed = series.values != series.values
    assert failed.any() and not failed.all() and series.errors == ("GPU is lost",)
    assert holds(series, start, end, fake_nvml)
    energy = energy_of(series, start, end)
    if not options:
        assert energy.joules == pytest.approx(fake_nvml.joules(start, end), rel=0.06), "across a gap a counter is exact"
    else:
        assert energy.coverage < 0.8


def test_a_gpu_that_stays_lost_counts_as_long_as_it_was_read(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    fake_nvml.set(update_ms=20)
    series, start, end = recorded(fake_nvml, tmp_path, {}, lost_from_ns=0.6)
    lost = start + 600_000_000
    assert holds(series, start, lost - 100_000_000, fake_nvml)
    after = energy_of(series, lost + 500_000_000, end)
    assert after.joules is None and "GPU is lost" in str(after.reason)


def test_a_counter_that_starts_again_is_no_negative_energy(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    fake_nvml.set(update_ms=20)
    series, start, end = recorded(fake_nvml, tmp_path, {}, reset_at_ns=0.6)
    assert (series.values[1:] < series.values[:-1]).sum() == 1
    assert holds(series, start, end, fake_nvml)
    energy = energy_of(series, start, end)
    assert energy.joules is not None and energy.joules == pytest.approx(fake_nvml.joules(start, end), rel=0.1)
