"""A processor's energy counters as Linux shows them: a temporary powercap tree with the kernel's own arithmetic.

As in the kernel (drivers/powercap/intel_rapl_common.c) a counter has 32 bits of a unit in whole nanojoules, and the
files show it in whole microjoules, rounded down. A thread lets it run along a known curve. Every write replaces the
file, so that a reader never sees half a number.
"""

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Callable, Dict, Mapping, Optional, Type

TURN = 1 << 32
CLIENT_NANOJOULES = 61_035  # 2^-14 J as the kernel rounds it; servers' memory has 15 300
STEP_SECONDS = 0.002

INTEL = "vendor_id\t: GenuineIntel\nflags\t\t: fpu vme de\n"
AMD = "vendor_id\t: AuthenticAMD\nflags\t\t: fpu vme de\n"
VIRTUAL = "vendor_id\t: GenuineIntel\nflags\t\t: fpu vme hypervisor\n"
ARM = "CPU implementer\t: 0x41\nCPU part\t: 0xd42\n"

Curve = Callable[[float], float]


class Zone:
    """One counter. `folder`: where its files really lie; `joules` is what it has counted since `raw` stood at zero."""

    def __init__(self, folder: Path, nanojoules: int, start: int) -> None:
        self.folder = folder
        self.unit = nanojoules * 1e-9
        self._nanojoules = nanojoules
        self._start = start
        self._counted = 0
        self._gone = False
        self._lock = threading.Lock()

    @property
    def turn_joules(self) -> float:
        return TURN * self.unit

    def show(self, joules: float) -> None:
        """The counter after so many joules more than at the start of the test."""
        self._counted = int(joules / self.unit)
        raw = (self._start + self._counted) % TURN
        fresh = self.folder / "fresh"
        with self._lock:
            if not self._gone:
                fresh.write_text(f"{raw * self._nanojoules // 1000}\n")
                os.replace(fresh, self.folder / "energy_uj")

    def reset(self) -> None:
        """It begins again at zero and counts on from there."""
        self._start = -self._counted

    def fail(self) -> None:
        """From now on reading it gives the kernel's own EIO, as where the register cannot be read."""
        link = self.folder / "fresh"
        with self._lock:
            self._gone = True
            link.symlink_to("/proc/self/mem")
            os.replace(link, self.folder / "energy_uj")

    def vanish(self) -> None:
        """As where the last core of a processor goes off line: the kernel takes the zone away."""
        with self._lock:
            self._gone = True
            for file in self.folder.glob("*"):
                if file.is_file():
                    file.unlink()

    def heal(self) -> None:
        """It shows its counter again, which has counted on."""
        with self._lock:
            self._gone = False


class FakePowercap:
    """A machine whose files lie under `root`: a processor, and the zones that a test adds."""

    def __init__(self, root: Path, cpuinfo: str = INTEL) -> None:
        self.root = root
        self._real = root / "sys/devices/virtual/powercap"
        self._shown = root / "sys/class/powercap"
        self._shown.mkdir(parents=True)
        (root / "proc").mkdir()
        (root / "proc/cpuinfo").write_text(cpuinfo)
        (root / "etc").mkdir()
        (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")

    def add(
        self,
        number: str,
        name: str,
        limits: Mapping[str, int] = {},  # noqa: B006
        nanojoules: int = CLIENT_NANOJOULES,
        start: int = 1_000_000,
        control: str = "intel-rapl",
    ) -> Zone:
        """A zone such as ("0:1", "dram"). limits: watts by file, such as {"constraint_0_power_limit_uw": 65}."""
        parts = number.split(":")
        steps = [f"{control}:{':'.join(parts[: depth + 1])}" for depth in range(len(parts))]
        folder = self._real.joinpath(control, *steps)
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{(TURN - 1) * nanojoules // 1000}\n")
        for file, watts in limits.items():
            (folder / file).write_text(f"{watts * 1_000_000}\n")
        os.symlink(os.path.relpath(folder, self._shown), self._shown / f"{control}:{number}")
        zone = Zone(folder, nanojoules, start)
        zone.show(0.0)
        return zone

    def hide(self) -> None:
        """As a container runtime does that masks /sys/devices/virtual/powercap: the links lead nowhere."""
        self._real.rename(self.root / "masked")


class Running:
    """While it is entered, a thread shows each zone what its curve says: joules by seconds since `began_ns`."""

    def __init__(self, curves: Mapping[Zone, Curve]) -> None:
        self._curves: Dict[Zone, Curve] = dict(curves)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.began_ns = 0

    def __enter__(self) -> "Running":
        self.began_ns = time.monotonic_ns()
        self._thread.start()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(STEP_SECONDS):
            for zone, curve in self._curves.items():
                zone.show(curve((time.monotonic_ns() - self.began_ns) * 1e-9))


def pulse(watts: float, after: float, seconds: float) -> Curve:
    """Nothing for `after` seconds, then `watts` for `seconds`, then nothing: whole at any moment outside."""
    return lambda t: watts * min(max(t - after, 0.0), seconds)
