"""Who else uses a GPU: by real processes where ids can be understood, not at all where they cannot."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest
from fakes.nvml_fixture import FakeNvml

from energytrain.meters.nvml.processes import Foreigners, count_foreign, parent_of

Look = Callable[..., Dict[str, Any]]
REAL = Path("/proc")
GONE = 2**22 + 1  # above the largest process id of Linux


@pytest.fixture
def start() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts a process that prints a line when it is up and then waits; ends it after the test."""
    started: List[subprocess.Popen[str]] = []

    def run(code: str = "") -> "subprocess.Popen[str]":
        whole = f"import subprocess, sys, time\n{code}\nprint('up', flush=True)\ntime.sleep(600)"
        process = subprocess.Popen([sys.executable, "-c", whole], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


CHILD = """
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
print(child.pid, flush=True)
"""


def test_parents_are_those_of_the_kernel(start: Any) -> None:
    trainer = start(CHILD)
    child = int(said(trainer))
    assert parent_of(child, REAL) == trainer.pid and parent_of(trainer.pid, REAL) == os.getpid()
    assert parent_of(GONE, REAL) is None


def test_a_name_with_brackets_does_not_confuse(tmp_path: Path) -> None:
    (tmp_path / "17").mkdir()
    (tmp_path / "17" / "stat").write_text("17 (a) b (c) S 4 17 17 0 -1\n")
    assert parent_of(17, tmp_path) == 4


def test_a_hidden_process_is_there_and_nobodys(tmp_path: Path) -> None:
    assert parent_of(os.getpid(), tmp_path) == 0


PARENTS: Dict[int, Optional[int]] = {10: 1, 11: 10, 12: 11, 20: 1, 21: 20, 30: 0, 40: 41, 41: 40, 1: 0}


@pytest.mark.parametrize(
    ("pids", "foreign"),
    [
        (set(), 0),
        ({10}, 0),
        ({11, 12}, 0),
        ({10, 11, 12, 20, 21}, 2),
        ({30}, 1),
        ({40, 41}, 2),
        ({1}, 1),
        ({99}, 0),
        ({99, 20}, 1),
    ],
    ids=["nobody", "itself", "descendants", "others", "hidden", "a circle", "the parent", "gone", "gone and there"],
)
def test_foreign_is_what_does_not_descend_from_the_owner(pids: set, foreign: int) -> None:
    assert count_foreign(pids, 10, PARENTS.get) == foreign


def test_the_training_and_its_children_are_not_foreign(
    look_nvml: Look, fake_nvml: FakeNvml, start: Any, tmp_path: Path
) -> None:
    trainer, stranger = start(CHILD), start()
    child = int(said(trainer))
    fake_nvml.set(compute_pids=f"{trainer.pid} {child}", graphics_pids=f"{child} {GONE}")
    root = host(tmp_path)

    def foreign() -> float:
        told = look_nvml(f"nvml:own={trainer.pid},root={root}")
        return float(told["conditions"]["nvml:0 foreign processes"][1])

    assert foreign() == 0
    fake_nvml.set(graphics_pids=f"{child} {stranger.pid}")
    assert foreign() == 1
    fake_nvml.set(compute_pids=f"{trainer.pid} {stranger.pid}")
    assert foreign() == 1, "in both lists it is one"


def test_without_being_told_the_parent_is_the_owner(look_nvml: Look, fake_nvml: FakeNvml, tmp_path: Path) -> None:
    fake_nvml.set(compute_pids=str(os.getpid()))
    assert look_nvml(f"nvml:root={host(tmp_path)}")["conditions"]["nvml:0 foreign processes"][1] == 0
    fake_nvml.set(compute_pids=str(os.getppid()))
    assert look_nvml(f"nvml:root={host(tmp_path)}")["conditions"]["nvml:0 foreign processes"][1] == 1


@pytest.mark.parametrize("namespace", ["pid:[4026532217]", None], ids=["container", "not told"])
def test_inside_a_container_nothing_is_claimed(
    look_nvml: Look, fake_nvml: FakeNvml, tmp_path: Path, namespace: Optional[str]
) -> None:
    """Older drivers give the host's ids there, newer ones leave out other containers: a zero would be no zero."""
    fake_nvml.set(compute_pids="4711")
    told = look_nvml(f"nvml:root={host(tmp_path, namespace)}")
    assert "nvml:0 foreign processes" not in told["conditions"] and len(told["conditions"]) == 7
    ((part, why, fix),) = told["unknown"]
    assert part == "foreign processes" and "container" in why and "--pid=host" in fix
    assert told["skipped"] == [], "no part of the power is missing"


def test_the_list_is_not_asked_for_more_often_than_it_may_cost(tmp_path: Path) -> None:
    """A list that takes 20 ms may be made every 20 s; each count makes two."""
    asked: List[str] = []

    def listed(handle: str) -> List[Any]:
        time.sleep(0.02)
        asked.append(handle)
        return [SimpleNamespace(pid=os.getpid())]

    nvml = SimpleNamespace(nvmlDeviceGetComputeRunningProcesses=listed, nvmlDeviceGetGraphicsRunningProcesses=listed)
    foreigners = Foreigners(nvml, "gpu", GONE, REAL)
    assert {foreigners.count() for _ in range(200)} == {1.0}, "in between the last count holds"
    assert asked == ["gpu", "gpu"]


def host(tmp_path: Path, namespace: Optional[str] = "pid:[4026531836]") -> str:
    """A root with this machine's processes, in the pid namespace of that name."""
    proc = tmp_path / "host" / "proc"
    if not proc.exists():
        (proc / "self" / "ns").mkdir(parents=True)
        if namespace is not None:
            os.symlink(namespace, proc / "self" / "ns" / "pid")
    for entry in REAL.iterdir():
        if entry.name.isdigit() and not (proc / entry.name).is_symlink():
            os.symlink(entry, proc / entry.name)
    return str(proc.parent)
