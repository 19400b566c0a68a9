"""Block floating point of 8 bits: energytrain's `quantise` against qtorch's `block_quantize`.

The same tensors in one process, one exponent for each index of dimension 0. A ratio is qtorch's time divided by ours.
qtorch is no dependency of energytrain. It compiles C++ when it is imported, so it needs a compiler and ninja:

    pip install qtorch ninja
    python benchmarks/quantiser.py
    python benchmarks/quantiser.py --threads 2 --batch 64 --repeats 9

qtorch asks for no optimisation when it compiles. Rows "-O3" are against the same sources compiled with it, for
information. A network's vectors, its scales and shifts, ours takes in one call of `quantise_all`, in place; the rows
of a single vector show what a call costs. qtorch knows the contiguous layout only: it copies a channels_last tensor
into it and returns it so, while ours keeps the tensor's. Its loop runs on one thread whatever --threads says.
"""

import statistics
from pathlib import Path
from typing import Callable, Dict, List, Tuple

import torch
from side_by_side import Row, arguments, race, ratio_row, ratios, set_threads, show

from energytrain.precision.block_float import quantise, quantise_all

BITS = 8
BAR = 1.0
VGG16_CHANNELS = [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
# A turn takes several calls of a small tensor, so that it lasts some tens of milliseconds in all.
VALUES_A_TURN = 100_000


def contest(batch: int) -> List[Tuple[str, List[torch.Tensor]]]:
    torch.manual_seed(0)
    activations = torch.randn(batch, 64, 32, 32)
    return [
        ("weights 512 x 512 x 3 x 3", [torch.randn(512, 512, 3, 3)]),
        (f"activations {batch} x 64 x 32 x 32", [activations]),
        ("the same, channels_last", [activations.contiguous(memory_format=torch.channels_last)]),
        ("vectors of VGG16 (26)", [torch.randn(channels) for channels in VGG16_CHANNELS for _ in range(2)]),
        ("one vector of 512", [torch.randn(512)]),
        ("one vector of 64", [torch.randn(64)]),
    ]


def optimised(quant_function: str) -> Dict[str, Callable[[torch.Tensor, int, int], torch.Tensor]]:
    """qtorch's own sources compiled with -O3: its function of each rounding."""
    from torch.utils.cpp_extension import load

    sources = sorted(str(path) for path in (Path(quant_function).parent / "quant_cpu").glob("*.cpp"))
    module = load(name="quant_cpu_o3", sources=sources, extra_cflags=["-O3"])
    return {"stochastic": module.block_quantize_stochastic, "nearest": module.block_quantize_nearest}


def repeated(work: Callable[[], object], calls: int) -> Callable[[], None]:
    def turn() -> None:
        for _ in range(calls):
            work()

    return turn


def compare(name: str, tensors: List[torch.Tensor], rounding: str, repeats: int) -> List[Row]:
    """The tensors one after the other; of ours, more than one go to `quantise_all`."""
    from qtorch.quant import block_quantize, quant_function

    compiled = optimised(quant_function.__file__)[rounding]
    first = tensors[0]
    works: Dict[str, Callable[[], object]] = {
        "ours": lambda: (
            quantise(first, BITS, block="channel", rounding=rounding)
            if len(tensors) == 1
            else quantise_all(tensors, BITS, rounding=rounding)
        ),
        "qtorch": lambda: [block_quantize(x, BITS, 0, rounding) for x in tensors],
        "-O3": lambda: [compiled(x.contiguous(), BITS, 0) for x in tensors],
    }
    calls = max(1, VALUES_A_TURN // sum(x.numel() for x in tensors))
    note = ""
    if rounding == "nearest":
        ours = quantise(first, BITS, block="channel", rounding=rounding)
        differ = int((ours != block_quantize(first, BITS, 0, rounding)).sum())
        note = f"; values that differ: {differ} of {first.numel()}"
    seconds = race({key: repeated(work, calls) for key, work in works.items()}, repeats)
    each = {key: 1e6 * statistics.median(values) / calls for key, values in seconds.items()}
    note = f"ours {each['ours']:.0f} us, qtorch {each['qtorch']:.0f} us, -O3 {each['-O3']:.0f} us{note}"
    return [
        ratio_row(f"{name}, {rounding}", ratios(seconds["qtorch"], seconds["ours"]), BAR, note),
        ratio_row(f"{name}, {rounding}, -O3", ratios(seconds["-O3"], seconds["ours"]), None),
    ]


def main() -> None:
    parser = arguments(__doc__, repeats=7)
    parser.add_argument("--batch", type=int, default=256, help="activations' batch (default %(default)s)")
    parser.set_defaults(threads=1)
    asked = parser.parse_args()
    set_threads(asked.threads)
    rows: List[Row] = []
    for name, tensors in contest(asked.batch):
        for rounding in ("stochastic", "nearest"):
            rows += compare(name, tensors, rounding, asked.repeats)
    show(f"block floating point of {BITS} bits, quantise against qtorch's block_quantize", rows, asked.json)


if __name__ == "__main__":
    main()
