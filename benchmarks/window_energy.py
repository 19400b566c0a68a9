"""Energy of windows of a known load, metered over a fake GPU: how near the figures are, and whether bounds hold.

The tests' libnvidia-ml.so.1 answers what a load and a kind of sensor would give at each moment; the real pynvml and a
real recorder process read one GPU for each pair of them, all at once. Windows of random length and place are cut out
of that one recording. The truth is the load's integral, not a reading.

Bars. Counter, windows of 0.5 s and up: within 0.5 %, or within swing x update / 4 for each edge in whose update
interval the load changes. Power readings with updates of 25 ms or less, 2 s and up: within 2 %. Slower power
readings: inside the stated bounds. The fake has no gain error, so bounds are also tried without their gain term.

    python benchmarks/window_energy.py
    python benchmarks/window_energy.py --seconds 40 --windows 200
"""

import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, NamedTuple

import numpy as np
from fake_driver import fake_driver
from side_by_side import Row, arguments, show

from energytrain.energy.integrator.integrate import energy_of
from energytrain.energy.recorder.client import Recorder
from energytrain.energy.traces.series import Series
from energytrain.energy.traces.trace import read_trace
from energytrain.meters.catalog import MeterSpec

LONGEST = 6.0
MARGIN = 1.5  # seconds of the recording left before the first window: the recorder finds out the update period


@dataclass(frozen=True)
class Load:
    """Constant at `high` watts, or a square wave: half of `period_ms` at `high`, half at `low`, from t = 0 on."""

    name: str
    high: float
    low: float = 0.0
    period_ms: int = 0

    def joules(self, start_ns: int, end_ns: int) -> float:
        return self._until(end_ns) - self._until(start_ns)

    def _until(self, t: int) -> float:
        if not self.period_ms:
            return self.high * t * 1e-9
        half = self.period_ms * 500_000
        whole, rest = divmod(t, 2 * half)
        up = min(rest, half)
        return ((whole * (self.high + self.low)) * half + self.high * up + self.low * (rest - up)) * 1e-9

    def changes_within(self, start_ns: int, end_ns: int) -> bool:
        half = self.period_ms * 500_000
        return bool(half) and start_ns // half != (end_ns - 1) // half


class Sensor(NamedTuple):
    name: str
    kind: str  # "counter", "power" (fast enough for the 2 % bar) or "slow"
    update_ms: int
    settings: Dict[str, int]

    @property
    def shortest(self) -> float:
        return 0.5 if self.kind == "counter" else 2.0


LOADS = (
    Load("constant 200 W", 200),
    Load("square 240/60 W, 4.7 s", 240, 60, 4700),
    Load("square 240/60 W, 1.03 s", 240, 60, 1030),
)
NOISE = {"counter": 0, "noise_mw": 500}
SENSORS = (
    Sensor("counter 20 ms", "counter", 20, {}),
    Sensor("counter 100 ms", "counter", 100, {}),
    Sensor("power 25 ms", "power", 25, {"instant": 1, **NOISE}),
    Sensor("power 25 ms, means of 1 s", "power", 25, {"average_ms": 1000, "arch": 10, **NOISE}),
    Sensor("power 100 ms", "slow", 100, {"instant": 1, **NOISE}),
)
# Readings that do not move while the load stands still hide the sensor's update period.
STILL = Sensor("power 25 ms without noise", "power", 25, {"instant": 1, "counter": 0})
CELLS = [(load, sensor) for sensor in SENSORS for load in LOADS] + [(LOADS[2], STILL)]


def record(seconds: float, hz: float) -> List[Series]:
    """The readings of every cell's GPU, in the order of CELLS."""
    settings = {"gpus": len(CELLS), "arch": 3}  # Maxwell, of whose sensor nothing is known
    for gpu, (load, sensor) in enumerate(CELLS):
        own = {"power_mw": int(1e3 * load.high), "square_low_mw": int(1e3 * load.low), "update_ms": sensor.update_ms}
        own.update(sensor.settings, square_period_ms=load.period_ms)
        settings.update({f"{key}__{gpu}": value for key, value in own.items()})
    with fake_driver(**settings), tempfile.TemporaryDirectory() as folder:
        meters = [MeterSpec("nvml", {"gpu": str(gpu)}) for gpu in range(len(CELLS))]
        recorder = Recorder.start(Path(folder) / "trace.arrows", meters, hz)
        assert recorder.failure is None, recorder.failure
        time.sleep(seconds)
        recorder.stop()
        series = read_trace(recorder.trace).series
    return [series[f"nvml:{gpu}"] for gpu in range(len(CELLS))]


def judge(load: Load, sensor: Sensor, series: Series, windows: int, longest: float, seed: int) -> Row:
    """Windows of one cell: the share that is inside the bar, and in the note how far off they are."""
    draw = np.random.default_rng([seed, *os.fsencode(load.name + sensor.name)])
    first, last = int(series.t[0]) + int(MARGIN * 1e9), int(series.t[-1])
    errors, inside, held, held_without_gain, width = [], [], [], [], []
    for _ in range(windows):
        length = int(1e9 * draw.uniform(sensor.shortest, longest))
        start = int(draw.integers(first, last - length))
        energy, truth = energy_of(series, start, start + length), load.joules(start, start + length)
        assert energy.joules is not None, energy.reason
        error = energy.joules - truth
        errors.append(error / truth)
        held.append(-energy.above <= error <= energy.below)
        rest = replace(energy, errors=tuple(term for term in energy.errors if term.source != "gain"))
        held_without_gain.append(-rest.above <= error <= rest.below)
        width.append((rest.below + rest.above) / 2 / truth)
        if sensor.kind == "slow":
            inside.append(held[-1])
        else:
            inside.append(abs(error) <= allowed(load, sensor, start, start + length, truth))
    note = (
        f"error: median {100 * np.median(np.abs(errors)):.3f} %, worst {100 * np.max(np.abs(errors)):.2f} %; "
        f"bounds held {sum(held)}, without gain {sum(held_without_gain)} of {windows} (+-{100 * np.mean(width):.2f} %)"
    )
    return Row(f"{sensor.name}, {load.name}", 100 * float(np.mean(inside)), 100.0, unit="%", note=note)


def allowed(load: Load, sensor: Sensor, start: int, end: int, truth: float) -> float:
    """How many joules a window may be off."""
    if sensor.kind == "power":
        return 0.02 * truth
    update = sensor.update_ms * 1_000_000
    edges = sum(load.changes_within(t - t % update, t - t % update + update) for t in (start, end))
    return max(0.005 * truth, edges * (load.high - load.low) * update * 1e-9 / 4)


def main() -> None:
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--seconds", type=float, default=40.0, help="length of the recording (default %(default)s)")
    parser.add_argument("--windows", type=int, default=200, help="windows of each pair (default %(default)s)")
    parser.add_argument("--hz", type=float, default=100.0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    longest = min(LONGEST, asked.seconds - MARGIN - 0.5)
    if longest < 2.0:
        parser.error("--seconds must be at least 4")
    rows: List[Row] = []
    for number in range(asked.repeats):
        recorded = record(asked.seconds, asked.hz)
        for (load, sensor), series in zip(CELLS, recorded):
            rows.append(judge(load, sensor, series, asked.windows, longest, asked.seed + number))
    show(f"windows inside the bar, {asked.seconds:g} s recorded at {asked.hz:g} Hz", rows, asked.json)


if __name__ == "__main__":
    main()
