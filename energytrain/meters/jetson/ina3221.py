"""The power rails of a Jetson board, read from the files of its INA3221 monitors: no service, no library, no root.

Two drivers show them. NVIDIA's own up to JetPack 4 (iio) gives milliwatts, multiplied in the kernel from one
conversion. The kernel's hwmon driver (JetPack 5 and later) gives millivolts and milliamperes, read here one after the
other; each read waits for a new round of conversions (6.6 ms by default), so that the voltage is a round older than the
current. A supply's voltage moves by a few percent at most, and only where the load jumps between the two reads.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ...devices.setup import Setup
from ...errors import MeterUnavailable, UsageError
from ...quantities.energy import Scope
from ..base import Channel, Read, Reading, Skipped
from ..host import HostConditions
from ..kernel_files import read_number, read_text, reading_of, words_of
from .ina3221_chip import averaging_times, channel_errors, timing_of
from .rails import NOT_CONNECTED, board_setup, known_rail, rail_channels

OPTIONS: Dict[str, str] = {
    "root": "the folder under which the board's files lie, / without it",
    "board": "the board's name, or a YAML file with its rails, where the device tree does not tell",
    "rails": "'total' reads only what the module's total needs; all rails without it",
    "carrier": "'on' reads the rails of the development kit's own board as well",
}

MILLI = 1e-3
MICRO = 1e-6
_DRIVERS = "sys/bus/i2c/drivers/ina3221*"
_DEFAULT_CONFIG = 0x7727  # NVIDIA's driver without an entry in the device tree
# Mainline's device tree of the TX2 NX says 5 micro-ohms, which makes its currents 1000 times too big.
LEAST_OHMS = 0.5e-3

_IN_A_CONTAINER = "In a container, show it the board's files: docker run -v /sys:/sys:ro (--privileged is not needed)."


@dataclass(frozen=True)
class MonitorInput:
    """One input of a monitor: its rail, how to read watts and volts, its shunt, what its configuration tells."""

    label: str
    folder: Path
    watts: Read
    volts: Read
    shunt_ohms: Optional[float]
    timing: Mapping[str, float]

    @property
    def wrong_shunt(self) -> bool:
        """Whether the kernel was told a shunt that no board has, so that its currents are wrong."""
        return self.shunt_ohms is not None and 0 < self.shunt_ohms < LEAST_OHMS


class Ina3221Meter:
    """The rails of one board, one channel each. `skipped` says what is wrong with its total: (part, why, fix)."""

    name = "ina3221"

    def __init__(
        self, channels: Sequence[Channel], reads: Sequence[Read], skipped: Sequence[Skipped], root: str
    ) -> None:
        self.channels = tuple(channels)
        self.skipped = tuple(skipped)
        self.conditions = HostConditions(root, self.name)
        self._reads = tuple(reads)

    def read(self) -> List[Reading]:
        return [reading_of(read, named=True) for read in self._reads]

    def close(self) -> None:
        """Nothing: files are opened for each read, which also finds those of a driver that was loaded anew."""


def open_meter(options: Mapping[str, str]) -> Ina3221Meter:
    """Opens the rails. MeterUnavailable says why there are none, or why they may not be read."""
    for name, allowed in (("rails", ("all", "total")), ("carrier", ("on", "off"))):
        if options.get(name, allowed[0]) not in allowed:
            raise UsageError(f"the ina3221 option {name} is '{options[name]}'.", f"Write {name}={allowed[0]}.")
    root = options.get("root", "/")
    setup = board_setup(root, options.get("board"))
    inputs: Dict[str, MonitorInput] = {}
    for one in monitor_inputs(Path(root)):
        if one.label not in NOT_CONNECTED:
            inputs[f"{one.label} of {one.folder.name}" if one.label in inputs else one.label] = one
    if not inputs:
        raise MeterUnavailable(
            f"no INA3221 power monitor is shown under {Path(root) / _DRIVERS}.",
            f"Not every board has one (the Jetson Nano 2GB has none). {_IN_A_CONTAINER}",
        )
    channels, skipped = sound_channels("ina3221", list(inputs), inputs, setup, root, options.get("carrier") == "on")
    if options.get("rails") == "total":
        channels = {label: c for label, c in channels.items() if c.summed or c.scope is Scope.MODULE}
    opened = {label: described(channel, inputs[label], setup) for label, channel in channels.items()}
    if not opened:
        raise MeterUnavailable(
            " ".join(why for _, why, _ in skipped) or f"none of the rails {', '.join(inputs)} is metered.",
            " ".join(dict.fromkeys(fix for _, _, fix in skipped)) or "Leave the option rails out.",
        )
    _check_readable([inputs[label] for label in opened])
    return Ina3221Meter(list(opened.values()), [inputs[label].watts for label in opened], skipped, root)


def sound_channels(
    meter: str, labels: Sequence[str], monitors: Mapping[str, MonitorInput], setup: Setup, root: str, carrier: bool
) -> Tuple[Dict[str, Channel], List[Skipped]]:
    """As `rail_channels`, without the rails whose current the kernel gets wrong: for the total they are not there."""
    channels, skipped = rail_channels(meter, labels, setup, root, carrier)
    wrong = [label for label in channels if label in monitors and monitors[label].wrong_shunt]
    if wrong:
        channels, skipped = rail_channels(meter, [name for name in labels if name not in wrong], setup, root, carrier)
    for label in wrong:
        why = f"the kernel takes the shunt of {label} for {monitors[label].shunt_ohms:g} ohms, so its current is wrong."
        fix = f"Correct it in the device tree, or for now in this rail's own file of {monitors[label].folder}."
        skipped.append((f"{meter}:{label}", why, fix))
    return channels, skipped


def described(channel: Channel, one: MonitorInput, setup: Setup) -> Channel:
    """The channel with what is known of its errors and its times."""
    rail = known_rail(setup, one.label)
    try:
        volts: Optional[float] = one.volts()
    except (OSError, ValueError):
        volts = None
    shunt = one.shunt_ohms or (rail.shunt_ohms if rail else None)
    facts: Dict[str, Any] = {**channel_errors(volts, shunt), **one.timing}
    return replace(channel, **facts)


def _check_readable(inputs: Sequence[MonitorInput]) -> None:
    """MeterUnavailable where none of the rails can be read now, or where the user may not read one."""
    errors = []
    for one in inputs:
        try:
            one.watts()
        except PermissionError as error:
            fix = f"Let everybody read it: sudo chmod a+r {error.filename}. {_IN_A_CONTAINER}"
            raise MeterUnavailable(f"this user may not read {error.filename}.", fix) from error
        except (OSError, ValueError) as error:
            errors.append(words_of(error, named=True))
    if len(errors) == len(inputs):
        raise MeterUnavailable(
            f"no power rail can be read: {'; '.join(dict.fromkeys(errors))}.", "See what dmesg says of ina3221."
        )


def monitor_inputs(root: Path) -> Iterator[MonitorInput]:
    """The enabled inputs of all monitors, by address."""
    for folder in sorted(root.glob(f"{_DRIVERS}/*-00*/iio:device*")):
        for number in range(3):
            label = read_text(folder / f"rail_name_{number}")
            if label:
                yield _iio_input(folder, number, label)
    for folder in sorted(root.glob(f"{_DRIVERS}/*-00*/hwmon/hwmon*")):
        for number in (1, 2, 3):
            label = read_text(folder / f"in{number}_label")
            if label and read_text(folder / f"in{number}_enable") != "0":
                yield _hwmon_input(folder, number, label)


def _iio_input(folder: Path, number: int, label: str) -> MonitorInput:
    tree = folder.parent / "of_node"
    milliohms = _cell(tree / f"channel@{number}" / "ti,shunt-resistor-mohm")
    # Otherwise the chip sleeps, and each read wakes it for one conversion: a moment, which needs no words.
    continuous = read_text(folder / "running_mode") != "0"
    config = _cell(tree / "ti,continuous-config") or _DEFAULT_CONFIG
    return MonitorInput(
        label=label,
        folder=folder,
        watts=lambda: read_number(folder / f"in_power{number}_input") * MILLI,
        volts=lambda: read_number(folder / f"in_voltage{number}_input") * MILLI,
        shunt_ohms=None if milliohms is None else milliohms * MILLI,
        timing=averaging_times(*timing_of(config)) if continuous else {},
    )


def _hwmon_input(folder: Path, number: int, label: str) -> MonitorInput:
    microohms = read_text(folder / f"shunt{number}_resistor")
    # The driver counts all samples of a reading as one interval, in milliseconds.
    interval, samples = read_text(folder / "update_interval"), read_text(folder / "samples")
    known = interval.isdigit() and samples.isdigit()
    timing = averaging_times(int(interval) * MILLI / int(samples), int(samples)) if known else {}

    def volts() -> float:
        return read_number(folder / f"in{number}_input") * MILLI

    return MonitorInput(
        label=label,
        folder=folder,
        watts=lambda: volts() * read_number(folder / f"curr{number}_input") * MILLI,
        volts=volts,
        shunt_ohms=int(microohms) * MICRO if microohms.isdigit() else None,
        timing=timing,
    )


def _cell(path: Path) -> Optional[int]:
    """A number of the device tree: 32 bits, the highest first."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return int.from_bytes(data[:4], "big") if len(data) >= 4 else None
