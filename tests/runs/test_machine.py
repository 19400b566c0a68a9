"""What is known of machine, versions and commit: real files, a real git."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Dict

import numpy
import pytest

import energytrain
from energytrain.runs import machine


def _git(folder: Path, *arguments: str) -> str:
    identity = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**os.environ, **identity, "GIT_CONFIG_GLOBAL": os.devnull},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository that tracks a package of its own."""
    package = tmp_path / "repository" / "package"
    package.mkdir(parents=True)
    (package / "errors.py").write_text("")
    _git(package.parent, "init", "-q")
    _git(package.parent, "add", ".")
    _git(package.parent, "commit", "-q", "-m", "first")
    return package


def test_the_commit_of_a_clean_checkout(checkout: Path) -> None:
    head = _git(checkout, "rev-parse", "HEAD")
    assert machine.commit_of_package(checkout) == {"hash": head, "dirty": False}
    (checkout.parent / "notes.txt").write_text("beside the package")
    assert machine.commit_of_package(checkout) == {"hash": head, "dirty": False}


@pytest.mark.parametrize("name", ["errors.py", "new.py"])
def test_changed_and_new_files_make_it_dirty(checkout: Path, name: str) -> None:
    (checkout / name).write_text("changed = True\n")
    commit = machine.commit_of_package(checkout)
    assert commit is not None and commit["dirty"] is True


def test_a_package_inside_someone_elses_repository_has_no_commit(checkout: Path) -> None:
    installed = checkout.parent / ".venv" / "package"
    installed.mkdir(parents=True)
    (installed / "errors.py").write_text("")
    assert machine.commit_of_package(installed) is None


def test_no_repository_no_git_and_no_commit_yet(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.commit_of_package(tmp_path) is None
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "errors.py").write_text("")
    _git(fresh, "init", "-q")
    _git(fresh, "add", ".")
    assert machine.commit_of_package(fresh) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.commit_of_package(checkout) is None


def test_a_hook_that_starts_a_run_does_not_mislead(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = _git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(checkout / "nowhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(checkout / "nowhere"))
    commit = machine.commit_of_package(checkout)
    assert commit is not None and commit["hash"] == head


def test_facts_of_this_machine() -> None:
    facts = machine.machine_facts(gpu="some GPU")
    assert facts["platform"] == platform.platform()
    assert facts["cpus"] == os.cpu_count()
    assert facts["gpu"] == "some GPU"
    assert machine.machine_facts()["gpu"] is None


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC\n", "AMD EPYC"),
        ("processor\t: 0\nmodel name\t: ARMv8 Processor rev 3 (v8l)\n", "ARMv8 Processor rev 3 (v8l)"),
    ],
)
def test_the_processor_is_named_by_the_kernel(
    text: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(machine, "CPUINFO_FILE", str(tmp_path / "cpuinfo"))
    assert machine.cpu_model() == model


def test_what_the_kernel_does_not_say_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CPUINFO_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(machine, "BOARD_FILE", str(tmp_path / "none"))
    assert machine.cpu_model() == (platform.processor() or None)
    assert machine.board_model() is None
    (tmp_path / "model").write_bytes(b"NVIDIA Jetson TX2 Developer Kit\0")
    monkeypatch.setattr(machine, "BOARD_FILE", str(tmp_path / "model"))
    assert machine.board_model() == "NVIDIA Jetson TX2 Developer Kit"


def test_versions() -> None:
    found = machine.versions()
    assert found["energytrain"] == energytrain.__version__
    assert found["python"] == platform.python_version()
    assert found["numpy"] == numpy.__version__


def test_torch_is_asked_only_where_it_is_loaded() -> None:
    code = """
import sys
from energytrain.runs import events, folder, machine
facts, versions = machine.machine_facts(), machine.versions()
assert "torch" not in sys.modules
print(facts["threads"], versions["torch"].split("+")[0])
import torch
assert machine.machine_facts()["threads"] == torch.get_num_threads()
assert machine.versions()["torch"] == torch.__version__
print(torch.__version__.split("+")[0])
"""
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert printed == ["None", printed[1], printed[1]]


def test_it_is_json(checkout: Path) -> None:
    import json

    whole: Dict[str, object] = {"m": machine.machine_facts(), "v": machine.versions()}
    assert json.loads(json.dumps(whole)) == whole
