"""A device's setup: which sensors it has, what a run on it must be metered by, how to prepare it by hand."""

from dataclasses import dataclass
from typing import Optional, Tuple

from . import files
from .schema import SETUP_SCHEMA, check


@dataclass(frozen=True)
class Rail:
    """One channel of a power monitor on the board.

    chip, channel: address of the monitor as sysfs writes it, and its channel. part_of: a rail that contains this one.
    """

    name: str
    scope: str
    chip: str
    channel: int
    part_of: Optional[str] = None


@dataclass(frozen=True)
class Command:
    """A command to prepare the device and what it is for; text for a person, energytrain never runs it."""

    command: str
    why: str


@dataclass(frozen=True)
class Setup:
    """A device as it stands on the bench.

    profile: name of the profile that models it, None where there is none.
    compute: "cpu" or "cuda", where training on it is meant to run.
    detect_kind: "tegra", "nvidia" or "any"; compatible: device-tree names of its boards, empty for every one.
    meters_required: meters (as `--meter` takes them) without which a run on it is incomplete.
    """

    name: str
    title: str
    profile: Optional[str]
    compute: str
    detect_kind: str
    compatible: Tuple[str, ...]
    meters_required: Tuple[str, ...]
    rails: Tuple[Rail, ...]
    prepare: Tuple[Command, ...]
    notes: Tuple[str, ...]


def load_setup(name_or_path: str) -> Setup:
    """The setup of that name, or in that YAML file. Raises UsageError where it is unknown or not well formed."""
    path = files.find("device_setup", name_or_path)
    data = files.read_yaml(path)
    check(data, SETUP_SCHEMA, path)
    return Setup(
        name=data["name"],
        title=data["title"],
        profile=data["profile"],
        compute=data["compute"],
        detect_kind=data["detect"]["kind"],
        compatible=tuple(data["detect"].get("compatible", ())),
        meters_required=tuple(data["meters_required"]),
        rails=tuple(Rail(**rail) for rail in data.get("rails", ())),
        prepare=tuple(Command(**step) for step in data["prepare"]),
        notes=tuple(data["notes"]),
    )


def setup_names() -> Tuple[str, ...]:
    """The names of all setups, sorted."""
    return files.names("device_setup")
