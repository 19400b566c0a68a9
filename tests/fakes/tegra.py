"""A fake Jetson: a folder with the files by which a board is known, and those of its INA3221 monitors.

`FakeBoard(folder, "tx2")` lays them out as that board's kernel does. `power(VDD_IN=9.0)` sets a rail;
`play(VDD_IN=wave)` lets it follow a wave of CLOCK_MONOTONIC until `close`: a thread then works the monitors as the chip
does, which moves its reading by 1 / samples of the way to the new value in every round over its inputs, and counts in
steps of 40 uV and 8 mV.
"""

import math
import os
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

WRITE_SECONDS = 0.004
# What a read of these gives to everybody, root included.
EIO_FILE, EACCES_FILE = "/proc/self/mem", "/proc/sys/vm/compact_memory"


class Rail(NamedTuple):
    label: str
    volts: float = 0.0
    milliohms: float = 5.0


class Chip(NamedTuple):
    address: str
    rails: Tuple[Rail, ...]


NC = Rail("NC")
# (device-tree names, whether its kernel has NVIDIA's own driver, monitors)
BOARDS: Dict[str, Tuple[List[str], bool, List[Chip]]] = {
    "tx2": (
        ["nvidia,p2597-0000+p3310-1000", "nvidia,quill", "nvidia,tegra186"],
        True,
        [
            Chip("0-0040", (Rail("VDD_SYS_GPU", 19, 10), Rail("VDD_SYS_SOC", 19, 10), Rail("VDD_4V0_WIFI", 4.8, 10))),
            Chip("0-0041", (Rail("VDD_IN", 19.1), Rail("VDD_SYS_CPU", 19, 10), Rail("VDD_SYS_DDR", 4.8, 10))),
            Chip("0-0042", (Rail("VDD_MUX", 19.1, 20), Rail("VDD_5V0_IO_SYS", 5.0), Rail("VDD_3V3_SYS", 3.3, 10))),
            Chip(
                "0-0043",
                (Rail("VDD_3V3_IO_SLP", 3.3, 10), Rail("VDD_1V8_IO", 1.8, 10), Rail("VDD_3V3_SYS_M2", 3.3, 10)),
            ),
        ],
    ),
    "nano": (
        ["nvidia,p3449-0000-b00+p3448-0000-b00", "nvidia,jetson-nano", "nvidia,tegra210"],
        True,
        [Chip("6-0040", (Rail("POM_5V_IN", 5.0), Rail("POM_5V_GPU", 5.0), Rail("POM_5V_CPU", 5.0)))],
    ),
    "xavier-nx": (
        ["nvidia,p3449-0000+p3668-0001", "nvidia,p3509-0000+p3668-0001", "nvidia,tegra194"],
        False,
        [Chip("7-0040", (Rail("VDD_IN", 5.1), Rail("VDD_CPU_GPU_CV", 5.1), Rail("VDD_SOC", 5.1)))],
    ),
    "agx-xavier": (
        ["nvidia,p2972-0000", "nvidia,tegra194"],
        False,
        [
            Chip("1-0040", (Rail("GPU", 19.0), Rail("CPU", 19.0), Rail("SOC", 19.0))),
            Chip("1-0041", (Rail("CV", 19.0), Rail("VDDRQ", 19.0), Rail("SYS5V", 5.0))),
        ],
    ),
    "orin-nano": (
        ["nvidia,p3768-0000+p3767-0005-super", "nvidia,p3767-0005", "nvidia,tegra234"],
        False,
        [Chip("1-0040", (Rail("VDD_IN", 5.1), Rail("VDD_CPU_GPU_CV", 5.1), Rail("VDD_SOC", 5.1)))],
    ),
    "orin-nx": (
        ["nvidia,p3768-0000+p3767-0000", "nvidia,p3767-0000", "nvidia,tegra234"],
        False,
        [Chip("1-0040", (Rail("VDD_IN", 5.1), Rail("VDD_CPU_GPU_CV", 5.1), Rail("VDD_SOC", 5.1)))],
    ),
    "agx-orin": (
        ["nvidia,p3737-0000+p3701-0005", "nvidia,p3701-0005", "nvidia,tegra234"],
        False,
        [
            Chip("1-0040", (Rail("VDD_GPU_SOC", 20, 2), Rail("VDD_CPU_CV", 20, 2), Rail("VIN_SYS_5V0", 5, 2))),
            Chip("1-0041", (NC, Rail("VDDQ_VDD2_1V8AO", 5, 2), NC)),
        ],
    ),
    "other": (  # no table knows it
        ["acme,gizmo", "nvidia,tegra234"],
        False,
        [Chip("2-0040", (Rail("VDD_THIS", 12.0), Rail("VDD_THAT", 12.0), Rail("VDD_REST", 5.0)))],
    ),
}


@dataclass(frozen=True)
class Wave:
    """`high` watts in the first half of every `period` seconds of CLOCK_MONOTONIC, else `low`; times are seconds."""

    low: float
    high: float
    period: float

    def watts(self, t: float) -> float:
        return self.high if math.fmod(t, self.period) < self.period / 2 else self.low

    def joules(self, start: float, end: float) -> float:
        def until(t: float) -> float:
            whole, part = divmod(t, self.period)
            up = min(part, self.period / 2)
            return whole * (self.low + self.high) * self.period / 2 + self.high * up + self.low * (part - up)

        return until(end) - until(start)


class _Register:
    """What the chip knows of one input: its shunt voltage and rail voltage, averaged, in steps."""

    def __init__(self, rail: Rail, gain: float, offset_uv: float) -> None:
        self.rail, self.gain, self.offset_uv = rail, gain, offset_uv
        self.microvolts = offset_uv

    def round(self, watts: float, samples: int) -> None:
        fresh = watts / (self.rail.volts or 1.0) * self.rail.milliohms * 1000 * self.gain + self.offset_uv
        self.microvolts += (fresh - self.microvolts) / samples

    def milliamperes(self) -> int:
        return round(math.floor(self.microvolts / 40) * 40 / self.rail.milliohms)

    def millivolts(self) -> int:
        return math.floor(self.rail.volts * 1000 / 8) * 8


class FakeBoard:
    """A board below `root`. samples, round_seconds: how its monitors average; 1 sample is what mainline sets.

    gain, offset_uv: what the chips and their shunts get wrong.
    """

    def __init__(
        self,
        root: Path,
        board: str,
        samples: int = 64,
        round_seconds: float = 0.0066,
        gain: float = 1.0,
        offset_uv: float = 0.0,
        serial: str = "1422919000000",
    ) -> None:
        names, self.iio, chips = BOARDS[board]
        self.root, self.samples, self.round_seconds = root, samples, round_seconds
        self._registers: Dict[str, _Register] = {}
        self._files: Dict[str, Tuple[Path, int]] = {}
        self._waves: Dict[str, Callable[[float], float]] = {}
        self._worker: Optional[threading.Thread] = None
        self._ended = threading.Event()
        self._files_lock = threading.Lock()
        tree = root / "sys/firmware/devicetree/base"
        _write(tree / "compatible", "\0".join(names) + "\0")
        _write(tree / "serial-number", serial + "\0")
        (root / "proc").mkdir(parents=True)
        (root / "proc/device-tree").symlink_to(tree)
        _write(root / "etc/nv_tegra_release", "# R32 (release), REVISION: 7.1, BOARD: t186ref\n")
        for number, chip in enumerate(chips):
            self._add(chip, number, gain, offset_uv)

    def _add(self, chip: Chip, number: int, gain: float, offset_uv: float) -> None:
        device = self.root / "sys/devices/3160000.i2c" / f"i2c-{chip.address[0]}" / chip.address
        driver = "ina3221x" if self.iio else "ina3221"
        _write(device / "name", driver + "\n")
        folder = device / f"iio:device{number}" if self.iio else device / f"hwmon/hwmon{number + 3}"
        if self.iio:
            _write(folder / "running_mode", "1\n" if self.samples > 1 else "0\n")
            averages = [1, 4, 16, 64, 128, 256, 512, 1024].index(self.samples)
            _cell(device / "of_node/ti,continuous-config", 0x7127 | averages << 9)
        else:
            _write(folder / "samples", f"{self.samples}\n")
            _write(folder / "update_interval", f"{round(self.samples * self.round_seconds * 1000)}\n")
            _write(folder / "in7_label", "sum of shunt voltages\n")
            _write(folder / "in7_input", "1200\n")
            _write(folder / "curr4_input", "240\n")
        for index, rail in enumerate(chip.rails):
            key = rail.label if rail is not NC else f"NC {chip.address} {index}"
            self._registers[key] = _Register(rail, gain, offset_uv)
            self._files[key] = folder, index
            if self.iio:
                _write(folder / f"rail_name_{index}", rail.label + "\n")
                _cell(device / f"of_node/channel@{index}/ti,shunt-resistor-mohm", int(rail.milliohms))
            else:
                _write(folder / f"in{index + 1}_label", rail.label + "\n")
                _write(folder / f"in{index + 1}_enable", "1\n")
                _write(folder / f"shunt{index + 1}_resistor", f"{rail.milliohms * 1000:.0f}\n")
            self.power(**{key: 0.0})
        for bus in ("devices", f"drivers/{driver}"):
            link = self.root / "sys/bus/i2c" / bus / chip.address
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(device)

    def power(self, **watts: float) -> None:
        """Sets rails to a steady power."""
        for label, value in watts.items():
            self._registers[label].round(value, 1)
            self._show(label)

    def play(self, **waves: Callable[[float], float]) -> None:
        """Lets rails follow functions of CLOCK_MONOTONIC in seconds."""
        self._waves = waves
        self._worker = threading.Thread(target=self._work, daemon=True)
        self._worker.start()

    def close(self) -> None:
        self._ended.set()
        if self._worker is not None:
            self._worker.join()

    def file(self, label: str, kind: str = "power") -> Path:
        """The file that shows a rail's `power` (mW), `volts`, `amps` or `label`."""
        folder, index = self._files[label]
        names = {"power": "in_power{}_input", "volts": "in_voltage{}_input", "amps": "in_current{}_input"}
        if not self.iio:
            names, index = {"power": "curr{}_input", "volts": "in{}_input", "amps": "curr{}_input"}, index + 1
        names["label"] = "rail_name_{}" if self.iio else "in{}_label"
        return folder / names[kind].format(index)

    def replace(self, label: str, target: str, kind: str = "power") -> None:
        """Makes a rail's file read as `target` does, such as `EIO_FILE`."""
        with self._files_lock:
            self.file(label, kind).unlink()
            self.file(label, kind).symlink_to(target)

    def remove(self, address: str) -> None:
        """Takes a monitor away, as its driver does when it is unloaded."""
        device = (self.root / "sys/bus/i2c/devices" / address).resolve()
        for bus in ("devices", "drivers/ina3221x" if self.iio else "drivers/ina3221"):
            (self.root / "sys/bus/i2c" / bus / address).unlink()
        shutil.rmtree(device)

    def _work(self) -> None:
        done = time.monotonic()
        while not self._ended.wait(WRITE_SECONDS):
            now = time.monotonic()
            while done <= now:
                for label, watts in self._waves.items():
                    self._registers[label].round(watts(done), self.samples)
                done += self.round_seconds
            for label in self._waves:
                self._show(label)

    def _show(self, label: str) -> None:
        register = self._registers[label]
        milliamperes, millivolts = register.milliamperes(), register.millivolts()
        shown: Dict[str, Any] = {"volts": millivolts, "amps": milliamperes}
        if self.iio:
            shown["power"] = int(millivolts * milliamperes / 1000)
        for kind, value in shown.items():
            file = self.file(label, kind)
            with self._files_lock:
                if not file.is_symlink() and file.parent.is_dir():
                    _write(file, f"{value}\n")


def _write(file: Path, text: str) -> None:
    """A whole file at once, as a kernel shows it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}")
    fresh.write_text(text)
    os.replace(fresh, file)


def _cell(file: Path, number: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(number.to_bytes(4, "big"))
