"""What NVML says beside power: each condition where the GPU offers it, none where it does not."""

import os
from pathlib import Path
from typing import Any, Callable, Dict

from fakes.nvml_fixture import FakeNvml

from energytrain.energy.recorder.client import Recorder
from energytrain.energy.traces.trace import read_trace
from energytrain.meters.catalog import MeterSpec

Look = Callable[..., Dict[str, Any]]
Run = Callable[[str], Dict[str, Any]]


def host(tmp_path: Path) -> str:
    """A root under which the machine is no container, whatever this one is."""
    proc = tmp_path / "host" / "proc"
    (proc / "self" / "ns").mkdir(parents=True)
    os.symlink("pid:[4026531836]", proc / "self" / "ns" / "pid")
    return str(proc.parent)


def test_all_that_a_gpu_tells(look_nvml: Look, fake_nvml: FakeNvml, tmp_path: Path) -> None:
    fake_nvml.set(temperature_c=61, sm_mhz=1410, memory_mhz=1215, utilisation=97, clock_events=0x24, pstate=2)
    fake_nvml.set(limit_mw=250_000)
    told = look_nvml(f"nvml:root={host(tmp_path)}")
    assert told["conditions"] == {
        "nvml:0 temperature": ["celsius", 61],
        "nvml:0 SM clock": ["hertz", 1410e6],
        "nvml:0 memory clock": ["hertz", 1215e6],
        "nvml:0 utilisation": ["percent", 97],
        "nvml:0 clock events": ["flags", 0x24],
        "nvml:0 power limit": ["limit_watts", 250],
        "nvml:0 performance state": ["state", 2],
        "nvml:0 foreign processes": ["count", 0],
    }
    assert told["unknown"] == []


def test_what_a_gpu_does_not_offer_has_no_channel(look_nvml: Look, fake_nvml: FakeNvml, tmp_path: Path) -> None:
    keys = ("temperature_c", "sm_mhz", "memory_mhz", "utilisation", "clock_events", "pstate")
    fake_nvml.set(gpus=2, processes__1=0, limit_mw__1=0, **{f"{key}__1": -1 for key in keys})
    told = look_nvml(f"nvml:root={host(tmp_path)}")
    assert len(told["channels"]) == 2, "its power is metered all the same"
    assert {name.split()[0] for name in told["conditions"]} == {"nvml:0"}
    fake_nvml.set(gpus=1, processes=0, limit_mw=0, **{key: -1 for key in keys})
    assert look_nvml()["conditions"] == {}


def test_a_zero_is_a_value(look_nvml: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(temperature_c=0, utilisation=0, clock_events=0)
    told = look_nvml()["conditions"]
    assert told["nvml:0 temperature"][1] == told["nvml:0 utilisation"][1] == told["nvml:0 clock events"][1] == 0


def test_an_older_driver_knows_clock_events_as_throttle_reasons(look_nvml: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(events_by="old", clock_events=0x4)
    assert look_nvml()["conditions"]["nvml:0 clock events"] == ["flags", 4]


def test_a_lost_gpu_fails_and_the_others_go_on(in_nvml_process: Run, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(gpus=2)
    told = in_nvml_process(
        """
        import os, time
        from energytrain.meters.catalog import open_meter, parse_meter
        meter = open_meter(parse_meter("nvml"))
        beside = meter.conditions
        assert all(reading.error is None for reading in beside.read())
        with open(os.environ["FAKE_NVML_CONTROL"], "a") as file:
            file.write("lost_from_ns.0=1\\n")
        time.sleep(0.1)
        failed = sorted({channel.name.split()[0] for channel, reading in zip(beside.channels, beside.read())
                         if reading.value is None})
        beside.close()
        tell(failed=failed, power=[reading.error for reading in meter.read()])
        """
    )
    assert told == {"failed": ["nvml:0"], "power": ["GPU is lost", None]}, "closing them left the meter open"


def test_the_recorder_stores_them_beside_the_power(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    fake_nvml.set(update_ms=20, temperature_c=55)
    recorder = Recorder.start(tmp_path / "trace.arrows", [MeterSpec("nvml")], 100)
    assert recorder.wait_sampled()
    recorder.stop()
    trace = read_trace(recorder.trace)
    assert list(trace.metered) == ["nvml:0"]
    assert set(trace.conditions["nvml:0 temperature"].values) == {55.0}
    assert trace.conditions["nvml:0 temperature"].channel.sensor == trace.metered["nvml:0"].channel.sensor
