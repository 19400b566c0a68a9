"""What an attempt ran on and with: machine, versions, and the commit of the package, without importing torch."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from .. import __version__

CPUINFO_FILE = "/proc/cpuinfo"
BOARD_FILE = "/proc/device-tree/model"
LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn")
_PACKAGE = Path(__file__).resolve().parents[1]
_GIT_SECONDS = 10.0


def machine_facts(gpu: Optional[str] = None) -> Dict[str, Any]:
    """The machine, as JSON; None where a fact cannot be found out. `gpu`: the name that the caller knows, if any.

    threads: those that torch computes with, where torch is loaded; the bits of a result depend on it.
    """
    torch = sys.modules.get("torch")
    return {
        "platform": platform.platform(),
        "architecture": platform.machine(),
        "board": board_model(),
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "threads": None if torch is None else int(torch.get_num_threads()),
        "gpu": gpu,
    }


def versions() -> Dict[str, Optional[str]]:
    """Versions of energytrain, Python and the libraries that numbers depend on; None for one not installed.

    torch's is the loaded one's, where it is loaded: it also names the build ("2.13.0+cpu").
    """
    found: Dict[str, Optional[str]] = {"energytrain": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    torch = sys.modules.get("torch")
    if torch is not None:
        found["torch"] = str(torch.__version__)
    return found


def commit_of_package(package: Path = _PACKAGE) -> Optional[Dict[str, Any]]:
    """{"hash", "dirty"} of the git checkout that tracks the package, None where none does (an installed wheel).

    dirty: the package's own files differ from that commit. A repository that merely contains the environment that the
    package is installed in does not track it, and its commit would mean nothing here.
    """
    if not _git(package, "ls-files", "--", "errors.py"):
        return None
    head = _git(package, "rev-parse", "HEAD")
    changed = _git(package, "status", "--porcelain", "--", ".")
    return None if not head or changed is None else {"hash": head, "dirty": bool(changed)}


def same_code(one: Optional[Mapping[str, Any]], other: Optional[Mapping[str, Any]], package: Path = _PACKAGE) -> bool:
    """Whether two commits of `commit_of_package` hold the same package: a commit of documents changes no run."""
    if one == other:
        return True
    if one is None or other is None or one["dirty"] or other["dirty"]:
        return False
    return _git(package, "diff", "--quiet", one["hash"], other["hash"], "--", ".") is not None


def cpu_model() -> Optional[str]:
    """The processor's name as the kernel gives it."""
    try:
        with open(CPUINFO_FILE, encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() in ("model name", "Processor", "Model") and value.strip():
                    return value.strip()
    except OSError:
        pass
    return platform.processor() or None


def board_model() -> Optional[str]:
    """The board's name from the device tree (a Jetson, a Raspberry Pi); None on machines without one."""
    try:
        with open(BOARD_FILE, "rb") as file:
            return file.read().rstrip(b"\0").decode("utf-8", "replace") or None
    except OSError:
        return None


def _git(folder: Path, *arguments: str) -> Optional[str]:
    """What git prints, or None where it is not installed, fails or hangs."""
    # A hook that starts a run sets GIT_DIR to the repository of the hook.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").strip()
