"""A Jetson's power rails as jtop (jetson-stats 4.2 and newer) reads them; needs no root, and its service running.

The service reads the INA3221 monitors each `interval` seconds, so a load that changes faster is sampled and not summed
up: where both can be read, `ina3221` sees more. The first client sets the interval for all, and the service costs
power of its own (a Nano idled at 2.0 W instead of 0.94 W, rbonghi/jetson_stats issue 73); short intervals cost more and
below 0.2 s it is reported to break (issue 414).

Of what jtop says, `avg` is never used (each reading halves the weight of all before it) nor a total that it adds up
itself: it adds rails that contain one another, and falls back to that when the module's own rail fails once.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from ...devices.setup import Setup
from ...errors import MeterUnavailable, UsageError
from ..base import Channel, Reading, Skipped
from .ina3221 import MonitorInput, described, monitor_inputs, sound_channels
from .ina3221_chip import channel_errors
from .jtop_client import SOCKET, JtopConnection, connect
from .jtop_conditions import JtopConditions
from .rails import board_setup, known_rail

OPTIONS: Dict[str, str] = {
    "interval": "seconds between the service's readings, 0.2 to 10, if no other client has set them; 0.5 without it",
    "socket": f"the service's socket, {SOCKET} without it",
    "board": "the board whose rails these are, such as tx2, or a YAML file; found out without it",
    "root": "the folder that stands for / where signs of the board are looked for",
    "carrier": "'on' meters the rails of the development kit's own board, too",
}

INTERVAL_SECONDS = 0.5
FASTEST, SLOWEST = 0.2, 10.0
MILLI = 1e-3


class JtopMeter:
    """The rails that jtop's service reads, one channel each. `skipped`: what is missing of them: (part, why, fix)."""

    name = "jtop"

    def __init__(self, connection: JtopConnection, channels: Mapping[str, Channel], skipped: Sequence[Skipped]) -> None:
        """channels: by the name that the kernel gives the rail."""
        self.channels = tuple(channels.values())
        self.skipped = tuple(skipped)
        self.conditions = JtopConditions(connection)
        self._labels = tuple(channels)
        self._connection = connection

    def read(self) -> List[Reading]:
        power, why = self._connection.power()
        if power is None:
            return [Reading(None, why)] * len(self._labels)
        rails = rails_of(power)
        return [_reading(label, rails.get(label)) for label in self._labels]

    def close(self) -> None:
        self._connection.close()


def open_meter(options: Mapping[str, str]) -> JtopMeter:
    """Connects to jtop's service. MeterUnavailable says why it cannot be used, and the fix."""
    interval = _interval(options.get("interval", str(INTERVAL_SECONDS)))
    if options.get("carrier", "off") not in ("on", "off"):
        raise UsageError(f"the jtop option carrier is '{options['carrier']}'.", "Write carrier=on or leave it out.")
    root = options.get("root", "/")
    setup = board_setup(root, options.get("board"))
    connection = connect(options.get("socket", SOCKET), interval)
    try:
        rails = rails_of(connection.client.power)
        if not rails:
            raise MeterUnavailable(
                "jtop's service finds no power monitor on this board.",
                "See that the INA3221 has a driver: ls /sys/bus/i2c/drivers/ | grep ina",
            )
        carrier = options.get("carrier") == "on"
        monitors = {one.label: one for one in monitor_inputs(Path(root))}
        channels, skipped = sound_channels("jtop", list(rails), monitors, setup, root, carrier)
        described_channels = _with_errors(channels, rails, setup, monitors)
        metered = {label: replace(c, update_seconds=connection.interval) for label, c in described_channels.items()}
        if not metered:
            raise MeterUnavailable(
                " ".join(why for _, why, _ in skipped) or f"none of the rails {', '.join(rails)} is metered.",
                " ".join(dict.fromkeys(fix for _, _, fix in skipped)) or "Write carrier=on to meter those of the kit.",
            )
        return JtopMeter(connection, metered, skipped)
    except BaseException:
        connection.close()
        raise


def _with_errors(
    channels: Mapping[str, Channel],
    rails: Mapping[str, Mapping[str, Any]],
    setup: Setup,
    monitors: Mapping[str, MonitorInput],
) -> Dict[str, Channel]:
    """By label the channel with its errors and averaging, as the monitors' own files tell.

    Where a container does not show the files, the errors come from jtop's voltage and the board's table, and over what
    a reading averages is unknown.
    """
    found: Dict[str, Channel] = {}
    for label, channel in channels.items():
        if label in monitors:
            found[label] = described(channel, monitors[label], setup)
        else:
            rail, millivolts = known_rail(setup, label), rails[label].get("volt")
            volts = None if millivolts is None else millivolts * MILLI
            errors: Dict[str, Any] = {**channel_errors(volts, rail.shunt_ohms if rail else None)}
            found[label] = replace(channel, **errors)
    return found


def rails_of(power: Mapping[str, Any]) -> Dict[str, Mapping[str, Any]]:
    """The rails in jtop's `power`, by the kernel's names: the one that it shows as the total is put back.

    Left out are batteries and supplies, which it lists among the rails, and a total that it added up: that has no name.
    """
    if not isinstance(power, dict) or not isinstance(power.get("rail", {}), dict):
        raise MeterUnavailable(
            "this jetson-stats is older than 4.2.", "sudo pip3 install -U jetson-stats, and the same version here."
        )
    total = power.get("tot", {})
    rails = {total["name"]: total} if "name" in total else {}
    for label, rail in power.get("rail", {}).items():
        if "status" not in rail and not label.startswith("ucsi"):
            rails[label] = rail
    return rails


def _reading(label: str, rail: Any) -> Reading:
    if rail is None or "power" not in rail or not rail.get("online", True):
        return Reading(None, f"jtop's service could not read {label}")
    return Reading(rail["power"] * MILLI)


def _interval(text: str) -> float:
    try:
        interval = float(text)
    except ValueError:
        interval = 0.0
    if not FASTEST <= interval <= SLOWEST:
        raise UsageError(
            f"the jtop option interval is '{text}'.", f"Give {FASTEST:g} to {SLOWEST:g} seconds, such as interval=0.5."
        )
    return interval
