"""The import contract between the rooms, statically and by importing the torch-free rooms where torch cannot load."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
TORCH_FREE = ("quantities", "meters", "energy", "runs", "reports", "devices", "papers", "costs.energy_model")

IMPORT_WITHOUT_TORCH = """
import importlib, pkgutil, sys
from importlib.abc import MetaPathFinder

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision"):
            raise ModuleNotFoundError("torch was imported: " + name)

sys.meta_path.insert(0, Refuse())
imported = []
for room in sys.argv[1:]:
    module = importlib.import_module("energytrain." + room)
    imported.append(module.__name__)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), module.__name__ + "."):
        if not found.name.endswith(".__main__"):
            imported.append(importlib.import_module(found.name).__name__)
print(len(imported))
"""


def _lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", LINT], cwd=folder, capture_output=True, text=True)


def test_rooms_import_downwards_only() -> None:
    result = _lint(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("quantities/energy.py", "import torch"),
        ("meters/base.py", "from energytrain.devices import profile"),
        ("training/loop.py", "from energytrain import methods"),
        ("costs/energy_model.py", "from energytrain.costs import layers"),
    ],
)
def test_the_contract_sees_a_broken_floor(tmp_path: Path, module: str, line: str) -> None:
    shutil.copytree(ROOT / "energytrain", tmp_path / "energytrain", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    broken = tmp_path / "energytrain" / module
    broken.write_text(broken.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    result = _lint(tmp_path)
    assert result.returncode == 1, result.stdout
    assert "BROKEN" in result.stdout


def test_the_torch_free_rooms_load_where_torch_cannot() -> None:
    command = [sys.executable, "-c", IMPORT_WITHOUT_TORCH, *TORCH_FREE]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > len(TORCH_FREE)


def test_help_is_answered_without_torch() -> None:
    command = (
        "import sys; sys.argv = ['energytrain', '--help']\n"
        "from energytrain.cli.main import main\n"
        "try:\n    status = main()\nexcept SystemExit as end:\n    status = end.code\n"
        "assert not status, status\n"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "run" in result.stdout
