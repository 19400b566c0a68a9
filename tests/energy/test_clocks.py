"""Times of two processes are comparable, and a machine without boot ids still works."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from energytrain.energy.traces import clocks


def test_monotonic_time_is_one_for_all_processes() -> None:
    before = clocks.monotonic_ns()
    told = subprocess.run(
        [sys.executable, "-c", "from energytrain.energy.traces.clocks import monotonic_ns; print(monotonic_ns())"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert before < int(told.stdout) < clocks.monotonic_ns()


def test_an_anchor_is_one_moment_on_three_clocks() -> None:
    before = (time.monotonic_ns(), clocks.boottime_ns(), time.time_ns())
    anchor = clocks.anchor()
    after = (time.monotonic_ns(), clocks.boottime_ns(), time.time_ns())
    assert all(b <= a <= c for b, a, c in zip(before, anchor, after))
    assert clocks.boottime_ns() >= anchor[0]


def test_the_boot_id_is_read_from_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "boot_id"
    file.write_text("0d3a9c1e-of-this-boot\n")
    monkeypatch.setattr(clocks, "BOOT_ID_FILE", str(file))
    assert clocks.boot_id() == "0d3a9c1e-of-this-boot"
    file.unlink()
    assert clocks.boot_id() == "unknown"


def test_the_host_has_a_name() -> None:
    assert clocks.host()
