"""A training step in native FP8 against bf16 and fp32 on the same network: time, joules, and what of it ran in FP8.

Said beforehand: at 32 px FP8 may save nothing. A step there is short, so starting kernels and everything that is no
matrix product (normalisation, rounding to FP8, gathering patches, the update) may cost more than FP8's products save.

Each round every precision trains its own copy of the network, channels last, on one batch for some seconds, in turn,
while a recorder reads the GPU's meter. Net energy is what is left without idle, which is measured before and after.
Utilisation is NVML's (the share of time in which any kernel ran) and that of the data sheet's peak rate. Needs an
NVIDIA GPU with FP8, and for joules its meter.

    python benchmarks/fp8.py
    python benchmarks/fp8.py --batch-size 1024 --seconds 10 --peak-tflops 756
"""

import argparse
import copy
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Tuple

import torch
from side_by_side import Row, arguments, ratio_row, ratios, set_threads, show
from torch import nn

from energytrain.costs.bill import network_bill
from energytrain.costs.fp8_bill import fp8_bill, fp8_share
from energytrain.energy.measure import why_missing
from energytrain.energy.primary import choose_primary, primary_energy
from energytrain.energy.recorder.client import Recorder
from energytrain.energy.traces.conditions import conditions_summary
from energytrain.energy.traces.series import Trace
from energytrain.energy.traces.trace import read_trace
from energytrain.meters.catalog import parse_meter
from energytrain.models.catalog import build
from energytrain.precision.autocast import autocast, describe
from energytrain.precision.fp8 import fp8_layers, fp8_unavailable, native_fp8, torch_lacks_fp8
from energytrain.quantities.energy import Energy, total
from energytrain.runs.idle import Idle, net_of
from energytrain.training.optimiser import make_sgd
from energytrain.training.reproducible import synchronise

PRECISIONS = ("fp32", "bf16", "fp8")
IMAGE = (3, 32, 32)
# Dense rates over bf16's, by NVIDIA's data sheet of the H100 (fp32 as PyTorch runs convolutions there: in TF32).
RATE_OVER_BF16 = {"fp32": 0.5, "bf16": 1.0, "fp8": 2.0}
WARM_UP = 10
HZ = 100.0
SECONDS_BEYOND = 1.0  # for the meter's last updates


class Window(NamedTuple):
    """A stretch of training or of idling: CLOCK_MONOTONIC, nanoseconds."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        return (self.end - self.start) * 1e-9


def trainer(model: nn.Module, precision: str, device: torch.device, batch_size: int) -> Callable[[], object]:
    """One training step of `model`, each time of the same random batch."""
    optimiser = make_sgd(model, lr=0.01)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch_size, *IMAGE, generator=generator).to(device, memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (batch_size,), generator=generator).to(device)
    # What may not run was refused before.
    forward = native_fp8(model, device, allow_cpu=True) if precision == "fp8" else autocast(precision, device)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with forward:
            logits = model(images)
        nn.functional.cross_entropy(logits.float(), labels).backward()
        optimiser.step()

    return step


def window(work: Callable[[], object], device: torch.device) -> Window:
    synchronise(device)
    start = time.monotonic_ns()
    work()
    synchronise(device)
    return Window(start, time.monotonic_ns())


def repeated(step: Callable[[], object], times: int) -> Callable[[], object]:
    return lambda: [step() for _ in range(times)]


def train(
    steps: Dict[str, Callable[[], object]], device: torch.device, asked: argparse.Namespace
) -> Tuple[Dict[str, int], Dict[str, List[Window]], List[Window]]:
    """(steps of a window, the windows of each precision, the idle windows before and after)."""
    times = {}
    for name, step in steps.items():
        repeated(step, WARM_UP)()
        times[name] = max(1, round(asked.seconds * WARM_UP / window(repeated(step, WARM_UP), device).seconds))
    windows: Dict[str, List[Window]] = {name: [] for name in steps}
    idle = [window(lambda: time.sleep(asked.idle_seconds), device)]
    for number in range(asked.repeats):
        turn = number % len(steps)
        for name in [*steps][turn:] + [*steps][:turn]:
            windows[name].append(window(repeated(steps[name], times[name]), device))
    idle.append(window(lambda: time.sleep(asked.idle_seconds), device))
    return times, windows, idle


def time_rows(
    times: Dict[str, int], windows: Dict[str, List[Window]], flops: int, peak: float, notes: Dict[str, str]
) -> List[Row]:
    """flops: of a step's convolutions and linear layers; peak: FLOP/s in bf16."""
    rows = []
    seconds = {name: [w.seconds / times[name] for w in found] for name, found in windows.items()}
    for name, found in seconds.items():
        rate = flops / statistics.median(found)
        share = rate / (peak * RATE_OVER_BF16[name])
        note = f"{notes[name]}; {rate / 1e12:.4g} TFLOP/s, {share:.2%} of the peak of {RATE_OVER_BF16[name]:g} x bf16"
        rows.append(ratio_row(f"{name}: a step", [1e3 * value for value in found], None, note, unit="ms"))
    for other in ("bf16", "fp32"):
        rows.append(ratio_row(f"speed of fp8 over {other}", ratios(seconds[other], seconds["fp8"]), None))
    return rows


def energy_rows(times: Dict[str, int], gross: Dict[str, List[Energy]], idle: Idle) -> List[Row]:
    """Joules of a step, by precision; no row where one is missing. times: the steps of a window."""
    rows = []
    for name, found in gross.items():
        added = total(found)
        for word, energy in (("gross", added), ("net", net_of(added, idle))):
            if energy.joules is not None:
                one = energy.scaled(1 / (times[name] * len(found)))
                assert one.joules is not None
                note = f"{energy.provenance.value}, {energy.coverage:.0%} covered; the interval is the meter's"
                what = f"{name}: {word} energy of a step"
                rows.append(Row(what, one.joules, unit="J", low=one.low, high=one.high, note=note))
    known = {name: [e.joules / times[name] for e in found if e.joules is not None] for name, found in gross.items()}
    if all(len(known[name]) == len(found) for name, found in gross.items()):
        for other in ("bf16", "fp32"):
            rows.append(ratio_row(f"gross joules of fp8 over {other}", ratios(known["fp8"], known[other]), None))
    return rows


def utilisation_rows(trace: Trace, windows: Dict[str, List[Window]]) -> List[Row]:
    rows = []
    for name, found in windows.items():
        for channel, summary in conditions_summary([(trace, found)]).items():
            if channel.endswith("utilisation") and summary["mean"] is not None:
                rows.append(Row(f"{name}: {channel}", summary["mean"], unit="%"))
    return rows


def compared(asked: argparse.Namespace, device: torch.device) -> Tuple[str, List[Row]]:
    """What was compared, in words, and its rows."""
    torch.manual_seed(0)
    model = build(asked.model, classes=10, width=asked.width, size=IMAGE[1]).to(
        device, memory_format=torch.channels_last
    )
    layers = fp8_layers(model)
    share = fp8_share(fp8_bill(model, IMAGE, layers), layers)
    flops = asked.batch_size * network_bill(model, IMAGE).training_flops_per_image
    steps = {name: trainer(copy.deepcopy(model), name, device, asked.batch_size) for name in PRECISIONS}
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder.start(Path(folder) / "fp8.arrows", [parse_meter(m) for m in asked.meter or ["nvml"]], HZ)
        recorder.wait_sampled()
        times, windows, idle = train(steps, device, asked)
        time.sleep(SECONDS_BEYOND)
        recorder.stop()
        notes = {"fp32": describe("fp32", device), "bf16": describe("bf16", device), "fp8": str(share)}
        rows = time_rows(times, windows, flops, 1e12 * asked.peak_tflops, notes)
        title = f"{asked.model} x {asked.width:g}, batch {asked.batch_size}, 32 px (where FP8 may save nothing)"
        primary = choose_primary(recorder.channels)
        if not primary:
            return f"{title}; joules are missing: {why_missing(recorder)}", rows
        trace = read_trace(recorder.trace)

    def energy(of: Window) -> Energy:
        return primary_energy(trace, primary, of.start, of.end)

    gross = {name: [energy(one) for one in found] for name, found in windows.items()}
    rows += energy_rows(times, gross, Idle(energy(idle[0]), energy(idle[1])))
    why = dict.fromkeys(one.reason for found in gross.values() for one in found if one.joules is None)
    missing = "".join(f"; joules are missing: {reason}" for reason in why)
    return title + missing, rows + utilisation_rows(trace, windows)


def main() -> int:
    parser = arguments(__doc__, repeats=6)
    parser.add_argument("--model", default="vgg16")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a window (default %(default)s)")
    parser.add_argument("--idle-seconds", type=float, default=10.0, help="of each idle window (default %(default)s)")
    parser.add_argument("--meter", action="append", help="repeatable (default: nvml)")
    parser.add_argument("--peak-tflops", type=float, default=989.4, help="in bf16, dense (default: an H100 SXM's)")
    parser.add_argument("--allow-cpu", action="store_true", help="try the script out: FP8 is emulated on a CPU")
    asked = parser.parse_args()
    set_threads(asked.threads)
    device = torch.device("cpu" if asked.allow_cpu or not torch.cuda.is_available() else "cuda")
    why = torch_lacks_fp8() if asked.allow_cpu else fp8_unavailable(device)
    if why is not None:
        print(f"This benchmark needs an NVIDIA GPU with FP8 (Hopper or later): {why}", file=sys.stderr)
        return 2
    title, rows = compared(asked, device)
    show(f"training step, {title}", rows, asked.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
