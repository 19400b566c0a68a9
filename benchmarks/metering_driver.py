"""One metering tool led through a plan of windows, as its own documentation says to use it.

benchmarks/metering.py starts this file with the Python of the tool's environment, so nothing is imported here but the
standard library and that tool. Standard input: a line of JSON {"tool", "options", "period_ns", "windows": [{"begin",
"seconds", "about"}, ...]}, and, once all tools are ready, a line "go". Standard output, a line of JSON each:
{"ready": how long it took to open a first window}, and {"windows": [...]} at the end, or {"failed": why}.
"""

import importlib.metadata
import json
import os
import sys
import tempfile
import time
from typing import Any, Callable, Dict, List, Optional

JOULES_PER_KWH = 3.6e6
WARM_UP_SECONDS = 0.3
HEAD_START_NS = 300_000_000


class Energytrain:
    """energytrain.measure. Its bounds come along."""

    distribution = "energytrain"

    def __init__(self) -> None:
        from energytrain.energy.measure import measure

        self._measure = measure

    def prepare(self) -> Any:
        return self._measure("window", meters=["nvml"])

    def begin(self, window: Any) -> None:
        window.__enter__()

    def end(self, window: Any) -> None:
        window.__exit__(None, None, None)

    def result(self, window: Any) -> Dict[str, Any]:
        energy = window.energy
        return {"joules": energy.joules, "why": energy.reason, "low": energy.low, "high": energy.high}


class Zeus:
    """ZeusMonitor of the GPU alone: one monitor, begin_window and end_window.

    sync_execution waits for work on the GPU by PyTorch; here is neither.
    """

    distribution = "zeus"

    def __init__(self, approx: bool) -> None:
        from zeus.monitor import ZeusMonitor

        self._monitor = ZeusMonitor(gpu_indices=[0], cpu_indices=[], approx_instant_energy=approx)

    def prepare(self) -> Dict[str, Any]:
        return {}

    def begin(self, window: Dict[str, Any]) -> None:
        self._monitor.begin_window("window", sync_execution=False, restart=True)

    def end(self, window: Dict[str, Any]) -> None:
        window["measured"] = self._monitor.end_window("window", sync_execution=False)

    def result(self, window: Dict[str, Any]) -> Dict[str, Any]:
        return {"joules": float(window["measured"].gpu_energy[0])}


class CodeCarbon:
    """OfflineEmissionsTracker, one from start() to stop() as it is meant to be used; the GPU's part of its energy."""

    distribution = "codecarbon"

    def __init__(self, **options: Any) -> None:
        from codecarbon import OfflineEmissionsTracker

        self._new = lambda: OfflineEmissionsTracker(country_iso_code="USA", log_level="error", **options)

    def prepare(self) -> Any:
        return self._new()

    def begin(self, tracker: Any) -> None:
        tracker.start()

    def end(self, tracker: Any) -> None:
        tracker.stop()

    def result(self, tracker: Any) -> Dict[str, Any]:
        data = tracker.final_emissions_data
        if not data.gpu_count:
            return {"joules": None, "why": "it found no GPU"}
        return {"joules": data.gpu_energy * JOULES_PER_KWH}


class Carbontracker:
    """CarbonTracker of the GPU, one for a training of one epoch, which is the window; the energy of its own log.

    The log's energy is that of the GPU times a data centre's average overhead (PUE 1.58), which is taken out here.
    """

    distribution = "carbontracker"

    def __init__(self) -> None:
        from carbontracker import constants, parser
        from carbontracker.tracker import CarbonTracker

        self._new, self._parse, self._overhead = CarbonTracker, parser.parse_all_logs, constants.PUE_2023

    def prepare(self) -> Dict[str, Any]:
        logs = tempfile.mkdtemp(dir=os.getcwd())
        tracker = self._new(epochs=1, epochs_before_pred=0, monitor_epochs=1, components="gpu", log_dir=logs)
        return {"tracker": tracker, "logs": logs}

    def begin(self, window: Dict[str, Any]) -> None:
        window["tracker"].epoch_start()

    def end(self, window: Dict[str, Any]) -> None:
        window["tracker"].epoch_end()

    def result(self, window: Dict[str, Any]) -> Dict[str, Any]:
        actual = self._parse(window["logs"])[0]["actual"]
        if actual is None:
            return {"joules": None, "why": "its log has no energy"}
        return {"joules": actual["energy (kWh)"] / self._overhead * JOULES_PER_KWH}


TOOLS: Dict[str, Callable[..., Any]] = {
    "energytrain": Energytrain,
    "zeus": Zeus,
    "codecarbon": CodeCarbon,
    "carbontracker": Carbontracker,
}


def cpu_seconds() -> float:
    """CPU time of this process and of all that it started, running or ended."""
    ended = os.times()
    total = time.process_time() + ended.children_user + ended.children_system
    for pid in _descendants(os.getpid()):
        try:
            total += time.clock_gettime((~pid << 3) | 2)  # the clock of another process, clock_getcpuclockid(3)
        except OSError:  # it has just ended
            continue
    return total


def _descendants(pid: int) -> List[int]:
    found: List[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return found
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                children = [int(word) for word in file.read().split()]
        except FileNotFoundError:
            continue
        for child in children:
            found += [child, *_descendants(child)]
    return found


def measure(tool: Any, begin_ns: Optional[int], seconds: float) -> Dict[str, Any]:
    """One window of so many seconds. Between `start` and `end` (CLOCK_MONOTONIC, ns) the user's code would run;
    `called` and `returned` enclose the tool's calls at the edges, `cpu_seconds` is what was used in between."""
    try:
        window = tool.prepare()
        if begin_ns is not None:
            time.sleep(max(0.0, (begin_ns - time.monotonic_ns()) * 1e-9))
        called = time.monotonic_ns()
        tool.begin(window)
        start = time.monotonic_ns()
        cpu = cpu_seconds()
        time.sleep(max(0.0, seconds - (time.monotonic_ns() - start) * 1e-9))
        cpu = cpu_seconds() - cpu
        end = time.monotonic_ns()
        tool.end(window)
        returned = time.monotonic_ns()
        times = {"called": called, "start": start, "end": end, "returned": returned, "cpu_seconds": cpu}
        return {**times, **tool.result(window)}
    except Exception as error:  # whatever a tool raises is its answer, and is printed as such
        return {"joules": None, "why": _said(error)}


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error) or 'no message'}".splitlines()[0]


def drive(asked: Dict[str, Any], say: Callable[[Dict[str, Any]], None]) -> None:
    began = time.monotonic_ns()
    make = TOOLS[asked["tool"]]
    try:
        tool = make(**asked["options"])
    except ImportError as error:
        say({"failed": f"not installed: {error}"})
        return
    except Exception as error:
        say({"failed": _said(error)})
        return
    first = measure(tool, None, WARM_UP_SECONDS)
    if "start" not in first:
        say({"failed": first["why"]})
        return
    version = importlib.metadata.version(tool.distribution)
    say({"ready": {"version": version, "first_window_seconds": (first["start"] - began) * 1e-9}})
    if sys.stdin.readline().strip() != "go":
        return
    # Every tool meets the same phases of load and sensor: the plan begins at a whole multiple of what both repeat in.
    period = asked["period_ns"]
    origin = -(-(time.monotonic_ns() + HEAD_START_NS) // period) * period
    windows = []
    for window in asked["windows"]:
        begin = int(window["begin"] * 1e9)
        while origin + begin < time.monotonic_ns():
            origin += period
        windows.append({"about": window["about"], **measure(tool, origin + begin, window["seconds"])})
    say({"windows": windows})


def main() -> None:
    if not os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children"):
        sys.exit("This kernel does not list a process's children in /proc, so their CPU time cannot be had.")
    # What a tool prints must not get between the lines for the benchmark.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    drive(json.loads(sys.stdin.readline()), lambda answer: print(json.dumps(answer), file=answers))


if __name__ == "__main__":
    main()
