"""The meters that energytrain knows, by name, and how a user's words become an open one.

A driver module offers `OPTIONS` (option -> what it means) and `open_meter(options) -> Meter`. It is imported only when
its meter is asked for; the libraries it needs, only when it is opened.
"""

import importlib
import os
import sys
from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..devices.detect import is_tegra
from ..errors import EnergytrainError, MeterUnavailable, UsageError, unknown
from .base import Channel, Meter, conditions_of, left_out

METERS: Dict[str, str] = {
    "jtop": "energytrain.meters.jetson.jtop",
    "ina3221": "energytrain.meters.jetson.ina3221",
    "nvml": "energytrain.meters.nvml.meter",
    "rapl": "energytrain.meters.rapl",
    "replay": "energytrain.energy.replay",
}
# A recorded trace is no part of a machine: it is played only where somebody names it.
BY_NAME_ONLY = ("replay",)
FOUND = tuple(name for name in METERS if name not in BY_NAME_ONLY)
# Two ways to read the same monitors of a Jetson board. The files come first: they tell more than the service does.
JETSON = ("ina3221", "jtop")
_SYSTEMS = {"win32": "Windows", "cygwin": "Windows", "darwin": "macOS"}


@dataclass(frozen=True)
class MeterSpec:
    """Which meter, and how to open it; `str()` gives what `parse_meter` reads.

    instead: what to open where this one cannot be used, the first that can.
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    instead: Tuple["MeterSpec", ...] = ()

    def __str__(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}:{options}" if options else self.name

    def to_json(self) -> Dict[str, Any]:
        return {"name": self.name, "options": dict(self.options), "instead": [one.to_json() for one in self.instead]}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "MeterSpec":
        return MeterSpec(data["name"], dict(data["options"]), tuple(map(MeterSpec.from_json, data["instead"])))


@dataclass(frozen=True)
class Availability:
    """Whether a meter can be used here. If not, or not wholly, `why` says so and `fix` what to do."""

    name: str
    ok: bool
    channels: Tuple[Channel, ...] = ()
    why: Optional[str] = None
    fix: Optional[str] = None
    conditions: Tuple[Channel, ...] = ()


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


def meters_named(texts: Sequence[str]) -> Tuple[List[MeterSpec], List[str]]:
    """The meters that a user's words ask for, and the names of those that are declared by that.

    No words ask for the `usual_meters` and declare none; the one word "none" asks for nothing. UsageError as
    `check_meter`.
    """
    if not texts:
        return usual_meters(), []
    if tuple(texts) == ("none",):
        return [], []
    specs = [parse_meter(text) for text in texts]
    for spec in specs:
        check_meter(spec)
    return specs, [spec.name for spec in specs]


def usual_meters() -> List[MeterSpec]:
    """The meters to try where nobody names one: those that this kind of machine can have, each sensor once."""
    others = [MeterSpec(name) for name in FOUND if name not in JETSON]
    return ([one_of([MeterSpec(name) for name in JETSON])] if is_tegra() else []) + others


def one_of(choice: Sequence[MeterSpec]) -> MeterSpec:
    """The first of these meters, and the others instead of it."""
    return replace(choice[0], instead=tuple(choice[1:]))


def located(spec: MeterSpec) -> MeterSpec:
    """The same meter with whole paths, for a process that works in another folder."""
    options = dict(spec.options)
    for name in ("root", "socket", "trace", "board"):
        if name != "board" or options.get(name, "").endswith((".yaml", ".yml")):
            options.update({name: os.path.abspath(options[name])} if name in options else {})
    return MeterSpec(spec.name, options, tuple(map(located, spec.instead)))


def check_meter(spec: MeterSpec) -> None:
    """UsageError where the meter is unknown or its driver does not know an option; opens nothing."""
    _driver(spec)


def open_meter(spec: MeterSpec) -> Meter:
    """Opens a meter. UsageError as in `check_meter`; MeterUnavailable, with reason and fix, where it cannot be used."""
    driver = _driver(spec)
    unmetered = unmetered_system()
    if unmetered is not None:
        raise unmetered
    meter: Meter = driver.open_meter(spec.options)
    return meter


def unmetered_system() -> Optional[MeterUnavailable]:
    """Why nothing can be metered under this operating system, and what to do; None under Linux."""
    system: str = sys.platform
    if system == "linux":
        return None
    return MeterUnavailable(
        f"metering works on Linux only, and this is {_SYSTEMS.get(system, system)}.",
        "Run this on Linux to measure, or use an external meter.",
    )


def available_meters(specs: Optional[Sequence[MeterSpec]] = None) -> List[Availability]:
    """Tries to open each meter (all of `FOUND` by default), and says of each whether it works here and why not."""
    found = []
    for spec in [MeterSpec(name) for name in FOUND] if specs is None else specs:
        try:
            meter = open_meter(spec)
        except EnergytrainError as error:
            found.append(Availability(str(spec), False, (), error.message, error.hint))
            continue
        except Exception as error:  # a driver's library fails in ways of its own; the other meters are still shown
            found.append(Availability(str(spec), False, (), f"{type(error).__name__}: {error}."))
            continue
        beside = conditions_of(meter)
        skipped = left_out(meter) + (() if beside is None else left_out(beside))
        why = "; ".join(part[1] for part in skipped) or None
        fix = " ".join(dict.fromkeys(part[2] for part in skipped)) or None
        conditions = () if beside is None else tuple(beside.channels)
        found.append(Availability(str(spec), True, meter.channels, why, fix, conditions))
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
