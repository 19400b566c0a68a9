"""A fake NVIDIA driver: the real pynvml finds it through LD_LIBRARY_PATH in every process that a test starts.

`fake_nvml.set(power_mw=..., square_period_ms=..., ...)` says what it answers (the keys are listed at the head of
nvml/fake_nvml.c; `key__N` is GPU N's own) and takes effect at once, also in processes that run already.
"""

import json
import os
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path
from typing import Any, Callable, Dict, Union

import pytest

SOURCE = Path(__file__).parent / "nvml" / "fake_nvml.c"
Value = Union[int, str]


class FakeNvml:
    def __init__(self, library: Path, control: Path) -> None:
        self.env = {
            "LD_LIBRARY_PATH": os.pathsep.join(filter(None, [str(library.parent), os.environ.get("LD_LIBRARY_PATH")])),
            "FAKE_NVML_CONTROL": str(control),
        }
        self._control = control
        self._settings: Dict[str, Value] = {}
        self.set()

    def set(self, **settings: Value) -> None:
        self._settings.update({key.replace("__", "."): value for key, value in settings.items()})
        fresh = self._control.with_suffix(".new")
        fresh.write_text("".join(f"{key}={value}\n" for key, value in self._settings.items()))
        os.replace(fresh, self._control)

    def be_alone(self) -> None:
        """A GPU that no other test reads at the same time: tests run side by side, and runs name their neighbours."""
        self.set(uuid=f"GPU-{uuid.uuid4()}")

    def lose_gpu(self, gpu: int = 0, after_seconds: float = 0.0) -> None:
        self.set(**{f"lost_from_ns__{gpu}": time.monotonic_ns() + int(after_seconds * 1e9)})

    def joules(self, start_ns: int, end_ns: int) -> float:
        """What a GPU of the common settings really used between two moments of CLOCK_MONOTONIC."""

        def until(t: int) -> float:
            high, low = int(self._settings.get("power_mw", 200_000)), int(self._settings.get("square_low_mw", 0))
            period = int(self._settings.get("square_period_ms", 0)) * 1_000_000
            if not period:
                return high * t * 1e-12
            whole, rest = divmod(t, period)
            up = min(rest, period // 2)
            return (whole * (high + low) * (period // 2) + high * up + low * (rest - up)) * 1e-12

        return until(end_ns) - until(start_ns)


@pytest.fixture(scope="session")
def fake_nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake compiled once; needs a C compiler (gcc)."""
    library = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1", "-pthread"]
    subprocess.run(["gcc", *flags, "-o", str(library), str(SOURCE)], check=True)
    return library


@pytest.fixture
def fake_nvml(fake_nvml_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    """One fake GPU at a constant 200 W, seen by every process that the test starts."""
    fake = FakeNvml(fake_nvml_library, tmp_path / "nvml.control")
    for name, value in fake.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


@pytest.fixture
def in_nvml_process(fake_nvml: FakeNvml) -> Callable[[str], Dict[str, Any]]:
    """Runs code in a process that finds the fake driver, and returns the facts that it passes to `tell(**facts)`."""

    def run(code: str) -> Dict[str, Any]:
        head = "import json\ndef tell(**facts):\n    print(json.dumps(facts))\n"
        command = [sys.executable, "-c", head + textwrap.dedent(code)]
        root = Path(__file__).parents[2]
        told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
        return dict(json.loads(told.stdout))

    return run


LOOK = """
    import time
    from energytrain.errors import EnergytrainError
    from energytrain.meters.base import conditions_of
    from energytrain.meters.catalog import open_meter, parse_meter
    try:
        meter = open_meter(parse_meter({text!r}))
    except EnergytrainError as error:
        tell(refused=type(error).__name__, why=error.message, fix=error.hint)
    else:
        before = time.monotonic_ns()
        first = meter.read()
        time.sleep(0.05)
        last = meter.read()
        seconds = (time.monotonic_ns() - before) * 1e-9
        beside = conditions_of(meter)
        told = dict(zip(beside.channels, beside.read())) if beside else dict()
        tell(channels=[channel.to_json() for channel in meter.channels], skipped=meter.skipped,
             first=[reading.value for reading in first], last=[reading.value for reading in last],
             errors=[reading.error for reading in last], seconds=seconds,
             conditions=dict((channel.name, (channel.quantity, reading.value)) for channel, reading in told.items()),
             unknown=beside.skipped if beside else [])
        meter.close()
    """


@pytest.fixture
def look_nvml(in_nvml_process: Callable[[str], Dict[str, Any]]) -> Callable[..., Dict[str, Any]]:
    """Opens a meter in a process that finds the fake driver, reads it twice and its conditions once, and tells all."""

    def at(text: str = "nvml") -> Dict[str, Any]:
        return in_nvml_process(LOOK.format(text=text))

    return at
