"""A device's profile: its rates, unit energies and idle power, each number with where it comes from."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from ..errors import UsageError
from . import files
from .schema import PROFILE_SCHEMA, check


@dataclass(frozen=True)
class Number:
    """A number of a profile: its value, where it comes from, and when that was published or looked up."""

    value: float
    source: str
    date: str


@dataclass(frozen=True)
class Profile:
    """What the energy model needs to know of a device.

    scope: what `static_watts` and the unit energies cover (chip, rail, module, board or wall).
    peak_flops: FLOP/s by precision; efficiency: the share of it that a kind of layer reaches, and under "memory" the
        share of `bandwidth` (bytes/s) that is sustained.
    launch_seconds: the fixed cost of one operator. static_watts: drawn while training, whatever the work.
    joules_per_flop (by precision), joules_per_byte: what work adds to that.
    idle_watts, max_watts: the least and the most the device draws.
    channel_multiple: the widths that the device runs well are multiples of it.
    calibrated, bounds_factor: whether it was compared with the device, and by which factor the truth may lie above or
        below a modelled figure (95 %).
    numbers: every number above with its source and date, by path ("peak_flops.fp32").
    scope_note: what is to be said beside the scope, None where the scope says all.
    matches: names of GPUs that it stands for, as the driver gives them, without "NVIDIA".
    fitted_on: the rows that its numbers were fitted to, in words; empty where none were.
    """

    name: str
    title: str
    scope: str
    peak_flops: Mapping[str, float]
    efficiency: Mapping[str, float]
    bandwidth: float
    launch_seconds: float
    static_watts: float
    joules_per_flop: Mapping[str, float]
    joules_per_byte: float
    idle_watts: float
    max_watts: float
    channel_multiple: int
    calibrated: bool
    bounds_factor: float
    notes: Tuple[str, ...]
    numbers: Mapping[str, Number]
    scope_note: Optional[str] = None
    matches: Tuple[str, ...] = ()
    fitted_on: Tuple[str, ...] = ()


def load_profile(name_or_path: str) -> Profile:
    """The profile of that name, or in that YAML file. Raises UsageError where it is unknown or not well formed."""
    path = files.find("profile", name_or_path)
    return _loaded(path, files.stamp(path))


@lru_cache(maxsize=64)
def _loaded(path: Path, stamp: Tuple[int, int]) -> Profile:
    data = files.read_yaml(path)
    check(data, PROFILE_SCHEMA, path)
    numbers = dict(_numbers(data))
    plain = _plain(data)
    plain.pop("schema_version")
    lists = {key: tuple(plain.get(key, ())) for key in ("notes", "matches", "fitted_on")}
    profile = Profile(**{**plain, **lists, "numbers": numbers})
    if not profile.idle_watts <= profile.static_watts <= profile.max_watts:
        raise UsageError(
            f"'{path}' has watts out of order: idle {profile.idle_watts}, static {profile.static_watts}, "
            f"maximum {profile.max_watts}.",
            "The static power lies between the other two.",
        )
    return profile


def profile_names() -> Tuple[str, ...]:
    """The names of all profiles, sorted."""
    return files.names("profile")


def profile_of_gpu(model: str) -> Optional[str]:
    """The name of the profile that stands for a GPU of that name, None where none does.

    The whole name counts: an "RTX 3090 Ti" is no "RTX 3090", and a card for PCIe is no module.
    """
    words = model.lower().split()
    wanted = words[1:] if words[:1] == ["nvidia"] else words
    for name in profile_names():
        if wanted in [known.lower().split() for known in load_profile(name).matches]:
            return name
    return None


def _is_number(node: Any) -> bool:
    return isinstance(node, dict) and "value" in node


def _plain(node: Any) -> Any:
    """The same tree with each number as its value alone."""
    if _is_number(node):
        return node["value"]
    return {key: _plain(child) for key, child in node.items()} if isinstance(node, dict) else node


def _numbers(node: Dict[str, Any], prefix: str = "") -> Iterator[Tuple[str, Number]]:
    for key, child in node.items():
        if _is_number(child):
            yield prefix + key, Number(child["value"], child["source"], str(child["date"]))
        elif isinstance(child, dict):
            yield from _numbers(child, f"{prefix}{key}.")
