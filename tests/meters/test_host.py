"""The conditions of a machine over temporary trees of kernel files."""

import os
import time
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np
import pytest
from fakes.powercap import FakePowercap

from energytrain.energy.recorder.client import Recorder
from energytrain.energy.traces.trace import read_trace
from energytrain.meters.catalog import parse_meter
from energytrain.meters.host import HostConditions

CPU = "sys/devices/system/cpu"
THERMAL = "sys/class/thermal"
LAPTOP = {
    f"{THERMAL}/thermal_zone0/type": "acpitz\n",
    f"{THERMAL}/thermal_zone0/temp": "27800\n",
    f"{THERMAL}/thermal_zone1/type": "acpitz\n",
    f"{THERMAL}/thermal_zone1/temp": "29800\n",
    f"{THERMAL}/thermal_zone10/type": "x86_pkg_temp\n",
    f"{THERMAL}/thermal_zone10/temp": "61000\n",
    f"{THERMAL}/thermal_zone2/type": "iwlwifi_1\n",  # without a temperature while the radio is off
    f"{THERMAL}/cooling_device0/type": "Processor\n",
    f"{THERMAL}/cooling_device0/cur_state": "0\n",
    f"{THERMAL}/cooling_device1/type": "intel_powerclamp\n",
    f"{THERMAL}/cooling_device1/cur_state": "-1\n",
    f"{THERMAL}/cooling_device2/type": "Fan\n",
    f"{THERMAL}/cooling_device2/cur_state": "3\n",
    f"{CPU}/cpu0/cpufreq/scaling_cur_freq": "2000000\n",
    f"{CPU}/cpu1/cpufreq/scaling_cur_freq": "3000000\n",
    f"{CPU}/cpufreq/boost": "1\n",
    f"{CPU}/cpu0/thermal_throttle/package_throttle_count": "320\n",
    "proc/stat": "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n",
}
ORIN = {
    f"{THERMAL}/thermal_zone0/type": "cpu-thermal\n",
    f"{THERMAL}/thermal_zone0/temp": "48500\n",
    f"{THERMAL}/cooling_device0/type": "pwm-fan\n",
    f"{THERMAL}/cooling_device0/cur_state": "2\n",
    f"{THERMAL}/cooling_device1/type": "cpufreq-cpu0\n",
    f"{THERMAL}/cooling_device1/cur_state": "0\n",
    f"{THERMAL}/cooling_device2/type": "devfreq-17000000.gpu\n",
    f"{THERMAL}/cooling_device2/cur_state": "0\n",
    f"{THERMAL}/cooling_device3/type": "gpu-throttle-alert\n",
    f"{THERMAL}/cooling_device3/cur_state": "0\n",
    "sys/class/devfreq/15340000.vic/cur_freq": "115200000\n",
    "sys/class/devfreq/17000000.gpu/cur_freq": "624750000\n",
    "sys/class/devfreq/17000000.gpu/device/load": "457\n",
    "sys/class/hwmon/hwmon1/name": "ina3221\n",
    "sys/class/hwmon/hwmon3/name": "soctherm_oc\n",
    "sys/class/hwmon/hwmon3/oc1_event_cnt": "0\n",
    "sys/class/hwmon/hwmon3/oc3_event_cnt": "27390\n",
    "var/lib/nvpmodel/status": "pmode:0002\n",
    "proc/stat": "cpu  10 0 10 80 0 0 0 0 0 0\n",
}


def machine(root: Path, files: Dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def values(conditions: HostConditions) -> Dict[str, Optional[float]]:
    readings = conditions.read()
    assert all((reading.value is None) == (reading.error is not None) for reading in readings)
    names = [channel.name.partition(":")[2] for channel in conditions.channels]
    return dict(zip(names, (reading.value for reading in readings)))


def test_a_laptop(tmp_path: Path) -> None:
    conditions = HostConditions(str(machine(tmp_path, LAPTOP)), "rapl")
    assert conditions.name == "rapl conditions"
    assert {channel.meter for channel in conditions.channels} == {"rapl conditions"}
    assert all(channel.name.startswith("rapl:") and not channel.is_power for channel in conditions.channels)
    (tmp_path / "proc/stat").write_text("cpu  120 0 105 755 120 0 0 0 60 0\n")
    assert values(conditions) == {
        "acpitz temperature": 27.8,
        "acpitz 2 temperature": 29.8,
        "x86_pkg_temp temperature": 61.0,
        "cpu clock": 2.5e9,
        "thermal throttling": 0.0,
        "throttle events": 0.0,
        "cpu utilisation": 25.0,
    }
    (tmp_path / "proc/stat").write_text("cpu  130 0 125 765 130 0 10 0 99 0\n")
    assert values(conditions)["cpu utilisation"] == pytest.approx(100 * 40 / 60), "since the last read"
    kinds = {channel.name.partition(":")[2]: channel.quantity for channel in conditions.channels}
    assert kinds["cpu clock"] == "hertz" and kinds["x86_pkg_temp temperature"] == "celsius"
    assert kinds["cpu utilisation"] == "percent" and kinds["throttle events"] == "count"
    conditions.close()


def test_a_jetson(tmp_path: Path) -> None:
    conditions = HostConditions(str(machine(tmp_path, ORIN)), "ina3221")
    machine(tmp_path, {"proc/stat": "cpu  20 0 20 160 0 0 0 0 0 0\n"})
    seen = values(conditions)
    assert seen.pop("gpu utilisation") == pytest.approx(45.7)
    assert seen == {
        "cpu-thermal temperature": 48.5,
        "gpu clock": 624_750_000.0,
        "power mode": 2.0,
        "thermal throttling": 0.0,
        "throttle events": 0.0,
        "cpu utilisation": 20.0,
    }
    assert "state" == next(c.quantity for c in conditions.channels if c.name == "ina3221:power mode")


def test_throttling_is_seen_while_it_lasts_and_events_once(tmp_path: Path) -> None:
    conditions = HostConditions(str(machine(tmp_path, ORIN)), "ina3221")
    held = {
        f"{THERMAL}/cooling_device1/cur_state": "4\n",
        f"{THERMAL}/cooling_device3/cur_state": "1\n",
        "sys/class/hwmon/hwmon3/oc1_event_cnt": "2\n",
        "sys/class/hwmon/hwmon3/oc3_event_cnt": "27401\n",
    }
    machine(tmp_path, held)
    for throttling, events in ((2.0, 13.0), (2.0, 0.0)):
        seen = values(conditions)
        assert (seen["thermal throttling"], seen["throttle events"]) == (throttling, events)
    machine(tmp_path, {"sys/class/hwmon/hwmon3/oc3_event_cnt": "0\n"})
    assert values(conditions)["throttle events"] == 0.0, "a counter that begins again is no event"


@pytest.mark.parametrize("load", ["sys/devices/gpu.0/load", "sys/devices/platform/gpu.0/load"])
def test_where_older_jetpacks_have_the_gpu(tmp_path: Path, load: str) -> None:
    files = {"sys/class/devfreq/17000000.gp10b/cur_freq": "1300500000\n", load: "1000\n"}
    assert values(HostConditions(str(machine(tmp_path, files)))) == {"gpu clock": 1.3005e9, "gpu utilisation": 100.0}


def test_a_processor_that_is_no_thermal_zone(tmp_path: Path) -> None:
    files = {"sys/class/hwmon/hwmon2/name": "k10temp\n", "sys/class/hwmon/hwmon2/temp1_input": "55375\n"}
    assert values(HostConditions(str(machine(tmp_path, files)))) == {"k10temp temperature": 55.375}


def test_a_large_server_is_asked_for_sixteen_clocks_from_all_over_it(tmp_path: Path) -> None:
    files = {f"{CPU}/cpu{core}/cpufreq/scaling_cur_freq": f"{core}\n" for core in range(128)}
    conditions = HostConditions(str(machine(tmp_path, files)))
    assert values(conditions) == {"cpu clock": 1000.0 * np.mean(range(0, 128, 8))}


def test_a_core_that_goes_off_line_leaves_the_mean_of_the_others(tmp_path: Path) -> None:
    conditions = HostConditions(str(machine(tmp_path, LAPTOP)))
    clocks = [tmp_path / CPU / core / "cpufreq/scaling_cur_freq" for core in ("cpu0", "cpu1")]
    clocks[0].unlink()
    assert values(conditions)["cpu clock"] == 3e9
    clocks[1].unlink()
    assert values(conditions)["cpu clock"] is None


def test_nothing_there_makes_no_channel(tmp_path: Path) -> None:
    conditions = HostConditions(str(tmp_path))
    assert conditions.channels == () and conditions.read() == []


def test_what_fails_later_is_a_failed_reading(tmp_path: Path) -> None:
    conditions = HostConditions(str(machine(tmp_path, {**LAPTOP, "var/lib/nvpmodel/status": "pmode:0000\n"})))
    os.remove(tmp_path / THERMAL / "thermal_zone0/temp")
    broken = tmp_path / THERMAL / "thermal_zone10/temp"
    broken.unlink()
    broken.symlink_to("/proc/self/mem")
    (tmp_path / "var/lib/nvpmodel/status").write_text("")
    errors = {channel.name: reading.error for channel, reading in zip(conditions.channels, conditions.read())}
    assert errors["host:acpitz temperature"] == "No such file or directory"
    assert errors["host:x86_pkg_temp temperature"] == "Input/output error"
    assert "no power mode" in str(errors["host:power mode"])
    assert errors["host:cpu utilisation"] == "no time has passed since the last read"
    assert errors["host:acpitz 2 temperature"] is None


def test_this_machine_answers() -> None:
    conditions = HostConditions("/", "host")
    names: List[str] = [channel.name for channel in conditions.channels]
    assert "host:cpu utilisation" in names and len(set(names)) == len(names)
    time.sleep(0.1)
    load = values(conditions)["cpu utilisation"]
    assert load is not None and 0.0 <= load <= 100.0


def test_the_recorder_writes_them_beside_the_power(tmp_path: Path) -> None:
    tree = FakePowercap(machine(tmp_path / "laptop", {k: v for k, v in LAPTOP.items() if k != "proc/stat"}))
    tree.add("0", "package-0")
    recorder = Recorder.start(tmp_path / "trace.arrows", [parse_meter(f"rapl:root={tree.root}")])
    try:
        assert recorder.failure is None and recorder.wait_sampled(20.0)
        assert recorder.flush(20.0)
    finally:
        recorder.stop()
    trace = read_trace(recorder.trace)
    assert set(trace.metered) == {"rapl:package-0"}
    assert trace.conditions["rapl:x86_pkg_temp temperature"].values[0] == 61.0
    assert trace.conditions["rapl:cpu clock"].values[0] == 2.5e9
    assert len(trace.conditions["rapl:cpu clock"].t) < len(trace.metered["rapl:package-0"].t)
