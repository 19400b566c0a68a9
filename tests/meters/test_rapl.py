"""The RAPL driver over a temporary powercap tree, alone and through the real recorder and integrator."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple

import numpy as np
import pytest
from fakes.powercap import AMD, ARM, VIRTUAL, FakePowercap, Running, Zone, pulse

from energytrain.energy.integrator.integrate import energy_of
from energytrain.energy.primary import choose_primary
from energytrain.energy.recorder.client import Recorder
from energytrain.energy.recorder.process import SLOWEST_HZ
from energytrain.energy.traces.series import Series, Trace
from energytrain.energy.traces.trace import read_trace
from energytrain.errors import MeterUnavailable
from energytrain.meters.base import Channel, conditions_of
from energytrain.meters.catalog import open_meter, parse_meter
from energytrain.meters.rapl import RaplMeter
from energytrain.quantities.energy import Energy, Scope

LIMITS = {"constraint_0_power_limit_uw": 65, "constraint_1_power_limit_uw": 90, "constraint_0_max_power_uw": 65}


def opened(tree: FakePowercap, options: str = "") -> Any:
    return open_meter(parse_meter(f"rapl:root={tree.root}{options}"))


def channels(tree: FakePowercap, options: str = "") -> Dict[str, Channel]:
    return {channel.name: channel for channel in opened(tree, options).channels}


def refused(tree: FakePowercap, options: str = "") -> MeterUnavailable:
    with pytest.raises(MeterUnavailable) as caught:
        opened(tree, options)
    assert caught.value.hint
    return caught.value


@pytest.fixture
def laptop(tmp_path: Path) -> FakePowercap:
    """As on a client processor since Skylake, whose kernel also knows the counters by way of mmio."""
    tree = FakePowercap(tmp_path / "laptop")
    tree.add("0", "package-0", LIMITS)
    tree.add("0:0", "core")
    tree.add("0:1", "uncore")
    tree.add("0:2", "dram")
    tree.add("1", "psys", {"constraint_0_power_limit_uw": 0})
    tree.add("0", "package-0", LIMITS, control="intel-rapl-mmio")
    return tree


def test_package_and_memory_are_the_total_and_the_parts_are_in_the_package(laptop: FakePowercap) -> None:
    found = channels(laptop)
    assert list(found) == ["rapl:package-0", "rapl:core-0", "rapl:uncore-0", "rapl:dram-0"]
    assert {channel.scope for channel in found.values()} == {Scope.CHIP}
    assert {channel.quantity for channel in found.values()} == {"joules"}
    assert {channel.update_seconds for channel in found.values()} == {0.001}
    parts = {name: channel.part_of for name, channel in found.items() if channel.part_of}
    assert parts == {"rapl:core-0": "rapl:package-0", "rapl:uncore-0": "rapl:package-0"}
    assert [channel.name for channel in choose_primary(found.values())] == ["rapl:package-0", "rapl:dram-0"]
    assert len({channel.sensor for channel in found.values()}) == 4


def test_the_counters_are_read_in_joules(laptop: FakePowercap) -> None:
    zone = laptop.add("2", "package-1", start=0)
    zone.show(1234.5)
    meter = opened(laptop, ",zones=package-1")
    (reading,) = meter.read()
    assert reading.error is None and reading.value == pytest.approx(1234.5, abs=2 * zone.unit)
    meter.close()


def test_psys_is_no_total_unless_somebody_names_it(laptop: FakePowercap) -> None:
    assert "rapl:psys" not in channels(laptop)
    named = channels(laptop, ",zones=package+psys")
    assert named["rapl:psys"].scope is Scope.BOARD
    assert [channel.name for channel in choose_primary(named.values())] == ["rapl:psys"]


def test_mmio_shows_the_same_counters_and_is_read_only_alone(laptop: FakePowercap, tmp_path: Path) -> None:
    assert sum("package" in name for name in channels(laptop)) == 1
    alone = FakePowercap(tmp_path / "alone")
    alone.add("0", "package-0", LIMITS, control="intel-rapl-mmio")
    assert list(channels(alone)) == ["rapl:package-0"]


def test_several_packages_and_dies(tmp_path: Path) -> None:
    tree = FakePowercap(tmp_path)
    for number, name in enumerate(["package-0-die-0", "package-0-die-1", "package-1-die-0"]):
        tree.add(str(number), name, LIMITS)
        tree.add(f"{number}:0", "dram", nanojoules=15_300)
    found = channels(tree)
    assert list(found)[:4] == [
        "rapl:package-0-die-0",
        "rapl:dram-0-die-0",
        "rapl:package-0-die-1",
        "rapl:dram-0-die-1",
    ]
    assert len(choose_primary(found.values())) == 6
    assert found["rapl:dram-0-die-1"].wraps_at == pytest.approx(65_713, abs=1)


def test_on_amd_the_core_counter_is_one_core_and_the_energy_is_a_model(tmp_path: Path, laptop: FakePowercap) -> None:
    tree = FakePowercap(tmp_path / "amd", AMD)
    tree.add("0", "package-0")
    tree.add("0:0", "core")
    found = channels(tree)
    assert list(found) == ["rapl:package-0"]
    assert found["rapl:package-0"].gain_error > channels(laptop)["rapl:package-0"].gain_error
    assert "Zones here: package-0." in str(refused(tree, ",zones=core"))


@pytest.mark.parametrize(
    ("zones", "names"),
    [
        ("package", ["rapl:package-0"]),
        ("package+dram", ["rapl:package-0", "rapl:dram-0"]),
        ("dram-0", ["rapl:dram-0"]),
        ("core + uncore", ["rapl:core-0", "rapl:uncore-0"]),
    ],
)
def test_zones_by_kind_and_by_name(laptop: FakePowercap, zones: str, names: List[str]) -> None:
    assert list(channels(laptop, f",zones={zones}")) == names


def test_a_zone_that_is_not_there(laptop: FakePowercap) -> None:
    error = refused(laptop, ",zones=package+gpu")
    assert "no RAPL zone 'gpu'" in error.message and "dram-0" in str(error.hint)


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        (LIMITS, 180.0),
        ({**LIMITS, "constraint_2_power_limit_uw": 200}, 400.0),
        ({**LIMITS, "constraint_1_power_limit_uw": 4095}, None),
        ({"constraint_0_power_limit_uw": 0}, None),
        ({}, None),
    ],
    ids=["short term", "peak", "no limit set", "zero", "no files"],
)
def test_the_limits_bound_the_power_with_room_above_them(tmp_path: Path, limits: Dict[str, int], most: Any) -> None:
    tree = FakePowercap(tmp_path)
    tree.add("0", "package-0", limits)
    tree.add("0:0", "core")
    tree.add("0:1", "dram", {"constraint_0_max_power_uw": 20})
    found = channels(tree)
    assert found["rapl:package-0"].max_watts == found["rapl:core-0"].max_watts == most
    assert found["rapl:dram-0"].max_watts == 40.0


def test_another_machine_has_other_sensors(laptop: FakePowercap) -> None:
    before = channels(laptop)["rapl:package-0"].sensor
    (laptop.root / "etc/machine-id").write_text("another\n")
    after = channels(laptop)["rapl:package-0"].sensor
    assert before != after and "another" not in after


def test_the_conditions_of_the_machine_come_with_it(laptop: FakePowercap) -> None:
    (laptop.root / "proc/stat").write_text("cpu  1 0 1 8 0 0 0 0 0 0\n")
    conditions = conditions_of(opened(laptop))
    assert conditions is not None and conditions.name == "rapl conditions"
    assert [channel.name for channel in conditions.channels] == ["rapl:cpu utilisation"]


def test_fault_4_a_turn_takes_far_longer_than_the_slowest_reads() -> None:
    """Half a turn of the smallest counter (15.3 uJ units) at the highest limit that counts as one."""
    with tempfile.TemporaryDirectory() as folder:
        tree = FakePowercap(Path(folder))
        tree.add("0", "package-0", {"constraint_0_power_limit_uw": 3999}, nanojoules=15_300)
        channel = channels(tree)["rapl:package-0"]
    assert channel.wraps_at is not None and channel.max_watts is not None
    assert channel.wraps_at / channel.max_watts / 2 > 4 / SLOWEST_HZ


def test_fault_4_without_the_largest_value_a_fall_is_a_reset(laptop: FakePowercap) -> None:
    folder = laptop.root / "sys/class/powercap/intel-rapl:0"
    known = channels(laptop)["rapl:package-0"]
    (folder / "max_energy_range_uj").unlink()
    unknown = channels(laptop)["rapl:package-0"]
    assert unknown.wraps_at is None and unknown.resolution == pytest.approx(known.resolution, rel=1e-3)
    t = np.arange(0, 10, 0.05)
    turn = 2.0**32 * 61.035e-6
    assert known.wraps_at == pytest.approx(turn, abs=known.resolution / 10), "one unit more than the largest value"
    shown = (turn - 200 + 40 * t) % turn  # it wraps after 5 s
    wrapped, reset = (energy_of(series(c, t, shown), ns(0.5), ns(9.5)) for c in (known, unknown))
    assert wrapped.joules == pytest.approx(360.0, abs=0.05) and wrapped.coverage == 1.0
    assert reset.joules == pytest.approx(360.0, abs=10.0) and reset.coverage < 1.0


def ns(seconds: float) -> int:
    return round(seconds * 1e9)


def series(channel: Channel, t: Any, values: Any) -> Series:
    return Series(channel, (t * 1e9).round().astype(np.int64), values, ())


def test_a_counter_that_only_root_may_read_names_the_exact_fix() -> None:
    """Fault 2. Root may read anything, so a process that is root becomes nobody first."""
    code = """
        import json, os, sys
        from energytrain.errors import MeterUnavailable
        from energytrain.meters.rapl import open_meter
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        if not os.access(sys.argv[1] + "/proc/cpuinfo", os.R_OK):
            print(json.dumps(None))
            sys.exit()
        try:
            open_meter({"root": sys.argv[1]})
        except MeterUnavailable as error:
            print(json.dumps([error.message, error.hint]))
        """
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        tree = FakePowercap(Path(folder))
        for number, name in (("0", "package-0"), ("0:0", "core")):
            (tree.add(number, name).folder / "energy_uj").chmod(0o000)
        lines = [line[8:] for line in code.splitlines()]
        command = [sys.executable, "-c", "\n".join(lines), folder]
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    if told is None:
        pytest.skip("the folder for temporary files is closed to other users")
    why, fix = told
    assert "only root may read" in why and "CVE-2020-8694" in why
    assert "sudo chmod a+r /sys/class/powercap/intel-rapl*:*/energy_uj" in fix
    rule = 'SUBSYSTEM=="powercap", ACTION=="add", KERNEL=="intel-rapl*:*", RUN+="/bin/chmod a+r /sys%p/energy_uj"'
    assert rule in fix and "/etc/udev/rules.d/" in fix


@pytest.mark.parametrize(
    ("cpuinfo", "why", "fix"),
    [
        (VIRTUAL, "virtual machine", "on the host"),
        (ARM, "has no RAPL", "power rails"),
        (AMD, "the kernel shows no RAPL", "sudo modprobe intel_rapl_msr"),
    ],
)
def test_no_counters_at_all(tmp_path: Path, cpuinfo: str, why: str, fix: str) -> None:
    error = refused(FakePowercap(tmp_path, cpuinfo))
    assert why in error.message and fix in str(error.hint)
    (tmp_path / "sys/class/powercap").rmdir()
    assert refused_at(tmp_path).message == error.message


def refused_at(root: Path) -> MeterUnavailable:
    with pytest.raises(MeterUnavailable) as caught:
        open_meter(parse_meter(f"rapl:root={root}"))
    return caught.value


def test_a_container_that_hides_them_is_told_the_mount(laptop: FakePowercap) -> None:
    laptop.hide()
    error = refused(laptop)
    assert "container hides" in error.message and "-v /sys:/host/sys:ro" in str(error.hint)
    assert "rapl:root=/host" in str(error.hint)


def test_a_package_that_cannot_be_read_leaves_no_total(tmp_path: Path) -> None:
    tree = FakePowercap(tmp_path)
    tree.add("0", "package-0")
    tree.add("1", "package-1").fail()
    meter: RaplMeter = opened(tree)
    assert [channel.name for channel in meter.channels] == ["rapl:package-0"]
    ((part, why, fix),) = meter.skipped
    assert part == "rapl:package-1" and "Input/output error" in why and "zones=" in fix
    assert choose_primary(meter.channels) == ()
    assert len(choose_primary(opened(tree, ",zones=package-0").channels)) == 1
    assert "Input/output error" in refused(tree, ",zones=package-1").message


def test_a_failed_read_has_the_systems_words(tmp_path: Path) -> None:
    tree = FakePowercap(tmp_path)
    zones = [tree.add("0", "package-0"), tree.add("1", "package-1"), tree.add("2", "package-2")]
    meter = opened(tree)
    assert [reading.error for reading in meter.read()] == [None] * 3
    zones[0].fail()
    zones[1].vanish()
    (zones[2].folder / "energy_uj").write_text("")
    readings = meter.read()
    assert [reading.value for reading in readings] == [None] * 3
    assert [reading.error for reading in readings[:2]] == ["Input/output error", "No such file or directory"]
    assert "could not convert" in str(readings[2].error)
    for zone in zones:
        zone.heal()
        zone.show(1.0)
    assert [reading.error for reading in meter.read()] == [None] * 3


class Recorded(NamedTuple):
    """What the recorder wrote while four counters ran along one pulse of 40 W, 32 J, and met different fates."""

    trace: Trace
    began_ns: int
    unit: float

    def energy(self, name: str, start: float = 0.1, end: float = 1.5) -> Energy:
        return energy_of(self.trace.series[f"rapl:{name}"], *(self.began_ns + ns(s) for s in (start, end)))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("rapl")
    tree = FakePowercap(folder / "machine")
    room = {"constraint_0_power_limit_uw": 1000}  # the thread that drives the counters may be held up for a while
    wrapping = tree.add("0", "package-0", room, start=2**32 - round(12 / 61.035e-6))
    failing = tree.add("1", "package-1", room)
    resetting = tree.add("2", "package-2", room)
    leaving = tree.add("3", "package-3", room)
    recorder = Recorder.start(folder / "trace.arrows", [parse_meter(f"rapl:root={tree.root}")])
    try:
        assert recorder.failure is None and recorder.unavailable == []
        assert recorder.wait_sampled(20.0)
        time.sleep(0.05)
        with Running({zone: pulse(40.0, 0.3, 0.8) for zone in (wrapping, failing, resetting, leaving)}) as running:
            until(running, 0.6)
            failing.fail()
            leaving.vanish()
            until(running, 0.7)
            failing.heal()
            resetting.reset()
            until(running, 1.6)
    finally:
        recorder.stop()
    yield Recorded(read_trace(recorder.trace), running.began_ns, wrapping.unit)


def until(running: Running, seconds: float) -> None:
    time.sleep(max(0.0, seconds - (time.monotonic_ns() - running.began_ns) * 1e-9))


def test_recorded_energy_is_exact_over_a_wrap(recorded: Recorded) -> None:
    values = recorded.trace.series["rapl:package-0"].values
    assert np.count_nonzero(np.diff(values) < 0) == 1, "it did wrap"
    energy = recorded.energy("package-0")
    assert energy.joules == pytest.approx(32.0, abs=3 * recorded.unit)
    assert energy.coverage == 1.0 and "gap" not in {term.source for term in energy.errors}


def test_fault_3_failed_reads_add_nothing(recorded: Recorded) -> None:
    series = recorded.trace.series["rapl:package-1"]
    assert np.isnan(series.values).any() and series.errors == ("Input/output error",)
    energy = recorded.energy("package-1")
    assert energy.joules == pytest.approx(32.0, abs=3 * recorded.unit)


def test_a_reset_is_a_gap_and_no_wrap(recorded: Recorded) -> None:
    energy = recorded.energy("package-2")
    assert energy.joules is not None and energy.joules < 40.0, "a turn is 262 kJ"
    assert energy.low is not None and energy.high is not None and energy.low <= 32.0 <= energy.high
    assert energy.coverage < 1.0 and "gap" in {term.source for term in energy.errors}


def test_a_package_lost_half_way_is_a_gap(recorded: Recorded) -> None:
    assert recorded.trace.series["rapl:package-3"].errors == ("No such file or directory",)
    energy = recorded.energy("package-3")
    assert 0.2 < energy.coverage < 0.6
    assert energy.low is not None and energy.high is not None and energy.low <= 32.0 <= energy.high


def test_a_zone_shows_the_kernels_numbers(tmp_path: Path) -> None:
    """The fake itself: what a common desktop processor shows as its largest value."""
    zone: Zone = FakePowercap(tmp_path).add("0", "package-0")
    assert (zone.folder / "max_energy_range_uj").read_text() == "262143328850\n"
