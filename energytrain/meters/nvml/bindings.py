"""NVIDIA's management library by its Python binding, pynvml: starting it, and what its errors mean."""

from typing import Any, Callable, List, Sequence, Tuple

from ...errors import MeterUnavailable
from ..base import Read, Reading

MILLI = 1e-3


def start_nvml() -> Any:
    """The module pynvml with the library started; whoever asked for it calls nvmlShutdown. MeterUnavailable says why
    there is none."""
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


def unreadable(nvml: Any, name: str, error: Exception) -> Tuple[str, str, str]:
    """(name, why, fix) of a GPU that the driver lists and cannot read."""
    fixes = {
        nvml.NVML_ERROR_GPU_IS_LOST: "The driver has lost it: look for Xid errors in dmesg, and restart the machine.",
        nvml.NVML_ERROR_NO_PERMISSION: "Get access to its /dev/nvidia* (often the group 'video' or 'render').",
        nvml.NVML_ERROR_NOT_SUPPORTED: "It measures no power; meter the wall.",
    }
    fix = fixes.get(getattr(error, "value", None), "See what nvidia-smi shows as its power.")
    return name, f"{name} cannot be read: {error}.", fix


def supported(nvml: Any, call: Callable[[], Any]) -> Any:
    """What `call` returns, or None where this GPU or this driver does not offer it; other errors are raised."""
    absent = (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND, nvml.NVML_ERROR_INVALID_ARGUMENT)
    try:
        return call()
    except nvml.NVMLError as error:
        if getattr(error, "value", None) in absent:
            return None
        raise


def readings(nvml: Any, reads: Sequence[Read]) -> List[Reading]:
    """One reading of each, in order: a value, or the driver's words."""
    taken = []
    for read in reads:
        try:
            taken.append(Reading(read()))
        except nvml.NVMLError as error:
            taken.append(Reading(None, str(error)))
    return taken


def text(value: Any) -> str:
    """A string that older versions of nvidia-ml-py return as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
