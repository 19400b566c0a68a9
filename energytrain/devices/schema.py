"""The form of profiles and setups as JSON Schema, and the check against it."""

from pathlib import Path
from typing import Any, Dict

import jsonschema

from ..errors import UsageError

SCHEMA_VERSION = 1
# Every precision of a ledger; a format that the device has no arithmetic for is given the rate of what emulates it. Of
# bfp8 no chip has the arithmetic: its figures come from those of fp32 (`costs.what_if`), and a profile needs none.
PRECISIONS = ("fp32", "bf16", "bfp8", "fp8_e4m3", "fp8_e5m2")
EFFICIENCIES = ("conv", "linear", "norm", "elementwise", "pool", "optimiser", "memory")
SCOPES = ("chip", "rail", "module", "board", "wall")

_TEXT = {"type": "string", "minLength": 1}
_DATE = r"^\d{4}(-\d{2}(-\d{2})?)?$"
_NAME = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"}
_NAMES = {"type": "array", "items": _TEXT, "minItems": 1, "uniqueItems": True}


def _number(**limits: Any) -> Dict[str, Any]:
    """A value with where it comes from and when that was published or looked up (year, month or day)."""
    return {
        "type": "object",
        "properties": {
            "value": {"type": "number", **limits},
            "source": {"type": "string", "minLength": 10},
            # A bare year is a number in YAML.
            "date": {"anyOf": [{"type": "string", "pattern": _DATE}, {"type": "integer", "minimum": 1950}]},
        },
        "required": ["value", "source", "date"],
        "additionalProperties": False,
    }


_POSITIVE = _number(exclusiveMinimum=0)
_NOT_NEGATIVE = _number(minimum=0)


def _by_precision() -> Dict[str, Any]:
    # fp16 is a fact of many boards; no ledger counts it yet the file may say it.
    return {
        "type": "object",
        "properties": {name: _POSITIVE for name in (*PRECISIONS, "fp16")},
        "required": [name for name in PRECISIONS if name != "bfp8"],
        "additionalProperties": False,
    }


_PROFILE_PROPERTIES: Dict[str, Any] = {
    "schema_version": {"const": SCHEMA_VERSION},
    "name": _NAME,
    "title": _TEXT,
    "scope": {"enum": list(SCOPES)},
    # What the scope alone does not say, such as that nobody knows where on the board the watts were read.
    "scope_note": _TEXT,
    # Names of GPUs as their driver gives them, whole, without "NVIDIA".
    "matches": _NAMES,
    # The rows that a fitted profile was fitted to: of these it predicts nothing.
    "fitted_on": _NAMES,
    "notes": {"type": "array", "items": _TEXT},
    "peak_flops": _by_precision(),
    "efficiency": {
        "type": "object",
        "properties": {name: _number(exclusiveMinimum=0, maximum=1) for name in EFFICIENCIES},
        "required": list(EFFICIENCIES),
        "additionalProperties": False,
    },
    "bandwidth": _POSITIVE,
    "launch_seconds": _NOT_NEGATIVE,
    "static_watts": _NOT_NEGATIVE,
    "joules_per_flop": _by_precision(),
    "joules_per_byte": _NOT_NEGATIVE,
    "idle_watts": _NOT_NEGATIVE,
    "max_watts": _POSITIVE,
    "channel_multiple": {
        **_number(minimum=1),
        "properties": {**_number()["properties"], "value": {"type": "integer", "minimum": 1}},
    },
    "calibrated": {"type": "boolean"},
    "bounds_factor": _number(exclusiveMinimum=1),
}

_OPTIONAL = ("scope_note", "matches", "fitted_on", "notes")

PROFILE_SCHEMA: Dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "energytrain device profile",
    "type": "object",
    "properties": _PROFILE_PROPERTIES,
    "required": [name for name in _PROFILE_PROPERTIES if name not in _OPTIONAL],
    "additionalProperties": False,
    # A model that was never compared with the device is not believed to better than a factor of 2.
    "if": {"properties": {"calibrated": {"const": False}}},
    "then": {"properties": {"bounds_factor": {"properties": {"value": {"minimum": 2}}}}},
}

_DETECT = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["tegra", "nvidia", "rapl", "any"]},
        "compatible": {"type": "array", "items": _TEXT, "minItems": 1},
    },
    "required": ["kind"],
    "additionalProperties": False,
}
_PREPARE = {
    "type": "object",
    "properties": {"command": _TEXT, "why": _TEXT},
    "required": ["command", "why"],
    "additionalProperties": False,
}
_RAIL = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "scope": {"enum": list(SCOPES)},
        "chip": _TEXT,
        "channel": {"type": "integer", "minimum": 0},
        "part_of": _TEXT,
        "carrier": {"type": "boolean"},
        "shunt_ohms": {"type": "number", "exclusiveMinimum": 0},
        "max_watts": _POSITIVE,
    },
    "required": ["name", "scope", "chip", "channel"],
    "additionalProperties": False,
}
# Meters of which one is enough, in the order of choice.
_CHOICE = {"type": "array", "items": _TEXT, "minItems": 2, "uniqueItems": True}
_SETUP_PROPERTIES: Dict[str, Any] = {
    "schema_version": {"const": SCHEMA_VERSION},
    "name": _NAME,
    "title": _TEXT,
    "profile": {"oneOf": [_NAME, {"type": "null"}]},
    "compute": {"enum": ["cpu", "cuda"]},
    "detect": _DETECT,
    "meters_required": {"type": "array", "items": {"anyOf": [_TEXT, _CHOICE]}, "uniqueItems": True},
    "rails": {"type": "array", "items": _RAIL},
    "prepare": {"type": "array", "items": _PREPARE},
    "notes": {"type": "array", "items": _TEXT},
}

SETUP_SCHEMA: Dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "energytrain device setup",
    "type": "object",
    "properties": _SETUP_PROPERTIES,
    "required": [name for name in _SETUP_PROPERTIES if name != "rails"],
    "additionalProperties": False,
}


def check(data: Any, schema: Dict[str, Any], path: Path) -> None:
    """Raises UsageError that names the file, the place in it and what is wrong there."""
    version = data.get("schema_version") if isinstance(data, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise UsageError(f"'{path}' has schema version {version}, newer than this energytrain knows.", "Update it.")
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(data))
    if error is not None:
        place = ".".join(str(part) for part in error.absolute_path)
        where = f" at '{place}'" if place else ""
        raise UsageError(f"'{path}' is not an {schema['title']}{where}: {error.message}.", "Correct it there.")
