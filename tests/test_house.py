"""The rules of the house that a reader relies on: small files, said purposes, Python 3.8, nothing of one machine."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "energytrain"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 300
# Folders of tests/ that stand for no room of the package.
NO_ROOM = {"fakes"}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _project_files() -> List[Path]:
    """What git tracks or would track; where the project is no checkout, all but hidden folders and what was built."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode == 0 and listed.stdout:
        return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]
    folders = [path for path in ROOT.iterdir() if path.is_dir() and path.name not in {"build", "dist", "runs"}]
    folders = [path for path in folders if path.name == ".ci" or not path.name.startswith(".")]
    files = [path for path in ROOT.iterdir() if path.is_file()]
    return files + [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def test_the_package_was_found() -> None:
    assert PACKAGE / "__init__.py" in MODULES


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_file_has_one_said_purpose_and_stays_small(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MAX_LINES
    assert ast.get_docstring(ast.parse(source)), "no docstring says what this file is for"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_file_is_python_3_8(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), filename=str(path), feature_version=(3, 8))


def test_the_standard_library_used_is_that_of_python_3_8() -> None:
    vermin = [sys.executable, "-c", "from vermin import main; main()", "--target=3.8-", "--violations", "--no-tips"]
    result = subprocess.run([*vermin, "--eval-annotations", str(PACKAGE)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Minimum required versions:" in result.stdout


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"][1:], ids=_name)
def test_a_room_re_exports_nothing(path: Path) -> None:
    """A re-export would load a whole room, and with it torch, for one name."""
    assert len(ast.parse(path.read_text(encoding="utf-8")).body) == 1


def test_every_folder_of_the_package_is_a_package() -> None:
    folders = {path.parent for path in MODULES}
    assert [_name(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_the_test_tree_mirrors_the_package() -> None:
    tests = ROOT / "tests"
    tested = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")} - {Path(".")}
    tested -= {folder for folder in tested if folder.parts[0] in NO_ROOM}
    rooms = {path.parent.relative_to(PACKAGE) for path in MODULES if path.name != "__init__.py"} - {Path(".")}
    assert [str(folder) for folder in sorted(tested) if not (PACKAGE / folder / "__init__.py").exists()] == []
    assert [str(room) for room in sorted(rooms) if room.parts[:1] not in {folder.parts[:1] for folder in tested}] == []


def _machine_paths() -> Iterator[str]:
    """Paths that only one person's machine has, as regular expressions."""
    yield "/" + "(?:home|Users)" + r"/[a-z][\w.-]*/"
    yield re.escape(str(ROOT)) + r"(?![\w.-])"
    if len(Path.home().parts) > 1:
        yield re.escape(str(Path.home())) + r"(?![\w.-])"


def test_no_file_names_a_path_of_one_machine() -> None:
    pattern = re.compile(r"(?<![\w.~-])(?:" + "|".join(_machine_paths()) + ")")
    found = []
    for path in _project_files():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="ignore").splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{_name(path)}:{number}: {line.strip()[:120]}")
    assert found == []


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_nothing_is_written_or_read_as_a_pickle() -> None:
    """CIFAR's own files are pickles: its reader alone may name the module, to restrict it."""
    picklers = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve"}
    users = set()
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if picklers & {module.split(".")[0] for module in _imported(tree)}:
            users.add(_name(path))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "torch":
                assert node.attr not in {"save", "load"}, f"{_name(path)}:{node.lineno}: torch.{node.attr} pickles"
    assert {user for user in users if not user.startswith("energytrain/data/")} == set()
    assert len(users) <= 1


def test_tests_run_with_one_thread() -> None:
    command = "import torch; print(torch.get_num_threads())"
    printed = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "1"
