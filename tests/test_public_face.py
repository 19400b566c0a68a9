"""The names that `import energytrain` promises, and that it promises them without loading anything."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import energytrain

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("measure", "energytrain.energy.measure"),
        ("EarlyBird", "energytrain.pruning.early_bird"),
        ("rebuild", "energytrain.pruning.rebuild"),
        ("load_runs", "energytrain.runs.load"),
        ("load_model", "energytrain.execution.model_file"),
    ],
)
def test_a_public_name_is_the_room_s_own_object(name: str, home: str) -> None:
    assert getattr(energytrain, name) is getattr(import_module(home), name)
    assert name in energytrain.__all__
    assert name in dir(energytrain)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Earlybird'"):
        energytrain.Earlybird  # noqa: B018


def test_importing_the_package_loads_nothing_heavy() -> None:
    command = "import sys, energytrain; print(sorted({'torch', 'numpy', 'pandas', 'click'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
