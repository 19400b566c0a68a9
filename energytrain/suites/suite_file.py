"""A suite's YAML file: its form as JSON Schema, and reading it into plain data.

Options have the names that they have on the command line of `energytrain run`; which there are, the caller says.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..devices.files import read_yaml
from ..devices.schema import SCHEMA_VERSION, check
from ..errors import UsageError, unknown

# What a suite decides itself, and how it is said there.
NOT_IN_A_SUITE = {
    "name": "The suite names the folders; a block's `name` says how.",
    "runs-dir": "It is the suite's own: `runs_dir` at its top, or --runs-dir.",
    "like": "Write `like` into a block of the matrix.",
    "fresh": "Use 'energytrain bench --rerun-stale'.",
    "accept-changes": "Use 'energytrain bench --accept-changes'.",
    "repeat": "Give several seeds.",
    "budget": "A run that is cut short says nothing in a comparison.",
    "config": "Write the options under `defaults`.",
}

_TEXT = {"type": "string", "minLength": 1}
_SCALAR = {"type": ["string", "number", "boolean"]}
_VALUE = {"type": ["string", "number", "boolean", "array"], "items": _SCALAR, "minItems": 1}
# A list in a block is an axis; only an option that is given several times (meter) has a list for one value. Null takes
# a default away.
_AXIS = {
    "type": ["string", "number", "boolean", "array", "null"],
    "items": {"type": ["string", "number", "boolean", "array"], "items": _SCALAR, "minItems": 1},
    "minItems": 1,
    "uniqueItems": True,
}

SUITE_SCHEMA: Dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "energytrain suite",
    "type": "object",
    "properties": {
        "schema_version": {"const": SCHEMA_VERSION},
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]*$"},
        "title": _TEXT,
        "runs_dir": _TEXT,
        "compare_with": _TEXT,
        "equivalence_margin": {"type": "number", "exclusiveMinimum": 0},
        "defaults": {"type": "object", "additionalProperties": _VALUE},
        "matrix": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"name": _TEXT, "like": _TEXT},
                "minProperties": 1,
                "additionalProperties": _AXIS,
            },
        },
    },
    "required": ["schema_version", "name", "matrix"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Option:
    """An option of `energytrain run`. flag: it has no value; off: how a flag is denied, where it can be; several: it
    may be given more than once."""

    name: str
    flag: bool = False
    off: Optional[str] = None
    several: bool = False


@dataclass(frozen=True)
class Block:
    """One product of lists. place: where it stands in the file. name: pattern of its runs' names; like: the runs that
    its own are matched to. options: values by option, an axis as a tuple, None for a default that is taken away;
    `axes` names the axes, in the file's order."""

    place: str
    name: Optional[str]
    like: Optional[str]
    options: Mapping[str, Any]
    axes: Tuple[str, ...]


@dataclass(frozen=True)
class Suite:
    """A suite as its file says it. compare_with: the runs that differences are taken to, by name;
    equivalence_margin: points of accuracy below which a difference does not matter."""

    path: Path
    name: str
    title: Optional[str]
    runs_dir: Optional[str]
    compare_with: Optional[str]
    equivalence_margin: Optional[float]
    defaults: Mapping[str, Any]
    blocks: Tuple[Block, ...]


def read_suite(path: Path, options: Mapping[str, Option]) -> Suite:
    """The suite in `path`; `options`: those of a run, by name without dashes in front.

    Raises UsageError for a file that is not there or not of the form, and for an option that there is not, with the
    nearest one.
    """
    if not path.is_file():
        raise UsageError(f"there is no suite file '{path}'.", "Name a YAML file; docs/suites.md shows one.")
    try:
        data = read_yaml(path)
    except OSError as error:
        raise UsageError(f"the suite file '{path}' cannot be read: {error.strerror}.") from error
    check(data, SUITE_SCHEMA, path)
    defaults = _options(data.get("defaults", {}), options, path, "defaults")
    for name, value in defaults.items():
        if isinstance(value, list) and not options[name].several:
            hint = "Put the list into a block of `matrix`, where it is an axis."
            raise UsageError(f"'{path}' gives '{name}' several values at 'defaults'.", hint)
    blocks = tuple(_block(block, options, path, number) for number, block in enumerate(data["matrix"]))
    return Suite(
        path=path,
        name=data["name"],
        title=data.get("title"),
        runs_dir=data.get("runs_dir"),
        compare_with=data.get("compare_with"),
        equivalence_margin=data.get("equivalence_margin"),
        defaults=defaults,
        blocks=blocks,
    )


def _block(data: Mapping[str, Any], options: Mapping[str, Option], path: Path, number: int) -> Block:
    place = f"matrix.{number}"
    given = {key: value for key, value in data.items() if key not in ("name", "like")}
    values = _options(given, options, path, place)
    axes = tuple(name for name, value in values.items() if isinstance(value, list))
    plain = {name: tuple(value) if name in axes else value for name, value in values.items()}
    for name in axes:
        if not options[name].several and any(isinstance(value, list) for value in plain[name]):
            raise UsageError(f"'{path}' has a list inside the list of '{name}' at '{place}'.", "Write one list.")
    return Block(place, data.get("name"), data.get("like"), plain, axes)


def _options(values: Mapping[str, Any], options: Mapping[str, Option], path: Path, place: str) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for key, value in values.items():
        name = re.sub("_", "-", str(key))
        if name in NOT_IN_A_SUITE:
            raise UsageError(f"'{path}' has '{key}' at '{place}', which a suite decides.", NOT_IN_A_SUITE[name])
        if name not in options:
            known = [option for option in options if option not in NOT_IN_A_SUITE]
            raise unknown(f"option at '{place}' of '{path}':", str(key), known)
        if name in found:
            raise UsageError(f"'{path}' gives '{name}' twice at '{place}'.", "Keep one of the two.")
        found[name] = value
    return found


def arguments(values: Mapping[str, Any], options: Mapping[str, Option]) -> Tuple[str, ...]:
    """The command line of `values`; a flag that is false and cannot be denied is left out.

    >>> arguments({"lr": 0.1, "l1-retrain": True}, {"lr": Option("lr"), "l1-retrain": Option("l1-retrain", flag=True)})
    ('--lr=0.1', '--l1-retrain')
    """
    words: List[str] = []
    for name, value in values.items():
        option = options[name]
        if option.flag and not isinstance(value, bool):
            raise UsageError(f"the option '{name}' is either true or false, not '{value}'.")
        if isinstance(value, bool) and not option.flag:
            raise UsageError(f"the option '{name}' needs a value, not {str(value).lower()}.")
        if option.flag:
            words += [f"--{name}"] if value else [option.off] if option.off is not None else []
            continue
        for one in value if isinstance(value, (list, tuple)) else (value,):
            words.append(f"--{name}={one}")
    return tuple(words)
