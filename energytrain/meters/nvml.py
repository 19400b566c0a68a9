"""NVIDIA GPUs through NVML: the energy counter where the GPU has one, else its power reading.

The counter (millijoules since the driver was loaded, Volta and later) steps every 20-100 ms and misses nothing in
between, so it is preferred. `update_seconds` stays unknown here: it differs by generation and is probed.
"""

import os
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ..errors import MeterUnavailable, UsageError
from ..quantities.energy import Scope
from .base import Channel, Reading, Skipped

OPTIONS: Dict[str, str] = {
    "gpu": "the GPU's index or UUID; all that CUDA_VISIBLE_DEVICES leaves visible without it",
    "counter": "'off' reads the power even where the GPU has an energy counter",
    "root": "the folder in which signs of a Jetson board are looked for, / without it",
}

# NVML's documentation of nvmlDeviceGetPowerUsage: "accurate to within +/- 5 % of current power draw". Measurements on
# more than 70 GPUs (arXiv 2312.02741) found it to be an error of the gain, constant for one card, not of the offset.
# No accuracy is documented for the counter; it is taken to sum up the same sensor.
GAIN_ERROR = 0.05
MILLI = 1e-3

_TEGRA_RELEASE = "etc/nv_tegra_release"
_COMPATIBLE = "proc/device-tree/compatible"
_POWER_INSTANT = 186  # NVML_FI_DEV_POWER_INSTANT, which older nvidia-ml-py do not name
_AMPERE = 7  # NVML_DEVICE_ARCH_AMPERE
_GA100 = (8, 0)  # its CUDA compute capability; the only Ampere whose power reading is instantaneous


class NvmlMeter:
    """GPUs of this machine, one channel each. `skipped` lists GPUs that cannot be metered: (name, why, fix)."""

    name = "nvml"

    def __init__(
        self, nvml: Any, channels: Sequence[Channel], reads: Sequence[Callable[[], float]], skipped: Sequence[Skipped]
    ) -> None:
        self.channels = tuple(channels)
        self.skipped = tuple(skipped)
        self._reads = tuple(reads)
        self._nvml = nvml

    def read(self) -> List[Reading]:
        readings = []
        for read in self._reads:
            try:
                readings.append(Reading(read()))
            except self._nvml.NVMLError as error:
                readings.append(Reading(None, str(error)))
        return readings

    def close(self) -> None:
        self._nvml.nvmlShutdown()


def open_meter(options: Mapping[str, str]) -> NvmlMeter:
    """Opens the GPUs that `options` and CUDA_VISIBLE_DEVICES select. MeterUnavailable says why there is none."""
    if options.get("counter", "on") not in ("on", "off"):
        raise UsageError(f"the nvml option counter is '{options['counter']}'.", "Write counter=off or leave it out.")
    if _is_tegra(Path(options.get("root", "/"))):
        raise MeterUnavailable(
            "this is a Jetson board, where NVML loads but measures nothing.", "Use a meter of the board's power rails."
        )
    nvml = _start_nvml()
    try:
        return _open_gpus(nvml, options)
    except BaseException:
        nvml.nvmlShutdown()
        raise


def _is_tegra(root: Path) -> bool:
    if (root / _TEGRA_RELEASE).exists():
        return True
    try:
        return b"tegra" in (root / _COMPATIBLE).read_bytes()
    except OSError:
        return False


def _start_nvml() -> Any:
    try:
        import pynvml
    except ImportError as error:
        raise MeterUnavailable("the Python package nvidia-ml-py is missing.", "pip install nvidia-ml-py") from error
    fixes = {
        pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: (
            "no NVIDIA driver is installed here (libnvidia-ml.so.1 cannot be loaded).",
            "Where there is an NVIDIA GPU, install its driver; in a container, start it with GPU access (--gpus all).",
        ),
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED: (
            "the NVIDIA driver is installed but not loaded.",
            "Load it (sudo modprobe nvidia) and see that nvidia-smi lists the GPU.",
        ),
        pynvml.NVML_ERROR_NO_PERMISSION: (
            "this user may not read NVML.",
            "Get access to /dev/nvidiactl and /dev/nvidia* (often the group 'video' or 'render').",
        ),
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: (
            "the NVIDIA driver was updated and the loaded one is older than its library.",
            "Restart the machine.",
        ),
    }
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        why, fix = fixes.get(
            getattr(error, "value", None), (f"NVML does not start: {error}.", "See that nvidia-smi works.")
        )
        raise MeterUnavailable(why, fix) from error
    return pynvml


def _open_gpus(nvml: Any, options: Mapping[str, str]) -> NvmlMeter:
    uuids = [_uuid(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    if not uuids:
        raise MeterUnavailable("the NVIDIA driver finds no GPU.", "See what nvidia-smi lists.")
    opened: List[Tuple[Channel, Callable[[], float]]] = []
    skipped: List[Skipped] = []
    for index in _selected(uuids, options.get("gpu")):
        name = f"nvml:{index}"
        try:
            opened.append(_open_gpu(nvml, index, name, uuids[index], options.get("counter") != "off"))
        except MeterUnavailable as error:
            skipped.append((name, error.message, error.hint or ""))
        except nvml.NVMLError as error:
            skipped.append((name, f"{name} cannot be read: {error}.", "See what nvidia-smi shows as its power."))
    if not opened:
        raise MeterUnavailable(
            " ".join(dict.fromkeys(why for _, why, _ in skipped)), " ".join(dict.fromkeys(fix for _, _, fix in skipped))
        )
    return NvmlMeter(nvml, [channel for channel, _ in opened], [read for _, read in opened], skipped)


def _uuid(nvml: Any, index: int) -> str:
    """The GPU's UUID, or "" where the driver has lost it."""
    try:
        return _text(nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetHandleByIndex(index)))
    except nvml.NVMLError:
        return ""


def _selected(uuids: Sequence[str], gpu: Optional[str]) -> List[int]:
    """Indices of the GPUs to meter: the named one, else those CUDA may use, else all.

    CUDA and NVML number GPUs of unlike speed differently unless CUDA_DEVICE_ORDER=PCI_BUS_ID; UUIDs are always safe.
    """
    if gpu is not None:
        index = _index_of(gpu, uuids)
        if index is None:
            known = ", ".join(f"{number} ({uuid})" for number, uuid in enumerate(uuids))
            raise MeterUnavailable(f"there is no GPU '{gpu}'.", f"GPUs here: {known}.")
        return [index]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return list(range(len(uuids)))
    chosen: List[int] = []
    for name in visible.split(","):
        if name.strip().startswith("MIG-"):
            raise MeterUnavailable(
                "CUDA_VISIBLE_DEVICES names a multi-instance (MIG) slice, which has no power reading of its own.",
                "Train on a whole GPU, or meter the wall.",
            )
        index = _index_of(name.strip(), uuids)
        if index is None:  # CUDA, too, stops at the first name that it does not know
            break
        chosen.append(index)
    if not chosen:
        raise MeterUnavailable(
            f"CUDA_VISIBLE_DEVICES='{visible}' hides every GPU.", "Unset it, or name the GPU with --meter nvml:gpu=0."
        )
    return chosen


def _index_of(name: str, uuids: Sequence[str]) -> Optional[int]:
    if name.isdigit():
        return int(name) if int(name) < len(uuids) else None
    matches = [index for index, uuid in enumerate(uuids) if name and uuid.startswith(name)]
    return matches[0] if len(matches) == 1 else None


def _open_gpu(nvml: Any, index: int, name: str, uuid: str, counter: bool) -> Tuple[Channel, Callable[[], float]]:
    """The channel of one GPU and how to read it. MeterUnavailable or the driver's error where it cannot be read."""
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    if _supported(nvml, lambda: nvml.nvmlDeviceGetMigMode(handle)[0]) == 1:
        raise MeterUnavailable(
            f"{name} is divided into multi-instance (MIG) slices, which have no power reading of their own.",
            "Switch MIG off (sudo nvidia-smi -mig 0), or meter the wall.",
        )

    get_energy = nvml.nvmlDeviceGetTotalEnergyConsumption

    def energy() -> float:
        return get_energy(handle) * MILLI  # type: ignore[no-any-return]

    # A counter that stands at zero was never started: some virtual GPUs report one so.
    has_counter = counter and bool(_supported(nvml, energy))
    read, averaging = (energy, None) if has_counter else _power_source(nvml, handle)
    read()
    title = _text(_supported(nvml, lambda: nvml.nvmlDeviceGetName(handle)) or "")
    limit = _supported(nvml, lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
    whole_module = has_counter and "GH200" in title  # with CPU and memory, which the GPU's power limit does not bound
    channel = Channel(
        name=name,
        meter="nvml",
        sensor=f"nvml:{uuid}",
        quantity="joules" if has_counter else "watts",
        scope=Scope.MODULE if whole_module else Scope.CHIP,
        gain_error=GAIN_ERROR,
        resolution=MILLI,
        averaging_seconds=averaging,
        max_watts=None if whole_module or not limit else limit * MILLI,
    )
    return channel, read


def _power_source(nvml: Any, handle: Any) -> Tuple[Callable[[], float], Optional[float]]:
    """How to read the power in watts, and the span in seconds that a reading averages over (None: unknown).

    The instantaneous reading is taken where the driver offers it. nvmlDeviceGetPowerUsage averages over 1 s on Ampere
    and later, GA100 excepted, and is instantaneous before (NVML documentation).
    """

    def instant() -> float:
        value = nvml.nvmlDeviceGetFieldValues(handle, [_POWER_INSTANT])[0]
        if value.nvmlReturn != nvml.NVML_SUCCESS:
            raise nvml.NVMLError(value.nvmlReturn)
        return float(value.value.uiVal) * MILLI

    def usage() -> float:
        return float(nvml.nvmlDeviceGetPowerUsage(handle)) * MILLI

    if _supported(nvml, instant):
        return instant, 0.0
    architecture = _supported(nvml, lambda: nvml.nvmlDeviceGetArchitecture(handle))
    if architecture is None:
        return usage, None
    ga100 = _supported(nvml, lambda: tuple(nvml.nvmlDeviceGetCudaComputeCapability(handle))) == _GA100
    return usage, 1.0 if architecture >= _AMPERE and not ga100 else 0.0


def _supported(nvml: Any, call: Callable[[], Any]) -> Any:
    """What `call` returns, or None where this GPU or this driver does not offer it; other errors are raised."""
    absent = (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND, nvml.NVML_ERROR_INVALID_ARGUMENT)
    try:
        return call()
    except nvml.NVMLError as error:
        if getattr(error, "value", None) in absent:
            return None
        raise


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
