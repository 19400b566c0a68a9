"""What docs/measuring.md shows as printed is what the example above it prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "measuring.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"<!-- runnable -->\n```python\n(.*?)^```\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_they_were_found() -> None:
    assert len(SHOWN) == 2


@pytest.mark.parametrize(("example", "printed"), SHOWN, ids=["part-time sensors", "averaging"])
def test_an_example_prints_what_is_shown(example: str, printed: str) -> None:
    assert subprocess.run([sys.executable, "-c", example], capture_output=True, text=True).stdout == printed
