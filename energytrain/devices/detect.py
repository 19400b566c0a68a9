"""Which device this machine is: a Jetson board first (its NVML measures nothing), then an NVIDIA GPU, then a CPU.

Everything is read below a root folder, so that tests can show it another machine. Nothing is loaded or started.
"""

import os
import re
from pathlib import Path
from typing import Tuple

from .setup import Setup, load_setup, setup_names

_TEGRA_RELEASE = "etc/nv_tegra_release"
_COMPATIBLE = ("proc/device-tree/compatible", "sys/firmware/devicetree/base/compatible")
# The kernel driver's own traces: its control node, its version, and the paravirtual GPU of Windows' Linux.
_NVIDIA_DRIVER = ("dev/nvidiactl", "proc/driver/nvidia/version", "dev/dxg")
_ENERGY_COUNTERS = "sys/class/powercap/intel-rapl*:*/energy_uj"


def detect(root: str = "/") -> str:
    """The name of this machine's setup.

    A Jetson whose board no setup names gets the setup for all Jetsons: never that of a GPU with NVML. A processor whose
    energy counters this user may not read, which is the rule, gets that of any processor, unless somebody names the
    other: what nobody asked to measure cannot be incomplete.
    """
    here = [setup for setup in (load_setup(name) for name in setup_names()) if is_here(setup, root)]
    counted = any(os.access(counter, os.R_OK) for counter in Path(root).glob(_ENERGY_COUNTERS))
    return min((s for s in here if counted or s.detect_kind != "rapl"), key=_rank).name


def is_here(setup: Setup, root: str = "/") -> bool:
    """Whether this machine is the device of `setup`, or one of its kind."""
    base = Path(root)
    if setup.detect_kind == "any":
        return True
    if setup.detect_kind == "nvidia":
        if is_tegra(root) or not any((base / path).exists() for path in _NVIDIA_DRIVER):
            return False
        return not setup.compatible or any(word in model for model in gpu_models(root) for word in setup.compatible)
    if setup.detect_kind == "rapl":
        return any(base.glob(_ENERGY_COUNTERS))
    if not is_tegra(root):
        return False
    return not setup.compatible or any(_fits(part, name) for part in setup.compatible for name in board_names(root))


def is_tegra(root: str = "/") -> bool:
    """Whether this machine is a Jetson, or another board with a Tegra."""
    return (Path(root) / _TEGRA_RELEASE).exists() or any(name.startswith("nvidia,tegra") for name in board_names(root))


def board_names(root: str = "/") -> Tuple[str, ...]:
    """The names that the device tree gives this board, from the most to the least specific.

    Empty on a PC, and where the device tree cannot be read.
    """
    for path in _COMPATIBLE:
        try:
            text = (Path(root) / path).read_bytes().decode("ascii", "replace")
        except OSError:
            continue
        return tuple(name for name in text.split("\0") if name)
    return ()


def gpu_models(root: str = "/") -> Tuple[Tuple[str, ...], ...]:
    """The words of the model's name of each NVIDIA GPU, as the driver lists them."""
    files = sorted(Path(root).glob("proc/driver/nvidia/gpus/*/information"))
    lines = [line for file in files for line in file.read_text(errors="replace").splitlines()]
    return tuple(tuple(re.split(r"\W+", line)[1:]) for line in lines if line.startswith("Model:"))


def _fits(part: str, name: str) -> bool:
    """Whether `part` is a device-tree name, or the number (or its beginning) of one of the parts that it is made of.

    >>> _fits("p3767-0000", "nvidia,p3768-0000+p3767-0000-super"), _fits("p3767-0003", "nvidia,p3768-0000+p3767-0000")
    (True, False)
    """
    return part == name or any(one == part or one.startswith(f"{part}-") for one in re.split("[,+]", name))


def _rank(setup: Setup) -> Tuple[int, bool]:
    """The closest match first: one board, any board of its kind, a GPU, a processor with counters, anything."""
    return ["tegra", "nvidia", "rapl", "any"].index(setup.detect_kind), not setup.compatible
