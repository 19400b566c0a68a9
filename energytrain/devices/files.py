"""Finds and reads the YAML files of profiles and setups: in an installed wheel, in a checkout, or at a path given.

The wheel carries them inside the package (`_profiles`, `_device_setups`); a checkout has them at its top level
(`profiles`, `device_setups`).
"""

import re
from pathlib import Path
from typing import Any, Dict, List, Tuple

import yaml

from ..errors import UsageError, unknown

_PACKAGE = Path(__file__).resolve().parent.parent
_KINDS = {"profile": "device profile", "device_setup": "device"}


def folder(kind: str, package: Path = _PACKAGE) -> Path:
    """The folder of all files of a kind, "profile" or "device_setup". Raises UsageError where it is nowhere."""
    places = (package / f"_{kind}s", package.parent / f"{kind}s")
    for place in places:
        if place.is_dir():
            return place
    raise UsageError(f"this installation of energytrain has no {kind}s.", "Install energytrain again.")


def names(kind: str, package: Path = _PACKAGE) -> Tuple[str, ...]:
    """The names of all files of a kind, sorted."""
    return tuple(sorted(path.stem for path in folder(kind, package).glob("*.yaml")))


def find(kind: str, name_or_path: str, package: Path = _PACKAGE) -> Path:
    """The file of that name, or the file at that path (anything with a slash or ending in .yaml or .yml)."""
    if "/" in name_or_path or name_or_path.endswith((".yaml", ".yml")):
        path = Path(name_or_path)
        if not path.is_file():
            raise UsageError(f"there is no file '{path}'.", f"Known: {', '.join(names(kind, package))}.")
        return path
    if name_or_path not in names(kind, package):
        raise unknown(_KINDS[kind], name_or_path, names(kind, package))
    return folder(kind, package) / f"{name_or_path}.yaml"


def stamp(path: Path) -> Tuple[int, int]:
    """Size and time of change: what is kept in memory of a file is good while they stay."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def read_yaml(path: Path) -> Any:
    """The document in a YAML file; dates stay text, 1e9 is a number. Raises UsageError where it is not YAML."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        first = " ".join(str(error).split())
        raise UsageError(f"'{path}' is not a YAML file: {first}.", "Correct it there.") from None


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without its two surprises for numbers and dates, and without silent duplicate keys."""

    yaml_implicit_resolvers: Dict[str, List[Tuple[str, Any]]] = {
        first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = sorted(str(key) for key in keys if keys.count(key) > 1)
        if twice:
            problem = f"the key '{twice[0]}' stands twice"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        mapping: Dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


# YAML 1.1, PyYAML's version, reads 1e9 and 6.5e11 as text for want of a dot or a sign.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(?:\d[\d_]*)(?:\.[\d_]*)?[eE][-+]?\d+$"), list("-+0123456789")
)
