"""What the power reading of an NVIDIA GPU is: how often it changes, over what it averages, how much it looks at.

NVIDIA documents that nvmlDeviceGetPowerUsage averages over 1 s on Ampere and later, GA100 excepted, and calls
everything else instantaneous. Yang, Adamek and Armour (arXiv 2312.02741, SC24) fed more than 70 GPUs of twelve
generations known loads and found what `_MEASURED` holds, down to an A100 that looks at 25 ms of each 100 ms; it is the
table in the repository of their benchmark (github.com/JimZeyuYang/GPU_Power_Benchmark, Overall_Results.xlsx). Of a
generation that they did not measure NVIDIA's words are taken, and where these say "instantaneous" the span is unknown.
"""

from typing import Any, Dict, NamedTuple, Optional, Tuple

from ..base import Read
from .bindings import MILLI, supported, text

_POWER_INSTANT = 186  # NVML_FI_DEV_POWER_INSTANT, which older nvidia-ml-py do not name
_PASCAL, _VOLTA, _TURING, _AMPERE, _ADA, _HOPPER = 4, 5, 6, 7, 8, 9  # NVML_DEVICE_ARCH_*
_GA100 = (8, 0)  # its CUDA compute capability; the data centres' Ampere, with a sensor of its own


class Sensing(NamedTuple):
    """What stands behind a power reading, as a channel states it.

    update_seconds: how often it changes; averaging_seconds: the span that it averages over; None where not known. Where
    the span is shorter than an update, the rest of the update is never looked at.
    observed_share: how much of the span is looked at.
    """

    update_seconds: Optional[float]
    averaging_seconds: Optional[float]
    observed_share: float = 1.0


_UNKNOWN = Sensing(None, None)
_HALF = Sensing(0.02, 0.01)
_GAPLESS = Sensing(0.1, 0.1)
_QUARTER = Sensing(0.1, 0.025)
_SECOND = Sensing(0.1, 1.0)
# That Hopper's mean of 1 s is made of the same looks of 25 ms is assumed; no source says.
_QUARTER_SECOND = Sensing(0.1, 1.0, 0.25)

# By generation: (nvmlDeviceGetPowerUsage, NVML_FI_DEV_POWER_INSTANT). Maxwell and Kepler, of which the paper found
# several kinds (means of 14 ms each 31 ms, slow logarithmic ones), are left unknown.
_MEASURED: Dict[int, Tuple[Sensing, Sensing]] = {
    _PASCAL: (_HALF, _HALF),
    _VOLTA: (_HALF, _HALF),
    _TURING: (_GAPLESS, _GAPLESS),
    _AMPERE: (_SECOND, _GAPLESS),
    _ADA: (_SECOND, _GAPLESS),
    _HOPPER: (_QUARTER_SECOND, _QUARTER),
}
_NO_GENERATION = 0xFFFFFFFF  # NVML_DEVICE_ARCH_UNKNOWN
_MEASURED_GA100 = (_QUARTER, _QUARTER)
# Cards that look at less than others of their generation, by their names: the instantaneous reading.
_EXCEPTIONS: Dict[str, Sensing] = {
    "Quadro RTX 8000": Sensing(0.1, 0.02),
    "RTX A5000": Sensing(0.1, 0.08),
    "GH200": Sensing(0.1, 0.02),
}
# Of this driver branch alone nvmlDeviceGetPowerUsage gave the instantaneous reading on Ampere and Ada, too.
_INSTANT_BRANCH = "530."


class PowerSource(NamedTuple):
    """How to read the power in watts (it may raise the driver's error), what the reading is, and whether it is the
    instantaneous one."""

    read: Read
    sensing: Sensing
    instant: bool


def power_source(nvml: Any, handle: Any, title: str, averaging: Optional[float] = None) -> PowerSource:
    """The power reading of a GPU: the instantaneous one, unless the driver has none or only the other one is known.

    averaging: the span of the instantaneous reading (or of the only one), from who knows it.
    """

    def usage() -> float:
        return float(nvml.nvmlDeviceGetPowerUsage(handle)) * MILLI

    mean = PowerSource(usage, _sensing(nvml, handle, title, instant=False), False)
    instant = instant_watts(nvml, handle)
    best = mean
    if instant is not None:
        now = PowerSource(instant, _sensing(nvml, handle, title, instant=True), True)
        known = averaging is not None or now.sensing.averaging_seconds is not None
        best = now if known or mean.sensing.averaging_seconds is None else mean
    if averaging is None:
        return best
    return best._replace(sensing=best.sensing._replace(averaging_seconds=averaging))


def instant_watts(nvml: Any, handle: Any) -> Optional[Read]:
    """How to read the instantaneous power in watts; None where the driver has none, or says that it is zero.

    Whatever goes wrong with it, the GPU's other readings are tried next and have errors of their own.
    """

    def read() -> float:
        value = nvml.nvmlDeviceGetFieldValues(handle, [_POWER_INSTANT])[0]
        if value.nvmlReturn != nvml.NVML_SUCCESS:
            raise nvml.NVMLError(value.nvmlReturn)
        return float(value.value.uiVal) * MILLI

    try:
        return read if read() else None
    except nvml.NVMLError:
        return None


def _sensing(nvml: Any, handle: Any, title: str, instant: bool) -> Sensing:
    generation = supported(nvml, lambda: nvml.nvmlDeviceGetArchitecture(handle))
    if generation in (None, _NO_GENERATION):
        return _UNKNOWN
    if generation == _AMPERE and _capability(nvml, handle) == _GA100:
        return _MEASURED_GA100[instant]
    if not instant and generation in (_AMPERE, _ADA) and _driver(nvml).startswith(_INSTANT_BRANCH):
        instant = True
    averages = generation >= _AMPERE and not instant
    for name, sensing in _EXCEPTIONS.items():
        if name in title and not averages:
            return sensing
    if generation in _MEASURED:
        return _MEASURED[generation][instant]
    return Sensing(None, 1.0) if averages else _UNKNOWN


def _capability(nvml: Any, handle: Any) -> Optional[Tuple[int, int]]:
    found = supported(nvml, lambda: nvml.nvmlDeviceGetCudaComputeCapability(handle))
    return None if found is None else (int(found[0]), int(found[1]))


def _driver(nvml: Any) -> str:
    return text(supported(nvml, nvml.nvmlSystemGetDriverVersion) or "")
