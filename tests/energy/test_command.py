"""The energy of a program, over a fake NVIDIA driver, whatever happens to the program, the meters or the recorder."""

from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
from fakes.nvml_fixture import FakeNvml

from energytrain.energy.child import CannotStart
from energytrain.energy.command import MeteredCommand, meter_command
from energytrain.energy.traces.trace import read_trace
from energytrain.errors import UsageError
from energytrain.meters.catalog import MeterSpec
from energytrain.quantities.energy import Energy, Provenance

NVML = [MeterSpec("nvml")]
WATTS = 200.0  # of the fake GPU


def metered(script: str, **options: Any) -> MeteredCommand:
    return meter_command(["sh", "-c", script], **{"meters": NVML, **options})


def holds(energy: Energy, truth: float) -> bool:
    return energy.low is not None and energy.high is not None and energy.low <= truth <= energy.high


def test_a_program_has_the_energy_of_its_window(fake_nvml: FakeNvml) -> None:
    fake_nvml.set(update_ms=50)
    result = metered("sleep 1; exit 3")
    assert result.status == result.exit_status == 3
    assert 1 <= result.seconds < 5 and result.energy.seconds == result.seconds
    assert holds(result.energy, WATTS * result.seconds)
    assert result.energy.joules == pytest.approx(WATTS * result.seconds, rel=0.05)
    assert result.energy.provenance is Provenance.MEASURED and result.primary == ("nvml:0",)
    assert result.energies["nvml:0"] == result.energy
    assert result.conditions["nvml:0 temperature"]["max"] == 45
    assert result.problems == result.notes == result.unavailable == []
    assert 0 <= result.observer["cpu_seconds"] < result.seconds == result.observer["seconds"]


def test_several_gpus_are_added_and_a_part_of_them_is_not(fake_nvml: FakeNvml) -> None:
    fake_nvml.set(gpus=2, power_mw__1=50_000)
    result = metered("sleep 0.2", meters=[MeterSpec("nvml"), MeterSpec("nvml", {"counter": "off"})])
    assert result.primary == ("nvml:0", "nvml:1")
    assert set(result.energies) == {"nvml:0", "nvml:1", "nvml:0#2", "nvml:1#2"}
    assert holds(result.energy, 250.0 * result.seconds)


def test_what_the_program_keeps_running_is_not_in_it(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    result = metered(f"sleep 3 >{tmp_path}/out 2>&1 & exit 0")
    assert result.status == 0 and result.seconds < 2


def test_a_program_that_a_signal_ends_has_its_energy_until_then(fake_nvml: FakeNvml) -> None:
    result = metered("sleep 0.2; kill -9 $$")
    assert result.status == 137 and holds(result.energy, WATTS * result.seconds)


def test_without_a_meter_it_runs_all_the_same(tmp_path: Path) -> None:
    done = tmp_path / "done"
    tegra = tmp_path / "etc" / "nv_tegra_release"
    tegra.parent.mkdir()
    tegra.touch()
    jetson = [MeterSpec("nvml", {"root": str(tmp_path)})]
    result = metered(f": >{done}", meters=jetson)
    assert done.exists() and result.exit_status == 0
    assert result.energy.provenance is Provenance.MISSING and "Jetson" in str(result.energy.reason)
    assert [row["declared"] for row in result.unavailable] == [False] and result.problems == []
    named = metered("exit 0", meters=jetson, declared=["nvml"])
    assert named.status == 0 and named.exit_status == 3
    assert "'nvml" in named.problems[0] and "Jetson" in named.problems[0]
    assert metered("exit 4", meters=jetson, declared=["nvml"]).exit_status == 4
    none = metered("exit 0", meters=[])
    assert none.exit_status == 0 and none.energy.reason == "no meter was asked for."


def test_a_trace_is_kept_where_it_is_asked_for(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    kept, done = tmp_path / "kept.arrows", tmp_path / "done"
    assert metered("sleep 0.3", trace=kept).trace == kept
    trace = read_trace(kept)
    assert trace.complete and len(trace.series["nvml:0"].t) > 3
    for place, words in ((kept, "is there already"), (tmp_path / "no" / "folder", "lies in no folder")):
        with pytest.raises(UsageError, match=words):
            metered(f": >{done}", trace=place)
    assert not done.exists()


def test_no_trace_is_left_where_nothing_was_read(tmp_path: Path) -> None:
    jetson = tmp_path / "root"
    (jetson / "etc").mkdir(parents=True)
    (jetson / "etc" / "nv_tegra_release").touch()
    result = metered("exit 0", meters=[MeterSpec("nvml", {"root": str(jetson)})], trace=tmp_path / "kept.arrows")
    assert result.trace is None and not (tmp_path / "kept.arrows").exists()


def test_each_interval_is_told_on_the_way(fake_nvml: FakeNvml) -> None:
    told: List[Tuple[float, Energy]] = []
    result = metered("sleep 1.4", interval=0.5, tell=lambda end, energy: told.append((end, energy)))
    assert [end for end, _ in told][:2] == [0.5, 1.0] and len(told) >= 2
    for _, energy in told:
        assert energy.seconds == 0.5 and holds(energy, WATTS * 0.5)
    assert holds(result.energy, WATTS * result.seconds)


def test_a_program_that_cannot_be_started_is_an_error(fake_nvml: FakeNvml) -> None:
    with pytest.raises(CannotStart):
        meter_command(["no-such-program"], NVML)


def test_a_recorder_that_is_killed_does_not_end_the_program(fake_nvml: FakeNvml) -> None:
    kill = "sleep 0.4; kill -9 $(pgrep -P $PPID -f '[e]nergytrain.energy.recorder'); sleep 0.4; exit 0"
    named = metered(kill, declared=["nvml"])
    assert named.status == 0 and named.exit_status == 3 and named.seconds > 0.8
    assert any("the recorder failed" in problem for problem in named.problems)
    assert named.energy.joules is None or named.energy.coverage < 0.9
    plain = metered(kill)
    assert plain.exit_status == 0 and any("the recorder failed" in note for note in plain.notes)


def test_a_meter_that_is_lost_half_way_is_incomplete(fake_nvml: FakeNvml) -> None:
    fake_nvml.lose_gpu(after_seconds=1.2)
    result = metered("sleep 1.6", declared=["nvml"])
    assert result.status == 0 and result.exit_status == 3
    assert result.energy.joules is None or result.energy.coverage < 0.999
    assert result.problems


def test_its_json_has_everything(fake_nvml: FakeNvml) -> None:
    told: Dict[str, Any] = metered("exit 3").to_json()
    assert told["command"] == ["sh", "-c", "exit 3"] and told["status"] == told["exit_status"] == 3
    assert Energy.from_json(told["energy"]).channel == "nvml:0" and told["primary"] == ["nvml:0"]
    assert set(told["channels"]) == {"nvml:0"} and told["trace"] is None
