"""The table of known metering faults (docs/measuring.md): each row names tests, and every test that it names exists."""

import ast
import re
from pathlib import Path
from typing import List, Set, Tuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "measuring.md"
FAULTS = 19
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def _rows() -> List[Tuple[int, List[Tuple[str, str]]]]:
    text = PAGE.read_text(encoding="utf-8").split("## Faults that meters are known for", 1)[1]
    lines = re.findall(r"^\| (\d+) \|.*$", text, re.M)
    rows = [line for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    return [(int(number), NAMED.findall(row)) for number, row in zip(lines, rows)]


def _tests(path: Path) -> Set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_fault_has_its_row() -> None:
    assert [number for number, _ in _rows()] == list(range(1, FAULTS + 1))


@pytest.mark.parametrize(("number", "named"), _rows())
def test_every_row_names_tests_that_exist(number: int, named: List[Tuple[str, str]]) -> None:
    assert named
    for file, test in named:
        assert test in _tests(ROOT / file)
