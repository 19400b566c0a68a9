"""What is built is whole: sdist, wheel and editable installs, each in a fresh environment, find the shipped files."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import List

import pytest

from energytrain.papers.tables import paper_table, paper_tables

ROOT = Path(__file__).resolve().parents[1]
SOURCES = "energytrain profiles device_setups pyproject.toml setup.py MANIFEST.in README.md LICENSE".split()

FIND = """
import json, energytrain
from importlib.metadata import version
from energytrain.devices.profile import load_profile, profile_names
from energytrain.devices.setup import load_setup, setup_names
from energytrain.papers.tables import paper_table, paper_tables
print(json.dumps({
    "file": energytrain.__file__,
    "version": version("energytrain"),
    "profiles": sorted(load_profile(name).name for name in profile_names()),
    "setups": sorted(load_setup(name).name for name in setup_names()),
    "tables": {name: len(paper_table(name)) for name in paper_tables()},
}))
"""

pytestmark = pytest.mark.slow


def _call(*command: str, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def _copy_of_the_sources(folder: Path) -> Path:
    folder.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def _fresh_environment(folder: Path) -> Path:
    """A new environment's Python; it finds this one's libraries, but none of its editable installs or scripts."""
    _call(sys.executable, "-m", "venv", "--without-pip", str(folder), cwd=folder.parent)
    python = folder / "bin" / "python"
    site = _call(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    # A path line, unlike addsitedir, does not run the .pth files of the folder that it names.
    (Path(site) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def _install(python: Path, *what: str, cwd: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--disable-pip-version-check"]
    _call(*pip, "--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed", *what, cwd=cwd)


def _shipped(folder: str) -> List[str]:
    return sorted(path.stem for path in (ROOT / folder).glob("*.yaml"))


def _check(python: Path, inside: Path) -> None:
    empty = python.parents[1] / "empty"
    empty.mkdir()
    found = json.loads(_call(str(python), "-c", FIND, cwd=empty))
    assert inside in Path(found["file"]).parents
    assert found["version"] == "0.1.0"
    assert found["profiles"] == _shipped("profiles")
    assert found["setups"] == _shipped("device_setups")
    assert found["tables"] == {name: len(paper_table(name)) for name in paper_tables()}
    assert "tx2" in found["profiles"] and "tx2" in found["setups"]
    script = python.parent / "energytrain"
    assert found["version"] in _call(str(script), "--version", cwd=empty)
    assert _call(str(python), "-m", "energytrain", "methods", "--json", cwd=empty).startswith(("{", "["))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the sdist and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("built")
    sources = _copy_of_the_sources(folder / "sources")
    _call(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(sources), cwd=folder)
    return folder


def test_the_wheel_holds_the_package_and_its_data_only(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    packaged = {path.relative_to(ROOT).as_posix() for path in (ROOT / "energytrain").rglob("*.py")}
    packaged |= {f"energytrain/_profiles/{name}.yaml" for name in _shipped("profiles")}
    packaged |= {f"energytrain/_device_setups/{name}.yaml" for name in _shipped("device_setups")}
    packaged |= {"energytrain/py.typed"}
    for ending in ("json", "csv", "css", "js", "j2"):
        packaged |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "energytrain").rglob(f"*.{ending}")}
    assert {name for name in names if ".dist-info/" not in name} == packaged
    assert any(name.endswith("/LICENSE") for name in names)


def test_a_wheel_finds_its_files_in_a_fresh_environment(built: Path, tmp_path: Path) -> None:
    python = _fresh_environment(tmp_path / "environment")
    (wheel,) = built.glob("*.whl")
    _install(python, str(wheel), cwd=tmp_path)
    _check(python, inside=tmp_path / "environment")


def test_an_editable_install_finds_the_folders_of_its_checkout(tmp_path: Path) -> None:
    sources = _copy_of_the_sources(tmp_path / "sources")
    python = _fresh_environment(tmp_path / "environment")
    _install(python, "--editable", str(sources), cwd=tmp_path)
    (sources / "profiles" / "mine.yaml").write_text(
        (sources / "profiles" / "tx2.yaml").read_text(encoding="utf-8").replace("name: tx2", "name: mine"),
        encoding="utf-8",
    )
    command = "from energytrain.devices.profile import load_profile; print(load_profile('mine').name)"
    assert _call(str(python), "-c", command, cwd=tmp_path).strip() == "mine"
    (sources / "profiles" / "mine.yaml").unlink()
    _check(python, inside=sources)
