"""From a user's words to an open meter, or one sentence on why not."""

import pytest
from fakes.nvml_fixture import FakeNvml

from energytrain.errors import UsageError
from energytrain.meters.catalog import FOUND, MeterSpec, available_meters, check_meter, open_meter, parse_meter


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("nvml", {}),
        ("nvml:gpu=0", {"gpu": "0"}),
        ("nvml:gpu=0,root=/x", {"gpu": "0", "root": "/x"}),
        ("nvml:root=/a=b:c", {"root": "/a=b:c"}),
        (" nvml: gpu = 1 ", {"gpu": "1"}),
    ],
)
def test_a_meter_is_parsed(text: str, options: dict) -> None:
    spec = parse_meter(text)
    assert spec == MeterSpec("nvml", options)
    assert parse_meter(str(spec)) == spec
    assert MeterSpec.from_json(spec.to_json()) == spec


def test_an_unknown_meter_gets_the_nearest_name() -> None:
    for function in (lambda: parse_meter("nvmll"), lambda: open_meter(MeterSpec("nvmll"))):
        with pytest.raises(UsageError, match="unknown meter 'nvmll'. Did you mean 'nvml'?"):
            function()


@pytest.mark.parametrize("text", ["nvml:gpu", "nvml:=1", "nvml:gpu=0,gpu=1", "nvml:gpu=0,,root=/"])
def test_a_malformed_option_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="malformed option"):
        parse_meter(text)


def test_an_option_that_the_driver_does_not_know() -> None:
    for function in (check_meter, open_meter):
        with pytest.raises(UsageError, match="Did you mean 'counter'"):
            function(parse_meter("nvml:countre=off"))
    check_meter(parse_meter("nvml:gpu=0,counter=off,root=/"))


def test_every_meter_is_tried(tmp_path) -> None:  # type: ignore[no-untyped-def]
    assert [found.name for found in available_meters()] == list(FOUND)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "nv_tegra_release").touch()
    (found,) = available_meters([MeterSpec("nvml", {"root": str(tmp_path)})])
    assert not found.ok and found.channels == ()
    assert "Jetson" in str(found.why) and found.fix


def test_availability_over_a_driver(fake_nvml: FakeNvml, in_nvml_process) -> None:  # type: ignore[no-untyped-def]
    fake_nvml.set(gpus=2, mig__1=1)
    told = in_nvml_process(
        """
        from energytrain.meters.catalog import MeterSpec, available_meters
        (found,) = available_meters([MeterSpec("nvml")])
        tell(ok=found.ok, channels=[channel.name for channel in found.channels], why=found.why, fix=found.fix)
        """
    )
    assert told["ok"] and told["channels"] == ["nvml:0"]
    assert told["why"].startswith("nvml:1 is divided") and "-mig 0" in told["fix"]
