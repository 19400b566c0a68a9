"""The power rails of a Jetson board as channels, for every meter that reads them: which are metered, and their total.

The table of a board is data (`device_setups/*.yaml`); a rail is known by the name that the kernel gives it. Two meters
of one board give a rail the same `sensor`, since both read the same chip.
"""

from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from ...devices.detect import detect
from ...devices.setup import Rail, Setup, load_setup
from ...errors import MeterUnavailable
from ...quantities.energy import Scope
from ..base import Channel, Skipped
from ..kernel_files import read_text
from .ina3221_chip import channel_errors

# Rails that carry everything that a module draws, on any board (NVIDIA's guides; the Nano's name is POM_5V_IN).
MODULE_INPUTS = ("VDD_IN", "POM_5V_IN")
# What a kernel calls an input that no rail is connected to.
NOT_CONNECTED = ("", "NC", "N/A")
_SERIAL_NUMBERS = ("proc/device-tree/serial-number", "sys/firmware/devicetree/base/serial-number")


def board_setup(root: str = "/", board: Optional[str] = None) -> Setup:
    """The setup of the Jetson whose files lie under `root`, or the one named `board` (a name or a YAML file).

    MeterUnavailable where this is no Jetson; UsageError for an unknown board.
    """
    if board is not None:
        return load_setup(board)
    setup = load_setup(detect(root))
    if setup.detect_kind != "tegra":
        raise MeterUnavailable(
            "this is no Jetson board (no /etc/nv_tegra_release, no Tegra in the device tree).",
            "Other machines have no such rails. In a container on a Jetson name the board with board=tx2, since Docker "
            "hides the device tree, or add -v /etc/nv_tegra_release:/etc/nv_tegra_release:ro.",
        )
    return setup


def rail_channels(
    meter: str, labels: Sequence[str], setup: Setup, root: str = "/", carrier: bool = False
) -> Tuple[Dict[str, Channel], List[Skipped]]:
    """The channels of the rails that are metered, by label in the order of `labels`, and what is wrong with the total.

    labels: the rails' names as the kernel gives them. Left out without a word: rails that are not connected ("NC" on
    Orin boards), sums of shunts, and with `carrier` off those of the development kit's own board. A rail that the
    board's table does not have is metered and never part of a sum, because another rail may contain it; the same holds
    for all of them where a rail of the total is missing. Errors are those at the highest voltage that a Jetson takes:
    a meter that knows the rail's voltage has smaller ones (`ina3221_chip.channel_errors`).
    """
    known = {rail.name: rail for rail in setup.rails}
    metered = [label for label in dict.fromkeys(labels) if _is_metered(label, known.get(label), carrier)]
    whole = [rail for rail in setup.rails if rail.part_of is None and not rail.carrier]
    absent = [rail for rail in whole if rail.name not in metered]
    serial = _serial_number(root)
    channels = {}
    for label in metered:
        rail = known.get(label)
        inside = None if rail is None or rail.part_of not in metered else rail.part_of
        channels[label] = Channel(
            name=f"{meter}:{label}",
            meter=meter,
            sensor=f"ina3221:{serial}{label}",
            quantity="watts",
            scope=_scope(label, rail),
            part_of=None if inside is None else f"{meter}:{inside}",
            summed=rail in whole and not absent,
            max_watts=None if rail is None else rail.max_watts,
            **channel_errors(None, None if rail is None else rail.shunt_ohms),
        )
    return channels, _no_total(meter, setup, channels, whole, absent)


def known_rail(setup: Setup, label: str) -> Optional[Rail]:
    """What the board's table says of a rail, None where it does not have it."""
    return next((rail for rail in setup.rails if rail.name == label), None)


def _is_metered(label: str, rail: Optional[Rail], carrier: bool) -> bool:
    if rail is not None:
        return carrier or not rail.carrier
    return label not in NOT_CONNECTED and not label.lower().startswith("sum of")


def _scope(label: str, rail: Optional[Rail]) -> Scope:
    if rail is not None:
        return Scope(rail.scope)
    return Scope.MODULE if label in MODULE_INPUTS else Scope.RAIL


def _no_total(
    meter: str, setup: Setup, channels: Dict[str, Channel], whole: Sequence[Rail], absent: Sequence[Rail]
) -> List[Skipped]:
    """Why these channels do not give what the module draws; empty where they do."""
    if absent:
        return [
            (
                f"{meter}:{rail.name}",
                f"the rail {rail.name} of {setup.name} is missing, and without it the others give no total.",
                f"See that its monitor has a driver: ls /sys/bus/i2c/devices/*{rail.chip[-5:]}/",
            )
            for rail in absent
        ]
    if whole or any(channel.scope is Scope.MODULE for channel in channels.values()):
        return []
    return [
        (
            f"{meter} total",
            f"which of the rails {', '.join(channels)} contain others is not known, so they give no total.",
            f"Name the board ({meter}:board=NAME), or describe its rails as device_setups/agx-orin.yaml does and give "
            f"that file ({meter}:board=FILE.yaml).",
        )
    ]


def _serial_number(root: str) -> str:
    """The board's serial number and a colon, or nothing: tells the sensors of two boards apart."""
    for path in _SERIAL_NUMBERS:
        text = read_text(Path(root) / path)
        if text:
            return f"{text}:"
    return ""
