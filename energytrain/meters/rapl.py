"""Processors with RAPL energy counters (Intel since Sandy Bridge, AMD since Zen), read through Linux's powercap files.

What the zones cover (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 3B, "Platform Specific Power
Management Support"): "package" is the whole processor; "core" (PP0, its cores) and "uncore" (PP1, its graphics) are
parts of it; "dram" is the memory on its controllers and no part of it, though powercap shows it as a child. The total
is the sum of packages and memory. On AMD there is no memory counter, and "core" is left out: what Linux reads there is
the energy of one core alone.

"psys" stands for the platform, as its maker wired it: on one machine the whole laptop, on another it stands still, and
nothing tells whether a graphics card is in it. Its scope is the board, which would make it the total wherever it is
there, so it is read only where somebody names it (`rapl:zones=psys`). `intel-rapl-mmio` shows the same counters by
another way, and is read only where `intel-rapl` is absent.

The counters step about each millisecond (same manual) and wrap after 2^32 of their units, some 260 kJ.
"""

import hashlib
import re
import socket
from functools import partial
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..errors import MeterUnavailable
from ..quantities.energy import Scope
from .base import Channel, Reading, Skipped
from .host import HostConditions
from .kernel_files import read_number, read_text, reading_of, words_of

OPTIONS: Dict[str, str] = {
    "zones": "zones or kinds of them joined by '+', such as package-0+dram; all but psys without it",
    "root": "the folder that stands for /, such as /host in a container with -v /sys:/host/sys:ro",
}

POWERCAP = "sys/class/powercap"
MICRO = 1e-6
UPDATE_SECONDS = 0.001
# Neither vendor states an accuracy, so these relative errors (95 %) are assumptions that published comparisons with
# instruments suggest. Intel measures package power since Haswell and follows the reference closely (Hackenberg et al.,
# 10.1109/IPDPSW.2015.70; Khan et al., 10.1145/3177754). Memory is off by a nearly constant power, most when idle
# (Desrochers et al., 10.1145/2989081.2989088), and unlike between sockets (10.1145/3629526.3645052). AMD models the
# energy and misses what depends on the data (Schoene et al., arXiv 2108.00808).
MEASURED, MODELLED, MEMORY = 0.05, 0.15, 0.2

TURN = 2.0**32  # units until a counter starts again; its largest value, max_energy_range_uj, is one unit less
USUAL_UNIT = 2.0**-14  # joules, where the largest value cannot be read
# The limits bound averages over milliseconds to seconds, and a processor goes above them for a moment.
HEADROOM = 2.0
NO_LIMIT_WATTS = 4000.0  # firmware that knows no limit writes the largest value of the field, 4095 W

OPEN_TO_ALL = (
    f"Let all users read them until the next start (sudo chmod a+r /{POWERCAP}/intel-rapl*:*/energy_uj), or for good "
    'by a udev rule (echo \'SUBSYSTEM=="powercap", ACTION=="add", KERNEL=="intel-rapl*:*", RUN+="/bin/chmod a+r '
    "/sys%p/energy_uj\"' | sudo tee /etc/udev/rules.d/70-rapl.rules), on the host where this is a container. They can "
    "then follow what programs of others do to the power, which is why it was closed."
)

_ZONE = re.compile(r"(intel-rapl(?:-mmio)?):(\d+(?::\d+)*)")
_AMD = ("AuthenticAMD", "HygonGenuine")


class Zone(NamedTuple):
    """A counter. kind: "package", "core", "uncore", "dram" or "psys"; name: "dram-0"; part_of: the zone it is in."""

    kind: str
    name: str
    part_of: Optional[str]
    folder: Path


class RaplMeter:
    """Counters of the processors, one channel each. `skipped` lists those that cannot be read: (name, why, fix)."""

    name = "rapl"

    def __init__(self, channels: Sequence[Channel], files: Sequence[Path], skipped: Sequence[Skipped], root: str):
        self.channels = tuple(channels)
        self.skipped = tuple(skipped)
        self.conditions = HostConditions(root, self.name)
        self._reads = [partial(_joules, str(file)) for file in files]

    def read(self) -> List[Reading]:
        return [reading_of(read) for read in self._reads]

    def close(self) -> None:
        pass


def open_meter(options: Mapping[str, str]) -> RaplMeter:
    """Opens the zones that `options` names. MeterUnavailable says why there is none, and the fix."""
    root = options.get("root", "/")
    vendor, virtual = _processor(Path(root))
    zones = _zones(Path(root) / POWERCAP, vendor in _AMD)
    if not zones:
        raise _no_zones(Path(root) / POWERCAP, vendor, virtual)
    opened: List[Zone] = []
    skipped: List[Skipped] = []
    for zone in _chosen(zones, options.get("zones")):
        reason = _unreadable(zone)
        if reason is None:
            opened.append(zone)
        else:
            skipped.append((f"rapl:{zone.name}", *reason))
    if not opened:
        raise MeterUnavailable(
            " ".join(dict.fromkeys(why for _, why, _ in skipped)), " ".join(dict.fromkeys(fix for _, _, fix in skipped))
        )
    # Two packages (or memories) of which one cannot be read have no total.
    whole = not any(part.startswith(("rapl:package", "rapl:dram")) for part, _, _ in skipped)
    machine = _machine(Path(root))
    channels = [_channel(zone, machine, vendor in _AMD, whole) for zone in opened]
    return RaplMeter(channels, [(zone.folder / "energy_uj").resolve() for zone in opened], skipped, root)


def _joules(file: str) -> float:
    return read_number(file) * MICRO


def _zones(folder: Path, amd: bool) -> List[Zone]:
    """The zones that can be metered, in the order of their numbers."""
    found: Dict[str, Dict[Tuple[int, ...], str]] = {}
    for entry in folder.glob("intel-rapl*:*"):
        match = _ZONE.fullmatch(entry.name)
        name = read_text(entry / "name")
        if match is not None and name:
            found.setdefault(match.group(1), {})[tuple(map(int, match.group(2).split(":")))] = name
    control = min(found, default="", key=len)  # not by way of mmio where the other is there
    names = found.get(control, {})
    zones = []
    for number, word in sorted(names.items()):
        path = folder / f"{control}:{':'.join(map(str, number))}"
        parent = names.get(number[:-1], "")
        if len(number) == 1:
            zones.append(Zone(word.partition("-")[0], word, None, path))
        elif parent and not (amd and word == "core"):
            zones.append(Zone(word, word + parent[len("package") :], None if word == "dram" else parent, path))
    return zones


def _chosen(zones: Sequence[Zone], named: Optional[str]) -> List[Zone]:
    if named is None:
        return [zone for zone in zones if zone.kind != "psys"]
    words = [word.strip() for word in named.split("+")]
    for word in words:
        if not any(word in (zone.kind, zone.name) for zone in zones):
            there = ", ".join(zone.name for zone in zones)
            raise MeterUnavailable(f"there is no RAPL zone '{word}' here.", f"Zones here: {there}.")
    return [zone for zone in zones if zone.kind in words or zone.name in words]


def _unreadable(zone: Zone) -> Optional[Tuple[str, str]]:
    """(why, fix) where the counter cannot be read now."""
    try:
        read_number(zone.folder / "energy_uj")
    except PermissionError:
        return "only root may read the processor's energy counters, since Linux 5.10 (CVE-2020-8694).", OPEN_TO_ALL
    except (OSError, ValueError) as error:
        return (
            f"the energy counter of {zone.name} cannot be read: {words_of(error)}.",
            f"See what 'sudo cat {zone.folder}/energy_uj' says, and leave it out with zones= if it stays so.",
        )
    return None


def _channel(zone: Zone, machine: str, amd: bool, whole: bool) -> Channel:
    largest = _number(zone.folder / "max_energy_range_uj")
    unit = USUAL_UNIT if largest is None else largest * MICRO / (TURN - 1)
    gain = MEMORY if zone.kind == "dram" else MODELLED if amd or zone.kind == "psys" else MEASURED
    package = zone.folder if zone.part_of is None else zone.folder.parent / zone.folder.name.rpartition(":")[0]
    return Channel(
        name=f"rapl:{zone.name}",
        meter="rapl",
        sensor=f"rapl:{machine}:{zone.name}",
        quantity="joules",
        scope=Scope.BOARD if zone.kind == "psys" else Scope.CHIP,
        gain_error=gain,
        resolution=unit,
        update_seconds=UPDATE_SECONDS,
        max_watts=_most_watts(package),
        wraps_at=None if largest is None else unit * TURN,
        part_of=None if zone.part_of is None else f"rapl:{zone.part_of}",
        summed=whole,
    )


def _most_watts(folder: Path) -> Optional[float]:
    """What a zone cannot go above, by its limits; None where it has none. A part has no more than its package."""
    limits = []
    for path in [*folder.glob("constraint_*_power_limit_uw"), *folder.glob("constraint_*_max_power_uw")]:
        limits.append((_number(path) or 0.0) * MICRO)
    most = max(limits, default=0.0)
    return HEADROOM * most if 0 < most < NO_LIMIT_WATTS else None


def _number(path: Path) -> Optional[float]:
    """The number in a file, None where there is none above zero."""
    value = reading_of(lambda: read_number(path)).value
    return value if value is not None and value > 0 else None


def _processor(root: Path) -> Tuple[str, bool]:
    """(vendor, "" where it is no x86; whether this is a virtual machine), by /proc/cpuinfo."""
    # A container's root may show /sys alone.
    text = read_text(root / "proc/cpuinfo") or read_text(Path("/proc/cpuinfo"))
    vendor = re.search(r"^vendor_id\s*:[ \t]*(.*)$", text, re.MULTILINE)
    return (vendor.group(1) if vendor else ""), bool(re.search(r"^flags\s*:.*\bhypervisor\b", text, re.MULTILINE))


def _machine(root: Path) -> str:
    """What tells this machine's counters from another's. The machine's id is confidential (machine-id(5)): hashed."""
    identity = read_text(root / "etc/machine-id") or socket.gethostname()
    return hashlib.sha256(f"energytrain rapl {identity}".encode()).hexdigest()[:8]


def _no_zones(folder: Path, vendor: str, virtual: bool) -> MeterUnavailable:
    if any(folder.glob("intel-rapl*:*")):
        return MeterUnavailable(
            "this container hides the processor's energy counters (/sys/devices/virtual/powercap is masked).",
            "Start it with -v /sys:/host/sys:ro and name the meter rapl:root=/host .",
        )
    if virtual:
        return MeterUnavailable(
            "this is a virtual machine, and its host does not show it the processor's energy counters.",
            "Meter on the host, or with an external meter.",
        )
    if vendor not in (*_AMD, "GenuineIntel"):
        return MeterUnavailable(
            "this processor has no RAPL energy counters; those of Intel and AMD have.",
            "Use a meter of the board's power rails, or an external one.",
        )
    return MeterUnavailable(
        f"the kernel shows no RAPL energy counters in {folder}.",
        "Load the driver: sudo modprobe intel_rapl_msr (for AMD, too, from Linux 5.11 on).",
    )
