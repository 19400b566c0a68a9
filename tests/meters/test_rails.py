"""Which rails of a board are metered, what contains what, and which of them give its total."""

from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import pytest
from fakes.tegra import BOARDS, FakeBoard

from energytrain.devices.setup import load_setup
from energytrain.energy.primary import choose_primary
from energytrain.errors import MeterUnavailable, UsageError
from energytrain.meters.base import Channel, Skipped
from energytrain.meters.jetson.rails import board_setup, known_rail, rail_channels

TOTALS: Dict[str, List[str]] = {
    "tx2": ["VDD_IN"],
    "nano": ["POM_5V_IN"],
    "xavier-nx": ["VDD_IN"],
    "agx-xavier": ["GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"],
    "orin-nano": ["VDD_IN"],
    "orin-nx": ["VDD_IN"],
    "agx-orin": ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"],
}


def labels_of(board: str) -> List[str]:
    return [rail.label for chip in BOARDS[board][2] for rail in chip.rails]


def rails(board: str, labels: Sequence[str], **more: Any) -> Tuple[Dict[str, Channel], List[Skipped]]:
    return rail_channels("ina3221", labels, load_setup(board), **more)


def primary(channels: Dict[str, Channel]) -> List[str]:
    return [channel.name.partition(":")[2] for channel in choose_primary(channels.values())]


@pytest.mark.parametrize("board", TOTALS)
def test_the_total_of_each_board_is_its_input_or_its_disjoint_rails(board: str) -> None:
    channels, skipped = rails(board, labels_of(board))
    assert primary(channels) == TOTALS[board] and skipped == []
    assert all(c.meter == "ina3221" and c.quantity == "watts" and c.is_power for c in channels.values())


@pytest.mark.parametrize("board", TOTALS)
def test_each_rail_of_a_board_is_in_its_table_and_the_other_way_round(board: str) -> None:
    table = {rail.name: rail for rail in load_setup(board).rails}
    chips = [(chip.address, i, rail) for chip in BOARDS[board][2] for i, rail in enumerate(chip.rails)]
    laid_out = {rail.label: (address, index, rail.milliohms) for address, index, rail in chips if rail.label != "NC"}
    assert laid_out == {name: (r.chip, r.channel, (r.shunt_ohms or 0) * 1000) for name, r in table.items()}


def test_nothing_that_contains_another_rail_is_added_to_it() -> None:
    channels, _ = rails("agx-orin", labels_of("agx-orin"))
    inside = channels["VDDQ_VDD2_1V8AO"]
    assert inside.part_of == "ina3221:VIN_SYS_5V0" and not inside.summed
    assert "NC" not in channels and len(channels) == 4


def test_sums_of_shunts_are_no_rails() -> None:
    channels, _ = rails("orin-nx", ["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC", "sum of shunt voltages", "NC", ""])
    assert list(channels) == ["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"]


def test_the_carrier_board_of_a_tx2_is_metered_when_asked_for_and_in_no_total() -> None:
    without, _ = rails("tx2", labels_of("tx2"))
    assert len(without) == 6 and "VDD_MUX" not in without
    channels, skipped = rails("tx2", labels_of("tx2"), carrier=True)
    assert len(channels) == 12 and primary(channels) == ["VDD_IN"] and skipped == []
    assert channels["VDD_MUX"].part_of is None and channels["VDD_IN"].part_of is None
    assert channels["VDD_3V3_IO_SLP"].part_of == "ina3221:VDD_3V3_SYS"


def test_a_rail_that_the_table_does_not_have_is_metered_and_never_summed() -> None:
    channels, skipped = rails("agx-orin", [*labels_of("agx-orin"), "VDD_NEW"])
    assert channels["VDD_NEW"].scope.value == "rail" and primary(channels) == TOTALS["agx-orin"] and skipped == []


def test_where_a_rail_of_the_sum_is_missing_there_is_no_total() -> None:
    channels, skipped = rails("agx-orin", ["VDD_GPU_SOC", "VDD_CPU_CV", "VDDQ_VDD2_1V8AO"])
    assert primary(channels) == [] and len(channels) == 3
    ((part, why, fix),) = skipped
    assert part == "ina3221:VIN_SYS_5V0" and "VIN_SYS_5V0" in why and "0040" in fix


def test_where_the_module_s_input_is_missing_its_parts_are_no_total() -> None:
    channels, skipped = rails("tx2", [label for label in labels_of("tx2") if label != "VDD_IN"])
    assert primary(channels) == [] and [part for part, _, _ in skipped] == ["ina3221:VDD_IN"]
    assert all(channel.part_of is None for channel in channels.values())


def test_a_board_without_a_table_has_a_total_where_its_input_has_a_known_name() -> None:
    channels, skipped = rails("jetson", ["VDD_IN", "VDD_WHATEVER"])
    assert primary(channels) == ["VDD_IN"] and channels["VDD_IN"].scope.value == "module" and skipped == []


def test_a_board_without_a_table_and_a_known_input_has_no_total_and_says_how_to_get_one() -> None:
    channels, skipped = rails("jetson", ["VDD_THIS", "VDD_THAT"])
    assert list(channels) == ["VDD_THIS", "VDD_THAT"] and primary(channels) == []
    ((_, why, fix),) = skipped
    assert "VDD_THIS, VDD_THAT" in why and "board=FILE.yaml" in fix


@pytest.mark.parametrize("board", TOTALS)
def test_a_board_is_known_by_its_device_tree(board: str, tmp_path: Path) -> None:
    FakeBoard(tmp_path, board)
    assert board_setup(str(tmp_path)).name == board


def test_a_board_that_no_setup_names_is_a_jetson_and_can_be_named(tmp_path: Path) -> None:
    FakeBoard(tmp_path, "other")
    assert board_setup(str(tmp_path)).name == "jetson"
    assert board_setup(str(tmp_path), "agx-orin").name == "agx-orin"
    with pytest.raises(UsageError, match="Did you mean 'agx-orin'"):
        board_setup(str(tmp_path), "agx-orinn")


def test_a_plain_machine_is_no_board(tmp_path: Path) -> None:
    with pytest.raises(MeterUnavailable) as caught:
        board_setup(str(tmp_path))
    assert "no Jetson" in caught.value.message and "board=tx2" in str(caught.value.hint)


def test_two_meters_of_one_board_have_the_same_sensors_and_two_boards_have_not(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    FakeBoard(one, "agx-orin", serial="1")
    FakeBoard(other, "agx-orin", serial="2")
    labels, setup = labels_of("agx-orin"), load_setup("agx-orin")
    ours, _ = rail_channels("ina3221", labels, setup, str(one))
    theirs, _ = rail_channels("jtop", labels, setup, str(one))
    assert [c.sensor for c in ours.values()] == [c.sensor for c in theirs.values()]
    both = choose_primary([*ours.values(), *theirs.values()])
    assert [channel.name for channel in both] == [f"ina3221:{label}" for label in TOTALS["agx-orin"]]
    elsewhere, _ = rail_channels("ina3221", labels, setup, str(other))
    assert not {c.sensor for c in ours.values()} & {c.sensor for c in elsewhere.values()}


def test_what_a_table_says_of_a_rail() -> None:
    setup = load_setup("tx2")
    rail = known_rail(setup, "VDD_IN")
    assert rail is not None and rail.max_watts is not None and rail.max_watts > 15
    assert known_rail(setup, "VDD_NEW") is None
    channel = rails("tx2", ["VDD_IN"])[0]["VDD_IN"]
    assert channel.max_watts == rail.max_watts
    assert channel.resolution == pytest.approx(40e-6 / 0.005 * 20), "the step at the highest input voltage"
