"""What is known of the power readings of each generation, and a fake sensor that looks at a part of the time."""

import json
import time
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from fakes.nvml_fixture import FakeNvml

from energytrain.energy.integrator.integrate import energy_of
from energytrain.energy.recorder.client import Recorder
from energytrain.energy.traces.trace import read_trace
from energytrain.meters.catalog import MeterSpec

Look = Callable[..., Dict[str, Any]]
Run = Callable[[str], Dict[str, Any]]

CARDS = [
    ("P100", dict(arch=4, cc_major=6), (0.02, 0.01, 1.0)),
    ("Volta", dict(arch=5, cc_major=7, instant=1), (0.02, 0.01, 1.0)),
    ("Turing", dict(arch=6, cc_major=7, cc_minor=5), (0.1, 0.1, 1.0)),
    ("Quadro RTX 8000", dict(arch=6, cc_major=7, cc_minor=5), (0.1, 0.02, 1.0)),
    ("A100 mean", dict(arch=7, cc_major=8, cc_minor=0), (0.1, 0.025, 1.0)),
    ("A100 instant", dict(arch=7, cc_major=8, cc_minor=0, instant=1), (0.1, 0.025, 1.0)),
    ("GA102 mean", dict(arch=7, cc_major=8, cc_minor=6), (0.1, 1.0, 1.0)),
    ("GA102 instant", dict(arch=7, cc_major=8, cc_minor=6, instant=1), (0.1, 0.1, 1.0)),
    ("NVIDIA RTX A5000", dict(arch=7, cc_major=8, cc_minor=6, instant=1), (0.1, 0.08, 1.0)),
    ("NVIDIA RTX A5000 mean", dict(arch=7, cc_major=8, cc_minor=6), (0.1, 1.0, 1.0)),
    ("Ada", dict(arch=8, cc_major=8, cc_minor=9, instant=1), (0.1, 0.1, 1.0)),
    ("H100 mean", dict(arch=9, cc_major=9), (0.1, 1.0, 0.25)),
    ("H100 instant", dict(arch=9, cc_major=9, instant=1), (0.1, 0.025, 1.0)),
    ("GH200 instant", dict(arch=9, cc_major=9, instant=1), (0.1, 0.02, 1.0)),
    ("a later one", dict(arch=10, cc_major=10), (None, 1.0, 1.0)),
    ("a later one, whose mean is better known", dict(arch=10, cc_major=10, instant=1), (None, 1.0, 1.0)),
    ("Maxwell", dict(arch=3, cc_major=5), (None, None, 1.0)),
    ("Maxwell, instant", dict(arch=3, cc_major=5, instant=1), (None, None, 1.0)),
]


def test_each_generation_has_its_own_sensor(look_nvml: Look, fake_nvml: FakeNvml) -> None:
    settings: Dict[str, Any] = {"gpus": len(CARDS), "counter": 0, "cc_minor": 0}
    for gpu, (name, own, _) in enumerate(CARDS):
        settings.update({f"{key}__{gpu}": value for key, value in dict(own, name=name).items()})
    fake_nvml.set(**settings)
    found = {
        name: (channel["update_seconds"], channel["averaging_seconds"], channel["observed_share"])
        for (name, _, _), channel in zip(CARDS, look_nvml()["channels"])
    }
    assert found == {name: expected for name, _, expected in CARDS}


@pytest.mark.parametrize(("driver", "averaging"), [("530.30.02", 0.1), ("525.89.02", 1.0), ("550.54.15", 1.0)])
def test_one_driver_branch_gives_the_instantaneous_reading(
    look_nvml: Look, fake_nvml: FakeNvml, driver: str, averaging: float
) -> None:
    fake_nvml.set(counter=0, arch=7, cc_major=8, cc_minor=6, driver=driver)
    assert look_nvml()["channels"][0]["averaging_seconds"] == averaging


def test_a_counter_states_nothing_of_the_power_readings(look_nvml: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(arch=9, cc_major=9, cc_minor=0, instant=1)
    (channel,) = look_nvml()["channels"]
    assert channel["quantity"] == "joules" and channel["update_seconds"] is None and channel["observed_share"] == 1.0


def test_the_fake_sensor_sees_what_falls_into_its_looks(in_nvml_process: Run, fake_nvml: FakeNvml) -> None:
    """A square of 300 W and 100 W, in step with updates every 100 ms: the last 25 ms before each are always low."""
    fake_nvml.set(gpus=3, power_mw=300_000, square_low_mw=100_000, square_period_ms=100, update_ms=100, instant=1)
    fake_nvml.set(observe_ms__0=25, observe_ms__1=75, average_ms__2=100, average_ms__1=1000)
    told = in_nvml_process(
        """
        import pynvml
        pynvml.nvmlInit()
        gpus = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(3)]
        tell(usage=[pynvml.nvmlDeviceGetPowerUsage(gpu) for gpu in gpus],
             instant=[pynvml.nvmlDeviceGetFieldValues(gpu, [186])[0].value.uiVal for gpu in gpus])
        """
    )
    assert told["usage"] == pytest.approx([100_000, 500_000 / 3, 200_000], abs=2), json.dumps(told)
    assert told["instant"] == pytest.approx([100_000, 500_000 / 3, 200_000], abs=2)


@pytest.mark.parametrize("instant", [1, 0], ids=["25 ms", "means of 1 s"])
def test_a_load_in_step_with_an_h100s_looks_is_within_its_bounds(
    fake_nvml: FakeNvml, tmp_path: Path, instant: int
) -> None:
    """Every look falls on the low half of a square: the readings say 100 W, the truth is 200 W."""
    fake_nvml.set(arch=9, cc_major=9, cc_minor=0, counter=0, instant=instant, observe_ms=25, average_ms=1000)
    fake_nvml.set(power_mw=300_000, square_low_mw=100_000, square_period_ms=100, update_ms=100)
    recorder = Recorder.start(tmp_path / "t.arrows", [MeterSpec("nvml")], 100)
    assert recorder.wait_sampled()
    time.sleep(1.3)
    recorder.stop()
    (series,) = read_trace(recorder.trace).metered.values()
    assert set(series.values) == {100.0}
    start, end = int(series.t[0]) + 200_000_000, int(series.t[0]) + 1_200_000_000
    energy = energy_of(series, start, end)
    assert energy.joules == pytest.approx(100, rel=0.05)
    assert energy.low is not None and energy.high is not None
    assert energy.low < fake_nvml.joules(start, end) < energy.high
