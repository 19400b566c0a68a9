"""The NVML driver over a fake libnvidia-ml.so.1, through the real pynvml."""

import os
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from fakes.nvml_fixture import FakeNvml

Run = Callable[[str], Dict[str, Any]]

Look = Callable[..., Dict[str, Any]]


@pytest.fixture
def look(look_nvml: Look) -> Look:
    return look_nvml


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
    ("settings", "text", "quantity"),
    [
        ({"instant": 1}, "nvml", "watts"),
        ({"instant": 1}, "nvml:counter=on", "joules"),
        ({"instant": 0}, "nvml", "watts"),
        ({"instant": 1, "arch": 10, "cc_major": 12}, "nvml", "watts"),
        ({"instant": 1, "arch": 3}, "nvml", "joules"),
        ({"power": 0}, "nvml", "joules"),
        ({"instant": 1, "name": "NVIDIA L40"}, "nvml", "joules"),
    ],
    ids=["power", "asked for", "its mean", "a later one", "not known what it averages", "no power", "no GeForce"],
)
def test_a_geforces_counter_loses_when_it_is_read_so_its_power_is_read(
    look: Look, fake_nvml: FakeNvml, settings: Dict[str, Any], text: str, quantity: str
) -> None:
    fake_nvml.set(**{"name": "NVIDIA GeForce RTX 4090", "arch": 8, "cc_major": 8, "cc_minor": 9, **settings})
    assert look(text)["channels"][0]["quantity"] == quantity


def test_who_knows_better_says_what_a_reading_averages_over(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(counter=0, instant=1)
    assert look()["channels"][0]["averaging_seconds"] is None
    assert look("nvml:averaging=0.25")["channels"][0]["averaging_seconds"] == 0.25
    assert look("nvml:averaging=0")["channels"][0]["averaging_seconds"] == 0
    fake_nvml.set(counter=1)
    assert look("nvml:averaging=0.25")["channels"][0]["averaging_seconds"] is None, "a counter averages over nothing"


@pytest.mark.parametrize(
    "option", ["averaging=-1", "averaging=a second", "averaging=nan", "averaging=1e9", "own=me", "own=0", "own=-3"]
)
def test_options_that_make_no_sense(look: Look, option: str) -> None:
    told = look(f"nvml:{option}")
    assert told["refused"] == "UsageError" and f"'{option.partition('=')[2]}'" in told["why"] and told["fix"]


def test_a_gpu_without_any_reading_is_refused(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(counter=0, power=0)
    told = look()
    assert told["refused"] == "MeterUnavailable" and "Not Supported" in told["why"]


def test_no_power_limit_is_no_bound(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(limit_mw=0)
    assert look()["channels"][0]["max_watts"] is None


def test_a_superchips_counter_covers_the_module(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(name="NVIDIA GH200 480GB", arch=9, cc_major=9, cc_minor=0)
    (channel,) = look()["channels"]
    assert channel["scope"] == "module" and channel["max_watts"] is None
    fake_nvml.set(counter=0)
    (channel,) = look()["channels"]
    assert channel["scope"] == "chip" and channel["max_watts"] == 700, "its mean of a second is the GPU's"
    fake_nvml.set(instant=1)
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


@pytest.mark.parametrize(
    ("visible", "order", "names"),
    [
        ("0", None, None),
        ("0", "FASTEST_FIRST", None),
        ("0", "PCI_BUS_ID", ["nvml:0"]),
        ("GPU-abc", None, ["nvml:1"]),
        ("1,0", None, ["nvml:1", "nvml:0"]),
    ],
    ids=["by speed", "by speed, said", "by slot", "by name", "all of them"],
)
def test_numbers_of_unlike_gpus_mean_something_else_to_cuda(
    look: Look, fake_nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch, visible: str, order: Any, names: Any
) -> None:
    fake_nvml.set(gpus=2, name__0="NVIDIA T4", name__1="NVIDIA A100-PCIE-40GB", uuid__1="GPU-abc")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    if order:
        monkeypatch.setenv("CUDA_DEVICE_ORDER", order)
    else:
        monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    told = look()
    if names:
        assert [channel["name"] for channel in told["channels"]] == names
    else:
        assert told["refused"] == "MeterUnavailable" and "unlike" in told["why"] and "PCI_BUS_ID" in told["fix"]


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
    assert "Xid" in told["skipped"][0][2]


def test_unlike_gpus_are_each_read_as_they_can_be(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(gpus=6, name__1="NVIDIA T4", counter__1=0, arch__1=6, power_mw__1=60_000, mig__2=1)
    fake_nvml.set(lost_from_ns__3=1, counter__4=0, power__4=0, handles__5=1)
    told = look()
    assert [(c["name"], c["quantity"], c["averaging_seconds"]) for c in told["channels"]] == [
        ("nvml:0", "joules", None),
        ("nvml:1", "watts", 0.1),
    ]
    assert told["last"][1] == 60.0
    skipped = {name: why for name, why, fix in told["skipped"] if fix}
    assert set(skipped) == {"nvml:2", "nvml:3", "nvml:4", "nvml:5"}
    assert "MIG" in skipped["nvml:2"] and "Not Supported" in skipped["nvml:4"]
    assert "lost" in skipped["nvml:3"] and "lost" in skipped["nvml:5"], "the second vanished while it was opened"
    assert {name.split()[0] for name in told["conditions"]} == {"nvml:0", "nvml:1"}


def test_gpus_that_cannot_be_counted(look: Look, fake_nvml: FakeNvml) -> None:
    fake_nvml.set(count_error=15)
    told = look()
    assert told["refused"] == "MeterUnavailable" and "cannot count" in told["why"]


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
