"""Which device this machine is: a Jetson board first (its NVML measures nothing), then an NVIDIA GPU, then any CPU.

Everything is read below a root folder, so that tests can show it another machine. Nothing is loaded or started.
"""

from pathlib import Path
from typing import Tuple

from .setup import Setup, load_setup, setup_names

_TEGRA_RELEASE = "etc/nv_tegra_release"
_COMPATIBLE = ("proc/device-tree/compatible", "sys/firmware/devicetree/base/compatible")
# The kernel driver's own traces: its control node, its version, and the paravirtual GPU of Windows' Linux.
_NVIDIA_DRIVER = ("dev/nvidiactl", "proc/driver/nvidia/version", "dev/dxg")


def detect(root: str = "/") -> str:
    """The name of this machine's setup.

    A Jetson whose board no setup names gets the setup for all Jetsons: never that of a GPU with NVML.
    """
    here = [setup for setup in (load_setup(name) for name in setup_names()) if is_here(setup, root)]
    return min(here, key=_rank).name


def is_here(setup: Setup, root: str = "/") -> bool:
    """Whether this machine is the device of `setup`, or one of its kind."""
    base = Path(root)
    if setup.detect_kind == "any":
        return True
    if setup.detect_kind == "nvidia":
        return not is_tegra(root) and any((base / path).exists() for path in _NVIDIA_DRIVER)
    return is_tegra(root) and (not setup.compatible or any(name in board_names(root) for name in setup.compatible))


def is_tegra(root: str = "/") -> bool:
    """Whether this machine is a Jetson, or another board with a Tegra."""
    return (Path(root) / _TEGRA_RELEASE).exists() or any(name.startswith("nvidia,tegra") for name in board_names(root))


def board_names(root: str = "/") -> Tuple[str, ...]:
    """The names that the device tree gives this board, from the most to the least specific; empty on a PC."""
    for path in _COMPATIBLE:
        file = Path(root) / path
        if file.is_file():
            return tuple(name for name in file.read_bytes().decode("ascii", "replace").split("\0") if name)
    return ()


def _rank(setup: Setup) -> Tuple[int, bool]:
    """The closest match first: one board, any board of its kind, a GPU, anything."""
    return ["tegra", "nvidia", "any"].index(setup.detect_kind), not setup.compatible
