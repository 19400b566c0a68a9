"""The meters that energytrain knows, by name, and how a user's words become an open one.

A driver module offers `OPTIONS` (option -> what it means) and `open_meter(options) -> Meter`. It is imported only when
its meter is asked for; the libraries it needs, only when it is opened.
"""

import importlib
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..errors import EnergytrainError, UsageError, unknown
from .base import Channel, Meter, left_out

METERS: Dict[str, str] = {"nvml": "energytrain.meters.nvml"}


@dataclass(frozen=True)
class MeterSpec:
    """Which meter, and how to open it; `str()` gives what `parse_meter` reads."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}:{options}" if options else self.name

    def to_json(self) -> Dict[str, Any]:
        return {"name": self.name, "options": dict(self.options)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "MeterSpec":
        return MeterSpec(data["name"], dict(data["options"]))


@dataclass(frozen=True)
class Availability:
    """Whether a meter can be used here. If not, or not wholly, `why` says so and `fix` what to do."""

    name: str
    ok: bool
    channels: Tuple[Channel, ...] = ()
    why: Optional[str] = None
    fix: Optional[str] = None


def parse_meter(text: str) -> MeterSpec:
    """The meter that `NAME[:key=value,...]` names. UsageError for an unknown name or a malformed option.

    >>> parse_meter("nvml:gpu=0,counter=off")
    MeterSpec(name='nvml', options={'gpu': '0', 'counter': 'off'})
    """
    name, _, tail = text.strip().partition(":")
    if name not in METERS:
        raise unknown("meter", name, METERS)
    options: Dict[str, str] = {}
    for part in tail.split(",") if tail else ():
        key, equals, value = part.partition("=")
        key = key.strip()
        if not equals or not key or key in options:
            raise UsageError(f"the meter '{text}' has a malformed option '{part}'.", "Write NAME:key=value,key=value.")
        options[key] = value.strip()
    return MeterSpec(name, options)


def check_meter(spec: MeterSpec) -> None:
    """UsageError where the meter is unknown or its driver does not know an option; opens nothing."""
    _driver(spec)


def open_meter(spec: MeterSpec) -> Meter:
    """Opens a meter. UsageError as in `check_meter`; MeterUnavailable, with reason and fix, where it cannot be used."""
    meter: Meter = _driver(spec).open_meter(spec.options)
    return meter


def available_meters(specs: Optional[Sequence[MeterSpec]] = None) -> List[Availability]:
    """Tries to open each meter (all known ones by default), and says of each whether it works here and why not."""
    found = []
    for spec in [MeterSpec(name) for name in METERS] if specs is None else specs:
        try:
            meter = open_meter(spec)
        except EnergytrainError as error:
            found.append(Availability(str(spec), False, (), error.message, error.hint))
            continue
        skipped = left_out(meter)
        why = "; ".join(part[1] for part in skipped) or None
        fix = " ".join(dict.fromkeys(part[2] for part in skipped)) or None
        found.append(Availability(str(spec), True, meter.channels, why, fix))
        meter.close()
    return found


def _driver(spec: MeterSpec) -> Any:
    if spec.name not in METERS:
        raise unknown("meter", spec.name, METERS)
    driver = importlib.import_module(METERS[spec.name])
    for option in spec.options:
        if option not in driver.OPTIONS:
            raise unknown(f"option of the meter {spec.name}", option, driver.OPTIONS)
    return driver
