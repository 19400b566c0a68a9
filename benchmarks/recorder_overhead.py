"""Training with the recorder at 100 Hz against the same training without it.

Both run energytrain's own loop over the same batches with the same network; in turn a recorder process reads a fake
GPU (the tests' libnvidia-ml.so.1 under the real pynvml, so no GPU is needed) or none runs. The recorder is started
before the clock and stopped after it; what its start costs is shown by itself.

    python benchmarks/recorder_overhead.py
    python benchmarks/recorder_overhead.py --model vgg16 --width 0.25 --batch-size 128 --steps 30 --repeats 12
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Dict, List

import torch
from fake_driver import fake_driver
from side_by_side import Row, arguments, ratio_row, ratios, set_threads, show

from energytrain.energy.recorder.client import Recorder
from energytrain.meters.catalog import MeterSpec
from energytrain.models.catalog import build
from energytrain.training.loop import train_epoch
from energytrain.training.optimiser import make_sgd
from energytrain.training.schedule import Schedule

UPDATE_MS = 20  # so the recorder really reads at 100 Hz: it never reads faster than four times an update


def cpu_seconds(pid: int) -> float:
    """The CPU time of another process, by the clock that clock_getcpuclockid(3) names."""
    return time.clock_gettime((~pid << 3) | 2)


def main() -> None:
    parser = arguments(__doc__, repeats=12)
    parser.add_argument("--model", default="vgg16")
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=30, help="steps of one timed block (default %(default)s)")
    parser.add_argument("--hz", type=float, default=100.0)
    asked = parser.parse_args()
    set_threads(asked.threads)

    torch.manual_seed(0)
    model = build(asked.model, classes=10, width=asked.width)
    optimiser = make_sgd(model, lr=0.01)
    batch = torch.randn(asked.batch_size, 3, 32, 32), torch.randint(0, 10, (asked.batch_size,))

    def train(steps: int = asked.steps) -> float:
        began = time.perf_counter()
        train_epoch(model, [batch] * steps, optimiser, Schedule(0.01, 1), 0, steps=steps, channels_last=True)
        return time.perf_counter() - began

    train(min(5, asked.steps))
    seconds: Dict[str, List[float]] = {"with": [], "without": []}
    busy, starts, rates = [], [], []
    with fake_driver(power_mw=200_000, update_ms=UPDATE_MS) as fake, tempfile.TemporaryDirectory() as folder:
        for number in range(asked.repeats):
            for name in ("with", "without") if number % 2 else ("without", "with"):
                if name == "without":
                    seconds[name].append(train())
                    continue
                recorder = Recorder.start(Path(folder) / f"{number}.arrows", [MeterSpec("nvml")], asked.hz)
                recorder.wait_sampled()
                assert recorder.pid is not None and recorder.failure is None, recorder.failure
                starts.append(cpu_seconds(recorder.pid))
                before, began = cpu_seconds(recorder.pid), time.monotonic_ns()
                seconds[name].append(train())
                ended = time.monotonic_ns()
                busy.append((cpu_seconds(recorder.pid) - before) / ((ended - began) * 1e-9))
                recorder.stop()
                rates.append(_reads(recorder.trace, began, ended) / ((ended - began) * 1e-9))
        del fake
    rows = [
        ratio_row("speed with the recorder over without", ratios(seconds["without"], seconds["with"]), 0.99),
        ratio_row("recorder's share of a core", [100 * share for share in busy], 2.0, at_least=False, unit="%"),
        Row("reads a second in the trace", statistics.median(rates), unit="Hz"),
        Row("a step without the recorder", 1e3 * statistics.median(seconds["without"]) / asked.steps, unit="ms"),
        Row("CPU time to start a recorder", statistics.median(starts), unit="s"),
    ]
    show(f"recorder at {asked.hz:g} Hz, {asked.model} x {asked.width:g}", rows, asked.json)


def _reads(trace: Path, began: int, ended: int) -> int:
    from energytrain.energy.traces.trace import read_trace

    (series,) = read_trace(trace).metered.values()
    return int(((series.t >= began) & (series.t < ended)).sum())


if __name__ == "__main__":
    main()
