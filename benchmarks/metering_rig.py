"""The rig of benchmarks/metering.py: loads, sensors, an environment for the rivals, and a driver process a tool.

Every driver gets a fake GPU of its own: one compiled library (benchmarks/fake_driver.py), a control file each. What a
fake GPU draws is a function of CLOCK_MONOTONIC, so the truth of a window follows from its edges.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from math import gcd
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from window_energy import Load

HERE = Path(__file__).resolve().parent
DRIVER = HERE / "metering_driver.py"
PINS = HERE / "metering_rivals.txt"
ENERGYTRAIN = "energytrain"

# Nothing listens there. carbontracker asks the internet where it is and has no way to be told not to; this refuses it
# at once, and keeps the others from asking.
NO_NETWORK = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Sensor:
    """counter: whether the GPU has an energy counter, else its power readings are all there is."""

    name: str
    update_ms: int
    settings: Mapping[str, int]

    @property
    def counter(self) -> bool:
        return bool(self.settings.get("counter", 1))


@dataclass(frozen=True)
class Tool:
    """driver: its name in metering_driver.py, which gets the options; name: the same tool under other options."""

    name: str
    driver: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Window:
    """begin: seconds after the plan's own; seconds: how long, which is about `about`."""

    begin: float
    seconds: float
    about: float


@dataclass(frozen=True)
class Job:
    """One tool before one GPU. noise_mw: how much its power readings flicker."""

    tool: Tool
    sensor: Sensor
    load: Load
    noise_mw: int = 0

    def control(self) -> str:
        settings = {
            "power_mw": int(1e3 * self.load.high),
            "square_low_mw": int(1e3 * self.load.low),
            "square_period_ms": self.load.period_ms,
            "update_ms": self.sensor.update_ms,
            "noise_mw": self.noise_mw,
            **self.sensor.settings,
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())

    @property
    def period_ms(self) -> int:
        """After so long load and sensor stand to each other as before."""
        load, update = self.load.period_ms or 1, self.sensor.update_ms
        return load * update // gcd(load, update)


@dataclass(frozen=True)
class Answer:
    """What a driver said: `ready` and `windows` as in metering_driver.py, or why there is nothing."""

    job: Job
    ready: Optional[Dict[str, Any]]
    windows: List[Dict[str, Any]]
    why: Optional[str] = None


def rivals_python(folder: Path) -> Path:
    """The Python of the rivals' environment in `folder`, which is made, and filled with pip, unless it is as pinned."""
    python, done = folder / "bin" / "python", folder / PINS.name
    pins = PINS.read_text(encoding="utf-8")
    if not done.exists() or done.read_text(encoding="utf-8") != pins:
        print(f"filling {folder} with what {PINS.name} lists, which takes some minutes", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, stdout=sys.stderr)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(PINS)], check=True, stdout=sys.stderr)
        done.write_text(pins, encoding="utf-8")
    return python.absolute()


class Rig:
    """Starts drivers before fake GPUs. library_path: what the dynamic loader finds the fake library by."""

    def __init__(self, folder: Path, library_path: str, rivals: Path) -> None:
        self._folder = folder
        self._rivals = rivals
        tools = folder / "bin"
        tools.mkdir()
        smi = tools / "nvidia-smi"  # codecarbon takes a machine without it for one without a GPU
        smi.write_text("#!/bin/sh\necho 'NVIDIA System Management Interface'\n")
        smi.chmod(0o755)
        self._env = {
            **os.environ,
            "LD_LIBRARY_PATH": library_path,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        # Modules compiled at each start would be a machine's oddity in the start-up times.
        self._env.pop("PYTHONDONTWRITEBYTECODE", None)
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            self._env.update({name: NO_NETWORK, name.upper(): NO_NETWORK})
        for name in ("no_proxy", "NO_PROXY"):
            self._env.pop(name, None)

    def run(self, jobs: Sequence[Job], windows: Sequence[Window]) -> List[Answer]:
        """All jobs at once, each through the same windows, begun when all are ready."""
        drivers = [_Driver(job, self._started(job), windows) for job in jobs]
        for driver in drivers:
            driver.hear_ready()
        for driver in drivers:
            driver.go()
        return [driver.finish() for driver in drivers]

    def _started(self, job: Job) -> "subprocess.Popen[str]":
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        control = folder / "nvml.control"
        control.write_text(job.control(), encoding="utf-8")
        env = {**self._env, "FAKE_NVML_CONTROL": str(control)}
        python = Path(sys.executable)
        if job.tool.driver == ENERGYTRAIN:
            env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), env.get("PYTHONPATH")]))
        else:
            python = self._rivals
            env["HOME"] = str(folder)  # so that nobody's own settings of the tool are taken up
        with open(folder / "stderr", "w", encoding="utf-8") as stderr:
            return subprocess.Popen(
                [str(python), str(DRIVER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=folder,
                env=env,
                text=True,
            )


class _Driver:
    def __init__(self, job: Job, process: "subprocess.Popen[str]", windows: Sequence[Window]) -> None:
        self._job = job
        self._process = process
        self._ready: Optional[Dict[str, Any]] = None
        self._why: Optional[str] = None
        asked = {
            "tool": job.tool.driver,
            "options": dict(job.tool.options),
            "period_ns": job.period_ms * 1_000_000,
            "windows": [asdict(window) for window in windows],
        }
        self._tell(json.dumps(asked))

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            print(line, file=self._process.stdin, flush=True)
        except BrokenPipeError:  # it has ended, and what it says next is nothing
            pass

    def _hear(self) -> Dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return dict(json.loads(line))
        return {"failed": f"its process ended with status {self._process.wait()}"}

    def hear_ready(self) -> None:
        answer = self._hear()
        self._ready, self._why = answer.get("ready"), answer.get("failed")

    def go(self) -> None:
        if self._why is None:
            self._tell("go")

    def finish(self) -> Answer:
        windows: List[Dict[str, Any]] = []
        if self._why is None:
            answer = self._hear()
            windows, self._why = answer.get("windows", []), answer.get("failed")
        self._process.communicate()
        return Answer(self._job, self._ready, windows, self._why)
