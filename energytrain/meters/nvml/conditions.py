"""What NVML says of a GPU beside its power: how hot and fast it is, what holds it back, who else uses it.

A channel exists only where the GPU answers. "clock events" are NVML's reasons for lowered clocks as a bit mask
(nvmlClocksEventReason* in nvml.h, once called throttle reasons); "performance state" is 0 for P0, the fastest, and 32
where the GPU does not know it.
"""

from typing import Any, List, Optional, Sequence

from ..base import Channel, Read, Reading, Skipped, Source
from .bindings import MILLI, readings
from .processes import Foreigners

MEGA = 1e6


class NvmlConditions:
    """The conditions of GPUs that another meter keeps open; closing it does nothing.

    skipped: what cannot be known of them here: (part, why, fix).
    """

    name = "nvml conditions"

    def __init__(self, nvml: Any, channels: Sequence[Channel], reads: Sequence[Read], skipped: Sequence[Skipped]):
        self.channels = tuple(channels)
        self.skipped = tuple(skipped)
        self._reads = tuple(reads)
        self._nvml = nvml

    def read(self) -> List[Reading]:
        return readings(self._nvml, self._reads)

    def close(self) -> None:
        pass


def sources_of(nvml: Any, handle: Any, foreigners: Optional[Foreigners]) -> List[Source]:
    """The conditions that this GPU can tell. What fails in any way is left out: it is no reason to go without power."""
    clock, celsius = nvml.nvmlDeviceGetClockInfo, nvml.nvmlDeviceGetTemperature
    sources = [
        Source("temperature", "celsius", 1.0, lambda: float(celsius(handle, nvml.NVML_TEMPERATURE_GPU))),
        Source("SM clock", "hertz", MEGA, lambda: float(clock(handle, nvml.NVML_CLOCK_SM)) * MEGA),
        Source("memory clock", "hertz", MEGA, lambda: float(clock(handle, nvml.NVML_CLOCK_MEM)) * MEGA),
        Source("utilisation", "percent", 1.0, lambda: float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)),
        _clock_events(nvml, handle),
        Source("power limit", "limit_watts", MILLI, lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) * MILLI),
        Source("performance state", "state", 1.0, lambda: float(nvml.nvmlDeviceGetPerformanceState(handle))),
    ]
    if foreigners is not None:
        sources.append(Source("foreign processes", "count", 1.0, foreigners.count))
    return [source for source in sources if _answers(nvml, source.read)]


def _clock_events(nvml: Any, handle: Any) -> Source:
    """Drivers before 535 and nvidia-ml-py before 12.535 know them by their old name only."""
    old: Any = nvml.nvmlDeviceGetCurrentClocksThrottleReasons
    new: Any = getattr(nvml, "nvmlDeviceGetCurrentClocksEventReasons", old)
    reasons = new if _answers(nvml, lambda: float(new(handle))) else old
    return Source("clock events", "flags", 1.0, lambda: float(reasons(handle)))


def _answers(nvml: Any, read: Read) -> bool:
    try:
        read()
    except nvml.NVMLError:
        return False
    return True
