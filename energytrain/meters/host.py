"""What a Linux machine itself says beside its power: temperatures, clocks, load, power mode, throttling.

Conditions that any meter of the machine may offer (`self.conditions = HostConditions(root, "rapl")`). All of it is
read from the kernel's files, none of which needs root. A channel exists only where its file answered when the meter
was opened. "throttle events" counts those since the last read, "thermal throttling" is how many cooling devices slow
something down at this moment, and "power mode" is nvpmodel's number on a Jetson.
"""

import re
from functools import partial
from pathlib import Path
from typing import Iterator, List, Sequence, Tuple

from ..quantities.energy import Scope
from .base import Reading, Source, condition_channels
from .kernel_files import read_number, read_text, reading_of

MILLI = 1e-3
KILO = 1e3
MOST_CORES = 16  # whose clocks are read; on a large server each one costs a little

# Cooling devices that slow down what computes: those of cpufreq and devfreq, ACPI's processors, and the alerts of
# Jetsons ("cpu-throttle-alert" on Orin, "gpu-balanced" before). Fans, radios and displays are none.
_SLOWING = re.compile(r"^(thermal-)?(cpufreq|devfreq)|^processor$|throttle|balanced", re.IGNORECASE)
_GPU = re.compile(r"gpu|gm20b|gp10b|gv11b|ga10b")
_PROCESSOR_SENSORS = ("k10temp", "zenpower")  # AMD's processors are no thermal zone
_POWER_MODE = re.compile(r"pmode:\s*(\d+)")


class HostConditions:
    """The conditions of the machine whose files lie under `root`; the channels' names begin with `prefix`."""

    def __init__(self, root: str = "/", prefix: str = "host") -> None:
        self.name = f"{prefix} conditions"
        sources = list(_sources(Path(root)))
        kinds = (source[:3] for source in sources)
        self.channels = condition_channels(self.name, f"{prefix}:", kinds, Scope.BOARD)
        self._reads = [source.read for source in sources]

    def read(self) -> List[Reading]:
        return [reading_of(read) for read in self._reads]

    def close(self) -> None:
        pass


def _scaled(path: Path, scale: float) -> float:
    return read_number(path) * scale


def _sources(root: Path) -> Iterator[Source]:
    """The conditions that this machine can tell now."""
    by_read = [*_temperatures(root), *_clocks(root), *_gpu(root), *_power_mode(root), *_throttling(root)]
    yield from (source for source in by_read if reading_of(source.read).error is None)
    stat = root / "proc/stat"
    if stat.is_file():
        yield Source("cpu utilisation", "percent", 0.1, _Utilisation(stat))


def _numbered(folder: Path, pattern: str) -> List[Path]:
    """The entries that match, in the order of the numbers that their names end with."""
    return sorted(folder.glob(pattern), key=lambda path: int(re.sub(r".*?(\d*)$", r"\1", path.name) or 0))


def _temperatures(root: Path) -> Iterator[Source]:
    folders = _numbered(root / "sys/class/thermal", "thermal_zone*")
    zones = [(read_text(zone / "type"), zone / "temp") for zone in folders]
    monitors = [(read_text(monitor / "name"), monitor) for monitor in _numbered(root / "sys/class/hwmon", "hwmon*")]
    zones += [(name, monitor / "temp1_input") for name, monitor in monitors if name in _PROCESSOR_SENSORS]
    seen: List[str] = []
    for kind, path in zones:
        seen.append(kind)
        name = kind if seen.count(kind) == 1 else f"{kind} {seen.count(kind)}"
        yield Source(f"{name} temperature", "celsius", MILLI, partial(_scaled, path, MILLI))


def _clocks(root: Path) -> Iterator[Source]:
    cores = _numbered(root / "sys/devices/system/cpu", "cpu[0-9]*")
    clocks = [path for path in (core / "cpufreq/scaling_cur_freq" for core in cores) if path.exists()]
    if clocks:
        some = clocks[:: -(-len(clocks) // MOST_CORES)]
        yield Source("cpu clock", "hertz", KILO, partial(_mean_clock, some))


def _mean_clock(clocks: Sequence[Path]) -> float:
    """The mean clock in hertz. A core that is off line for now has none, and the mean is that of the others."""
    told = [reading.value for reading in (reading_of(partial(read_number, path)) for path in clocks)]
    kilohertz = [value for value in told if value is not None]
    if not kilohertz:
        raise ValueError("no core tells its clock")
    return sum(kilohertz) / len(kilohertz) * KILO


def _gpu(root: Path) -> Iterator[Source]:
    """A GPU that shares the board's memory and has no NVML: its clock, and its load, which is in per mille."""
    found = [folder for folder in sorted((root / "sys/class/devfreq").glob("*")) if _GPU.search(folder.name)]
    for folder in found[:1]:
        yield Source("gpu clock", "hertz", 1.0, partial(read_number, folder / "cur_freq"))
    loads = [folder / "device/load" for folder in found[:1]]
    loads += [root / "sys/devices/platform/gpu.0/load", root / "sys/devices/gpu.0/load"]
    for load in [path for path in loads if path.exists()][:1]:
        yield Source("gpu utilisation", "percent", 0.1, partial(_scaled, load, 0.1))


def _power_mode(root: Path) -> Iterator[Source]:
    yield Source("power mode", "state", 1.0, partial(_mode_in, root / "var/lib/nvpmodel/status"))


def _mode_in(status: Path) -> float:
    """The number in nvpmodel's own note of the mode it last set, such as "pmode:0002" (JetPack 4 to 6)."""
    found = _POWER_MODE.search(status.read_text(errors="replace"))
    if found is None:
        raise ValueError(f"{status} holds no power mode")
    return float(found.group(1))


def _throttling(root: Path) -> Iterator[Source]:
    devices = _numbered(root / "sys/class/thermal", "cooling_device*")
    slowing = [device / "cur_state" for device in devices if _SLOWING.search(read_text(device / "type"))]
    if slowing:
        yield Source("thermal throttling", "count", 1.0, partial(_how_many, slowing))
    cores = _numbered(root / "sys/devices/system/cpu", "cpu[0-9]*")
    packages = [core / "thermal_throttle/package_throttle_count" for core in cores]
    monitors = _numbered(root / "sys/class/hwmon", "hwmon*")
    currents = [path for monitor in monitors for path in sorted(monitor.glob("oc*_event_cnt"))]
    events = [path for path in packages if path.exists()][:1] + currents
    if events:
        yield Source("throttle events", "count", 1.0, _Events(events))


def _how_many(states: Sequence[Path]) -> float:
    return float(sum(read_number(path) > 0 for path in states))


class _Events:
    """How often something happened since the last read, from counters that count since the start of the machine."""

    def __init__(self, counters: Sequence[Path]) -> None:
        self._counters = counters
        self._last: List[float] = []

    def __call__(self) -> float:
        now = [read_number(path) for path in self._counters]
        last, self._last = self._last or now, now
        return sum(max(0.0, new - old) for new, old in zip(now, last))


class _Utilisation:
    """The share of all cores' time that was not idle since the last read, in percent."""

    def __init__(self, stat: Path) -> None:
        self._stat = stat
        self._last = self._ticks()

    def __call__(self) -> float:
        now = self._ticks()
        busy, total = now[0] - self._last[0], now[1] - self._last[1]
        if total <= 0:
            raise ValueError("no time has passed since the last read")
        self._last = now
        return min(100.0, max(0.0, 100.0 * busy / total))

    def _ticks(self) -> Tuple[float, float]:
        """(busy, all) of all cores together since the start of the machine; guests' time is in user's (proc(5))."""
        with open(self._stat, encoding="ascii") as file:
            ticks = [float(word) for word in file.readline().split()[1:9]]
        return sum(ticks) - sum(ticks[3:5]), sum(ticks)
