"""The meters of a run: which to open, the recorder that reads them, the primary channel, live figures.

A meter that cannot be used never stops training. It is reported with its reason and fix, and where it was declared
(named by `--meter` or required by the device's setup) the run ends with exit status 3.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from ..devices.setup import Setup
from ..energy.primary import choose_primary
from ..energy.recorder_client import Recorder
from ..meters.catalog import METERS, MeterSpec, parse_meter
from ..runs.spec import RunSpec


def meters_of(spec: RunSpec, setup: Setup, here: bool) -> Tuple[List[MeterSpec], List[str]]:
    """The meters to try, and the names of those that are declared: named by the user, or required by the device.

    Only a declared meter can be primary: that some meter is here does not mean that it covers what is trained on.
    """
    if spec.meters == ("none",):
        return [], []
    if spec.meters != ("auto",):
        asked = [parse_meter(text) for text in spec.meters]
        return asked, [meter.name for meter in asked]
    required = [parse_meter(text) for text in setup.meters_required] if here else []
    names = {meter.name for meter in required}
    others = [MeterSpec(name, {}) for name in METERS if name not in names]
    return required + others, sorted(names)


@dataclass
class Metering:
    """The recorder of one attempt, or none."""

    recorder: Optional[Recorder]
    primary: Tuple[str, ...]
    unavailable: List[Dict[str, Any]] = field(default_factory=list)
    declared: List[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @staticmethod
    def start(spec: RunSpec, setup: Setup, here: bool, trace: Path, attempt: int) -> "Metering":
        meters, declared = meters_of(spec, setup, here)
        if not meters:
            return Metering(None, ())
        recorder = Recorder.start(trace, meters, spec.sample_hz, attempt)
        # The recorder names a meter as it was asked for ("nvml:gpu=0"), or a part of it ("nvml:1").
        unavailable = [
            dict(row, declared=str(row["meter"]).partition(":")[0] in declared) for row in recorder.unavailable
        ]
        if not recorder.channels:
            recorder.stop()
            trace.unlink(missing_ok=True)
            return Metering(None, (), unavailable, declared)
        covering = [channel for channel in recorder.channels if channel.meter in declared]
        primary = tuple(channel.name for channel in choose_primary(covering))
        return Metering(recorder, primary, unavailable, declared)

    def live(self) -> Tuple[Optional[float], Optional[float]]:
        """Watts now and joules since the recorder began, over the primary channels; None where unknown."""
        latest = None if self.recorder is None else self.recorder.latest()
        if latest is None:
            return None, None
        channels = [latest["channels"].get(name) or {} for name in self.primary]
        return _sum([c.get("watts") for c in channels]), _sum([c.get("joules") for c in channels])

    def own_cost(self) -> Dict[str, Any]:
        """What observing cost: the recorder's processor seconds so far, and the seconds it has run."""
        latest = None if self.recorder is None else self.recorder.latest()
        cpu = None if latest is None else latest.get("cpu_seconds")
        return {"cpu_seconds": cpu, "seconds": time.monotonic() - self.started}

    def lost(self) -> Optional[str]:
        """Why the recorder ended before it was stopped, or None while it is well."""
        if self.recorder is None or self.recorder.alive:
            return None
        return f"the recorder ended during the run: {self.recorder.failure or 'no reason was given'}"

    def stop(self) -> None:
        if self.recorder is not None:
            self.recorder.stop()


def _sum(values: List[Optional[float]]) -> Optional[float]:
    return sum(v for v in values if v is not None) if values and all(v is not None for v in values) else None
