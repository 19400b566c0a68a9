"""Files that are whole or not there: written beside their place, synced, then renamed into it.

A reader never meets half a file, and neither does the next start after a kill or a loss of power.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, Union

TEMPORARY_SUFFIX = ".tmp"


def write_bytes(path: Union[str, Path], data: bytes) -> None:
    """Put `data` at `path` in one step. On OSError (no room, no right) what was at `path` is untouched."""
    target = Path(path)
    temporary = temporary_path(target)
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        _remove_if_there(temporary)
        raise
    sync_folder(target.parent)


def write_json(path: Union[str, Path], data: Any) -> None:
    """Put `data` as indented JSON at `path` in one step. ValueError for NaN and infinity, which JSON has not."""
    write_bytes(path, (json.dumps(data, indent=1, allow_nan=False) + "\n").encode())


def temporary_path(target: Path) -> Path:
    """Where this process writes what will become `target`: hidden, in the same folder."""
    return target.with_name(f".{target.name}.{os.getpid()}{TEMPORARY_SUFFIX}")


def sync_folder(folder: Union[str, Path]) -> None:
    """Make the folder's names durable: a rename alone may be lost with the power. Windows does not open folders."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_there(path: Path) -> None:
    try:
        path.unlink()
    except FileNotFoundError:
        pass
