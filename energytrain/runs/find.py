"""Which run folders a person means by a path or a name."""

from pathlib import Path
from typing import Iterable, List

from ..errors import UsageError, unknown


def is_run(path: Path) -> bool:
    return (path / "run.json").is_file()


def runs_in(folder: Path) -> List[Path]:
    """The run folders directly inside `folder`, by name; none where it does not exist."""
    return sorted(p.parent for p in folder.glob("*/run.json")) if folder.is_dir() else []


def find_runs(names: Iterable[Path], runs_dir: Path) -> List[Path]:
    """Run folders for each name: a run folder's path, a folder of runs, or the name of a run inside `runs_dir`.

    Raises UsageError for a name that is none of these, with the nearest run's name.
    """
    found: List[Path] = []
    for name in names:
        if is_run(name):
            found.append(name)
        elif is_run(runs_dir / name):
            found.append(runs_dir / name)
        elif name.is_dir():
            found.extend(runs_in(name))
        elif name == runs_dir:
            continue
        else:
            known = [p.name for p in runs_in(runs_dir)]
            if known:
                raise unknown("run", str(name), known)
            raise UsageError(f"there is no run '{name}'.", f"No runs are stored in '{runs_dir}' yet.")
    return list(dict.fromkeys(found))
