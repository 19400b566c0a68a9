"""The jtop driver: jetson-stats' own client over a fake service."""

from pathlib import Path

import pytest
from fakes.jtop_fixture import INTERVAL, Open, by_name, until, whole
from fakes.jtop_server import FakeJtop
from fakes.jtop_service import RealJtop
from fakes.tegra import FakeBoard

from energytrain.errors import MeterUnavailable, UsageError
from energytrain.meters.base import Reading, conditions_of, left_out
from energytrain.meters.catalog import open_meter, parse_meter
from energytrain.meters.jetson import jtop


def test_the_rails_of_a_tx2(open_jtop: Open) -> None:
    meter = open_jtop()
    channels = {channel.name: channel for channel in meter.channels}
    module = channels.pop("jtop:VDD_IN")
    assert (module.quantity, module.scope.value, module.part_of) == ("watts", "module", None)
    assert sorted(channels) == [
        "jtop:VDD_4V0_WIFI",
        "jtop:VDD_SYS_CPU",
        "jtop:VDD_SYS_DDR",
        "jtop:VDD_SYS_GPU",
        "jtop:VDD_SYS_SOC",
    ]
    assert {(rail.scope.value, rail.part_of) for rail in channels.values()} == {("rail", "jtop:VDD_IN")}
    assert {channel.update_seconds for channel in (module, *channels.values())} == {INTERVAL}
    assert left_out(meter) == ()


def test_power_is_what_it_is_and_never_the_average_of_jtop(open_jtop: Open) -> None:
    meter = open_jtop()
    readings = until(lambda: by_name(meter), whole)
    assert {name: reading.value for name, reading in readings.items()} == {
        "jtop:VDD_IN": 9.0,
        "jtop:VDD_SYS_CPU": 2.0,
        "jtop:VDD_SYS_DDR": 1.0,
        "jtop:VDD_SYS_GPU": 4.0,
        "jtop:VDD_SYS_SOC": 1.5,
        "jtop:VDD_4V0_WIFI": 0.1,
    }


def test_the_interval_is_the_one_that_the_service_runs_at(open_jtop: Open, fake_jtop: FakeJtop) -> None:
    fake_jtop.set(interval=0.35)
    assert {channel.update_seconds for channel in open_jtop().channels} == {0.35}


def test_a_rail_that_cannot_be_read_fails_alone_and_no_sum_stands_in(open_jtop: Open, fake_jtop: FakeJtop) -> None:
    meter = open_jtop()
    until(lambda: by_name(meter), whole)
    fake_jtop.set(failing=["VDD_IN"])  # jtop now shows the sum of the other rails, 8.6 W, as the total
    readings = until(lambda: by_name(meter), lambda readings: not whole(readings))
    assert readings.pop("jtop:VDD_IN") == Reading(None, "jtop's service could not read VDD_IN")
    assert whole(readings)


def test_a_total_that_jtop_added_up_is_no_channel(open_jtop: Open, fake_jtop: FakeJtop) -> None:
    fake_jtop.set(rails={"VDD_GPU_SOC": [8.0, 8.0, 0.0], "VDD_CPU_CV": [3.0, 3.0, 0.0]}, total=None)
    meter = open_jtop(board="jetson")
    assert [channel.name for channel in meter.channels] == ["jtop:VDD_GPU_SOC", "jtop:VDD_CPU_CV"]
    until(lambda: by_name(meter), whole)


def test_batteries_and_supplies_are_no_rails() -> None:
    supply = {"volt": 5000, "curr": 100, "power": 500, "online": True}
    power = {
        "rail": {"VDD_SOC": {"power": 1}, "ucsi_ccg10-00082": supply, "battery": {**supply, "status": "Full"}},
        "tot": {"power": 2, "name": "VDD_IN"},
    }
    assert list(jtop.rails_of(power)) == ["VDD_IN", "VDD_SOC"]


def test_the_conditions_beside_the_power(open_jtop: Open) -> None:
    meter = open_jtop()
    conditions = conditions_of(meter)
    assert conditions is not None and conditions.name == "jtop conditions"
    readings = until(lambda: by_name(conditions), whole)
    quantities = {channel.name: channel.quantity for channel in conditions.channels}
    assert {name: (quantities[name], reading.value) for name, reading in readings.items()} == {
        "jtop:GPU temperature": ("celsius", 41.5),
        "jtop:gpu clock": ("hertz", 1_300_500e3),
        "jtop:gpu utilisation": ("percent", 62.5),
        "jtop:cpu0 clock": ("hertz", 2_035_200e3),
        "jtop:cpu2 clock": ("hertz", 1_420_800e3),
        "jtop:cpu utilisation": ("percent", 40.0),  # of the two cores that are on line: 70 and 10
        "jtop:memory clock": ("hertz", 1_866_000e3),
        "jtop:tegra_pwmfan speed": ("percent", 40.0),
        "jtop:power mode": ("state", 1.0),
        "jtop:jetson_clocks": ("state", 1.0),
    }
    conditions.close()
    assert whole(by_name(meter)), "the meter lives on"


@pytest.mark.parametrize("option", ["interval=0.1", "interval=fast", "interval=60", "carrier=yes"])
def test_a_wrong_option(option: str) -> None:
    with pytest.raises(UsageError, match=option.partition("=")[2]):
        open_meter(parse_meter(f"jtop:board=tx2,{option}"))


def test_a_service_without_monitors(open_jtop: Open, fake_jtop: FakeJtop) -> None:
    fake_jtop.set(rails={})
    with pytest.raises(MeterUnavailable, match="no power monitor"):
        open_jtop()


def test_no_jetson(tmp_path: Path) -> None:
    with pytest.raises(MeterUnavailable, match="no Jetson board"):
        jtop.open_meter({"root": str(tmp_path)})


def test_a_rail_whose_shunt_the_kernel_has_wrong_is_left_out(open_jtop: Open, tmp_path: Path) -> None:
    board = FakeBoard(tmp_path / "board", "orin-nano")
    (board.file("VDD_SOC").parent / "shunt3_resistor").write_text("5\n")  # micro-ohms; the fake's rails: 5 milli-ohms
    service = RealJtop(tmp_path / "board", board.root)
    try:
        meter = open_jtop(socket=service.socket, root=board.root, board="orin-nano")
        assert [channel.name for channel in meter.channels] == ["jtop:VDD_IN", "jtop:VDD_CPU_GPU_CV"]
        assert [(part, "5e-06 ohms" in why) for part, why, _ in left_out(meter)] == [("jtop:VDD_SOC", True)]
    finally:
        service.close()


def test_where_the_files_are_not_shown_the_table_tells_the_errors(open_jtop: Open, tmp_path: Path) -> None:
    meter = open_jtop(root=tmp_path)
    module = next(channel for channel in meter.channels if channel.name == "jtop:VDD_IN")
    board = FakeBoard(tmp_path / "board", "tx2")
    board.power(VDD_IN=9.0)
    direct = open_meter(parse_meter(f"ina3221:root={board.root},rails=total"))
    assert module.averaging_seconds is None, "the monitors' settings are not shown either"
    assert (module.gain_error, module.offset_watts) == pytest.approx(
        (direct.channels[0].gain_error, direct.channels[0].offset_watts), rel=0.02
    )
