"""The NVML driver over a fake libnvidia-ml.so.1, through the real pynvml."""

import os
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from fakes.nvml_fixture import FakeNvml

Run = Callable[[str], Dict[str, Any]]

LOOK = """
    import time
    from energytrain.errors import EnergytrainError
    from energytrain.meters.catalog import open_meter, parse_meter
    try:
        meter = open_meter(parse_meter({text!r}))
    except EnergytrainError as error:
        tell(refused=type(error).__name__, why=error.message, fix=error.hint)
    else:
        before = time.monotonic_ns()
        first = meter.read()
        time.sleep(0.05)
        last = meter.read()
        tell(channels=[channel.to_json() for channel in meter.channels], skipped=meter.skipped,
             first=[reading.value for reading in first], last=[reading.value for reading in last],
             errors=[reading.error for reading in last], seconds=(time.monotonic_ns() - before) * 1e-9)
        meter.close()
    """


@pytest.fixture
def look(in_nvml_process: Run) -> Callable[..., Dict[str, Any]]:
    def at(text: str = "nvml") -> Dict[str, Any]:
        return in_nvml_process(LOOK.format(text=text))

    return at


Look = Callable[..., Dict[str, Any]]


def test_the_energy_counter_comes_first(look: Look, fake_nvml: FakeNvml) -> None:
    told = look()
    (channel,) = told["channels"]
    assert channel["name"] == "nvml:0" and channel["sensor"] == "nvml:GPU-00000000-0000-0000-0000-000000000000"
    assert (channel["quantity"], channel["scope"]) == ("joules", "chip")
    assert channel["gain_error"] == 0.05 and channel["max_watts"] == 700.0
    assert channel["averaging_seconds"] is None and channel["wraps_at"] is None
    grown = told["last"][0] - told["first"][0]
    assert 0.05 * 200 <= grown <= told["seconds"] * 200
    assert told["first"][0] > 1000, "joules, counted since long before"


def test_no_counter_means_power(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(counter=0)
    told = look()
    assert told["channels"][0]["quantity"] == "watts" and told["last"] == [200.0]


def test_a_counter_that_stands_at_zero_is_none(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(counter_base_mj=0, power_mw=0)
    assert look()["channels"][0]["quantity"] == "watts"


def test_the_counter_can_be_switched_off(look: Look) -> None:
    assert look("nvml:counter=off")["channels"][0]["quantity"] == "watts"
    refused = look("nvml:counter=no")
    assert refused["refused"] == "UsageError" and "'no'" in refused["why"]


@pytest.mark.parametrize(
    ("settings", "averaging"),
    [
        ({"instant": 1}, 0.0),
        ({"arch": 9, "cc_major": 9, "cc_minor": 0}, 1.0),
        ({"arch": 7, "cc_major": 8, "cc_minor": 6}, 1.0),
        ({"arch": 7, "cc_major": 8, "cc_minor": 0}, 0.0),
        ({"arch": 5, "cc_major": 7, "cc_minor": 0}, 0.0),
    ],
    ids=["POWER_INSTANT", "Hopper", "GA102", "GA100", "Volta"],
)
def test_what_a_power_reading_averages_over(
    look: Look, fake_nvml: FakeNvml, settings: Dict[str, int], averaging: float
) -> None:
    fake_nvml.set(counter=0, **settings)
    told = look()
    assert told["channels"][0]["averaging_seconds"] == averaging
    assert told["last"] == [200.0]


def test_a_gpu_without_any_reading_is_refused(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(counter=0, power=0)
    told = look()
    assert told["refused"] == "MeterUnavailable" and "Not Supported" in told["why"]


def test_no_power_limit_is_no_bound(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(limit_mw=0)
    assert look()["channels"][0]["max_watts"] is None


def test_a_superchips_counter_covers_the_module(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(name="NVIDIA GH200 480GB")
    (channel,) = look()["channels"]
    assert channel["scope"] == "module" and channel["max_watts"] is None


def test_all_gpus_or_the_named_one(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(gpus=3, power_mw__2=90_000, counter=0, uuid__1="GPU-abc")
    told = look()
    assert [channel["name"] for channel in told["channels"]] == ["nvml:0", "nvml:1", "nvml:2"]
    assert told["last"] == [200.0, 200.0, 90.0]
    for text in ("nvml:gpu=1", "nvml:gpu=GPU-abc"):
        (channel,) = look(text)["channels"]
        assert (channel["name"], channel["sensor"]) == ("nvml:1", "nvml:GPU-abc")


@pytest.mark.parametrize("gpu", ["3", "-1", "GPU-", "x"])
def test_a_gpu_that_is_not_there(look: Look, fake_nvml: FakeNvml, gpu: str) -> None:
    fake_nvml.set(gpus=3)
    told = look(f"nvml:gpu={gpu}")
    assert told["refused"] == "MeterUnavailable" and f"no GPU '{gpu}'" in told["why"]
    assert "2 (GPU-00000000-0000-0000-0000-000000000002)" in told["fix"]


@pytest.mark.parametrize(
    ("visible", "names"),
    [("1", ["nvml:1"]), ("2,0", ["nvml:2", "nvml:0"]), ("GPU-abc", ["nvml:1"]), ("0,-1,1", ["nvml:0"])],
)
def test_only_what_cuda_may_use_is_metered(
    look: Look, fake_nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch, visible: str, names: list
) -> None:
    fake_nvml.set(gpus=3, uuid__1="GPU-abc")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [channel["name"] for channel in look()["channels"]] == names
    assert [channel["name"] for channel in look("nvml:gpu=0")["channels"]] == ["nvml:0"]


@pytest.mark.parametrize(("visible", "why"), [("", "hides every GPU"), ("-1", "hides every GPU"), ("MIG-ab", "MIG")])
def test_nothing_visible(look: Look, monkeypatch: pytest.MonkeyPatch, visible: str, why: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    told = look()
    assert told["refused"] == "MeterUnavailable" and why in told["why"] and told["fix"]


def test_a_mig_gpu_is_left_out_with_a_reason(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(gpus=2, mig__0=1, mig__1=0)
    told = look()
    assert [channel["name"] for channel in told["channels"]] == ["nvml:1"]
    ((name, why, fix),) = told["skipped"]
    assert name == "nvml:0" and "MIG" in why and "-mig 0" in fix
    fake_nvml.set(mig__1=1)
    assert look()["refused"] == "MeterUnavailable"


def test_a_lost_gpu_is_a_failed_read_of_its_own(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(gpus=2)
    fake_nvml.lose_gpu(0, after_seconds=3600)
    assert look()["errors"] == [None, None]
    fake_nvml.set(lost_from_ns__0=1)
    told = look()
    assert [channel["name"] for channel in told["channels"]] == ["nvml:1"]
    assert told["skipped"][0][1] == "nvml:0 cannot be read: GPU is lost."


def test_a_gpu_lost_between_reads(in_nvml_process: Run, fake_nvml: FakeNvml) -> None:
    told = in_nvml_process(
        """
        import os, time
        from energytrain.meters.catalog import open_meter, parse_meter
        meter = open_meter(parse_meter("nvml"))
        assert meter.read()[0].error is None
        with open(os.environ["FAKE_NVML_CONTROL"], "a") as file:
            file.write("lost_from_ns=1\\n")
        time.sleep(0.1)
        (reading,) = meter.read()
        tell(value=reading.value, error=reading.error)
        """
    )
    assert told == {"value": None, "error": "GPU is lost"}


@pytest.mark.parametrize(
    ("error", "why"),
    [(9, "not loaded"), (4, "may not read"), (18, "updated"), (12, "no NVIDIA driver"), (999, "does not start")],
)
def test_a_driver_that_does_not_start(look: Look, fake_nvml: FakeNvml, error: int, why: str) -> None:
    fake_nvml.set(init_error=error)
    told = look()
    assert told["refused"] == "MeterUnavailable" and why in told["why"] and told["fix"]


def test_a_driver_without_gpus(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(gpus=0)
    assert "finds no GPU" in look()["why"]


def test_no_driver_at_all(look: Look, fake_nvml_library: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A library folder of the same name whose file is no library hides whatever driver this machine may have."""
    (tmp_path / "libnvidia-ml.so.1").write_text("no library")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path) + os.pathsep + str(fake_nvml_library.parent / "none"))
    told = look()
    assert told["refused"] == "MeterUnavailable" and "no NVIDIA driver" in told["why"]


@pytest.mark.parametrize(
    ("sign", "content"),
    [("etc/nv_tegra_release", "R28"), ("proc/device-tree/compatible", "nvidia,quill\0nvidia,tegra186\0")],
)
def test_a_jetson_is_refused_before_nvml_is_asked(look: Look, tmp_path: Path, sign: str, content: str) -> None:
    file = tmp_path / sign
    file.parent.mkdir(parents=True)
    file.write_text(content)
    told = look(f"nvml:root={tmp_path}")
    assert told["refused"] == "MeterUnavailable" and "Jetson" in told["why"] and "rails" in told["fix"]
