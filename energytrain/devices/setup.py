"""A device's setup: which sensors it has, what a run on it must be metered by, how to prepare it by hand."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from . import files
from .schema import SETUP_SCHEMA, check


@dataclass(frozen=True)
class Rail:
    """One channel of a power monitor on the board.

    chip, channel: address of the monitor as sysfs writes it, and its channel, to find it by; meters go by the name.
    part_of: a rail that contains this one. Those without it are added up to what the module draws.
    carrier: it feeds the development kit's own board: no part of that, and metered only when asked for.
    shunt_ohms: the resistor that its current is measured on. max_watts: what it draws at most.
    """

    name: str
    scope: str
    chip: str
    channel: int
    part_of: Optional[str] = None
    carrier: bool = False
    shunt_ohms: Optional[float] = None
    max_watts: Optional[float] = None


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
    detect_kind: "tegra", "nvidia", "rapl" or "any"; compatible: device-tree names of its boards, or numbers of parts
        ("p3767-0000"), or words of its GPUs' names, empty for every one.
    meters_required: meters (as `--meter` takes them) without which a run on it is incomplete; of each entry the first
        that opens here is used, and one is enough.
    """

    name: str
    title: str
    profile: Optional[str]
    compute: str
    detect_kind: str
    compatible: Tuple[str, ...]
    meters_required: Tuple[Tuple[str, ...], ...]
    rails: Tuple[Rail, ...]
    prepare: Tuple[Command, ...]
    notes: Tuple[str, ...]


def load_setup(name_or_path: str) -> Setup:
    """The setup of that name, or in that YAML file. Raises UsageError where it is unknown or not well formed."""
    path = files.find("device_setup", name_or_path)
    return _loaded(path, files.stamp(path))


@lru_cache(maxsize=64)
def _loaded(path: Path, stamp: Tuple[int, int]) -> Setup:
    data = files.read_yaml(path)
    check(data, SETUP_SCHEMA, path)
    return Setup(
        name=data["name"],
        title=data["title"],
        profile=data["profile"],
        compute=data["compute"],
        detect_kind=data["detect"]["kind"],
        compatible=tuple(data["detect"].get("compatible", ())),
        meters_required=tuple(
            (entry,) if isinstance(entry, str) else tuple(entry) for entry in data["meters_required"]
        ),
        rails=tuple(_rail(rail) for rail in data.get("rails", ())),
        prepare=tuple(Command(**step) for step in data["prepare"]),
        notes=tuple(data["notes"]),
    )


def _rail(data: Dict[str, Any]) -> Rail:
    """A rail with each number that has a source as its value alone."""
    return Rail(**{key: value["value"] if isinstance(value, dict) else value for key, value in data.items()})


def setup_names() -> Tuple[str, ...]:
    """The names of all setups, sorted."""
    return files.names("device_setup")
