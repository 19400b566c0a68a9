"""The meters of a run: which to open, the recorder that reads them, the primary channel, live figures.

A meter that cannot be used never stops training. It is reported with its reason and fix, and where it was declared
(named by `--meter` or required by the device's setup) the run ends with exit status 3.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Set, Tuple

from ..devices.setup import Setup
from ..energy.primary import choose_primary
from ..energy.recorder.client import Recorder
from ..energy.traces import clocks
from ..meters.catalog import MeterSpec, one_of, parse_meter, usual_meters
from ..runs.spec import RunSpec

LATELY_NS = 5_000_000_000  # the recorder tells once a second


def meters_of(spec: RunSpec, setup: Setup, here: bool) -> Tuple[List[MeterSpec], List[str]]:
    """The meters to try, and the names of those that are declared: named by the user, or required by the device.

    Only a declared meter can be primary: that some meter is here does not mean that it covers what is trained on.
    """
    if spec.meters == ("none",):
        return [], []
    if spec.meters != ("auto",):
        asked = [parse_meter(text) for text in spec.meters]
        return asked, [meter.name for meter in asked]
    choices = [[parse_meter(text) for text in choice] for choice in setup.meters_required] if here else []
    declared = {meter.name for choice in choices for meter in choice}
    others = [meter for meter in usual_meters() if meter.name not in declared]
    return [one_of(choice) for choice in choices] + others, sorted(declared)


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
            if recorder.failure is not None:
                gone = {"why": recorder.failure, "fix": None}
                unavailable += [dict(gone, meter=str(meter), declared=meter.name in declared) for meter in meters]
            recorder.stop()
            trace.unlink(missing_ok=True)
            return Metering(None, (), unavailable, declared)
        covering = [channel for channel in recorder.channels if channel.meter in declared]
        primary = tuple(channel.name for channel in choose_primary(covering))
        return Metering(recorder, primary, unavailable, declared)

    @property
    def pid(self) -> Optional[int]:
        """The recorder's process."""
        return None if self.recorder is None else self.recorder.pid

    @property
    def primary_sensors(self) -> Set[str]:
        """The sensors of the primary channels."""
        channels = () if self.recorder is None else self.recorder.channels
        return {channel.sensor for channel in channels if channel.name in self.primary}

    def live(self) -> Tuple[Optional[float], Optional[float]]:
        """Watts now and joules since the recorder began, over the primary channels; None where unknown.

        Joules are unknown where the last read failed or a gap is not in them, both where the recorder is lost or was
        not heard lately.
        """
        latest = None if self.recorder is None or self.lost() is not None else self.recorder.latest()
        if latest is None or clocks.monotonic_ns() - latest["t"] > LATELY_NS:
            return None, None
        channels = [latest["channels"].get(name) or {} for name in self.primary]
        joules = [None if c.get("error") or c.get("partial") else c.get("joules") for c in channels]
        return _sum([c.get("watts") for c in channels]), _sum(joules)

    def own_cost(self) -> Dict[str, Any]:
        """What observing cost: processor seconds so far of the recorder and of each meter in it, and for how long."""
        latest = None if self.recorder is None else self.recorder.latest()
        known = latest or {}
        return {
            "cpu_seconds": known.get("cpu_seconds"),
            "seconds": time.monotonic() - self.started,
            "meters": known.get("meters", []),
        }

    def slowest_seconds(self) -> float:
        """The longest time over which a primary channel says nothing new: between two updates, or that one of its
        readings averages over. 0 where none is read, or where it is not known."""
        latest = None if self.recorder is None else self.recorder.latest()
        seen = {} if latest is None else latest["channels"]
        channels = () if self.recorder is None else self.recorder.channels
        times = [0.0]
        for channel in channels:
            if channel.name in self.primary:
                probed = (seen.get(channel.name) or {}).get("update_seconds")
                times += [channel.update_seconds or probed or 0.0, channel.averaging_seconds or 0.0]
        return max(times)

    def lost(self) -> Optional[str]:
        """Why the recorder ended, or stores nothing any more, before it was stopped; None while it is well."""
        if self.recorder is None or (self.recorder.alive and self.recorder.failure is None):
            return None
        what = "stored no more" if self.recorder.alive else "ended"
        return f"the recorder {what} during the run: {self.recorder.failure or 'no reason was given'}"

    def stop(self) -> None:
        if self.recorder is not None:
            self.recorder.stop()


def _sum(values: List[Optional[float]]) -> Optional[float]:
    return sum(v for v in values if v is not None) if values and all(v is not None for v in values) else None
