"""How the masks of a search in 8 bits and of one in 32 bits compare, epoch by epoch: a figure and its numbers.

    energytrain bench benchmarks/suites/eight-bit-tickets.yaml
    python benchmarks/eight_bit_tickets.py runs/eight-bit-tickets --figure docs/figures/eight-bit-tickets.svg

Left, what draws a ticket: the distance between the masks of two epochs in a row, in either precision, each seed a
line, with the bound of the paper's rule. Right, whether it is the same ticket: between the masks of the two precisions
at the same epoch and seed. Beside it two scales: between two searches in 32 bits from the same seed whose kernels
differ in the last bits, and between two seeds in 32 bits, whose tickets have nothing but the layers' shares in common.
The figure needs matplotlib (`pip install energytrain[figures]`); without --figure only the numbers are printed.
"""

import argparse
import itertools
import json
import statistics
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

from energytrain.errors import EnergytrainError, UsageError
from energytrain.runs.masks import Marks, distance, search_masks

METHODS = {"32 bits": "eb-ff", "8 bits": "eb-ll"}
OTHER_KERNELS = {"other kernels": "eb-ff-nchw"}
BETWEEN = ("8 against 32 bits", "other kernels, 32 bits", "two seeds, 32 bits")
EPS, QUEUE = 0.1, 5
Curve = Dict[int, float]


def masks_of(folder: Path) -> Dict[str, Dict[int, Dict[int, Marks]]]:
    """The masks by precision, seed and epoch, of the runs `<method>-...-s<seed>` in a suite's folder."""
    found: Dict[str, Dict[int, Dict[int, Marks]]] = {}
    for name, method in {**METHODS, **OTHER_KERNELS}.items():
        runs = sorted(folder.glob(f"{method}-p*s[0-9]*"))
        if not runs:
            raise UsageError(f"'{folder}' has no run of {method}.", "Run benchmarks/suites/eight-bit-tickets.yaml.")
        found[name] = {int(run.name.rsplit("s", 1)[1]): search_masks(run) for run in runs}
    return found


def in_a_row(masks: Mapping[int, Marks]) -> Curve:
    """Distance of each epoch's mask from that of the epoch before."""
    return {epoch: distance(masks[epoch - 1], masks[epoch]) for epoch in masks if epoch - 1 in masks}


def between(first: Mapping[int, Marks], second: Mapping[int, Marks]) -> Curve:
    """Distance of two searches' masks at the same epoch."""
    return {epoch: distance(first[epoch], second[epoch]) for epoch in first if epoch in second}


def drawn_after(curve: Curve) -> int:
    """The epoch at which the paper's rule draws: the last `QUEUE` distances are all below `EPS`; 0: never."""
    last: List[float] = []
    for epoch, value in sorted(curve.items()):
        last = [*last, value][-QUEUE:]
        if len(last) == QUEUE and max(last) < EPS:
            return epoch
    return 0


def compare(masks: Mapping[str, Mapping[int, Mapping[int, Marks]]]) -> Dict[str, Any]:
    """Every curve of the figure, by name and seed (or pair of seeds), and the epochs of the draws."""
    rows = {name: {seed: in_a_row(one) for seed, one in masks[name].items()} for name in METHODS}
    full, low, again = (masks[name] for name in (*METHODS, *OTHER_KERNELS))
    return {
        "in a row": rows,
        "drawn after": {name: {s: drawn_after(curve) for s, curve in seeds.items()} for name, seeds in rows.items()},
        "8 against 32 bits": {seed: between(full[seed], low[seed]) for seed in full if seed in low},
        "other kernels, 32 bits": {seed: between(full[seed], again[seed]) for seed in full if seed in again},
        "two seeds, 32 bits": {f"{a}, {b}": between(full[a], full[b]) for a, b in itertools.combinations(full, 2)},
    }


def mean(curves: Mapping[Any, Curve]) -> Curve:
    epochs = set.intersection(*(set(curve) for curve in curves.values()))
    return {epoch: statistics.mean(curve[epoch] for curve in curves.values()) for epoch in sorted(epochs)}


def print_table(found: Mapping[str, Any]) -> None:
    columns: List[Tuple[str, Curve]] = [(f"{name}, in a row", mean(found["in a row"][name])) for name in METHODS]
    columns += [(name, mean(found[name])) for name in BETWEEN]
    print("epoch  " + "  ".join(name for name, _ in columns))
    for epoch in sorted(set().union(*(curve for _, curve in columns))):
        cells = [f"{curve[epoch]:.3f}" if epoch in curve else "" for _, curve in columns]
        print(f"{epoch:5}  " + "  ".join(cell.rjust(len(name)) for cell, (name, _) in zip(cells, columns)))
    for name, draws in found["drawn after"].items():
        print(f"{name}: the paper's rule draws after epoch {', '.join(str(e or 'never') for e in draws.values())}")


def draw(found: Mapping[str, Any], file: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True, layout="constrained")
    # Other colours on the right, where a curve is of two searches.
    for axes, curves, first in (
        (left, found["in a row"], 0),
        (right, {name: found[name] for name in BETWEEN}, len(METHODS)),
    ):
        for number, (name, seeds) in enumerate(curves.items(), first):
            for curve in seeds.values():
                axes.plot(list(curve), list(curve.values()), color=f"C{number}", alpha=0.3, linewidth=1)
            middle = mean(seeds)
            axes.plot(list(middle), list(middle.values()), color=f"C{number}", linewidth=2, label=f"{name} (mean)")
        axes.set_xlabel("epoch")
        axes.legend()
    left.axhline(EPS, color="0.5", linestyle=":", linewidth=1)
    left.annotate("eps of the paper's rule", (0.99, EPS), xycoords=("axes fraction", "data"), ha="right", va="bottom")
    left.set_title("between the masks of two epochs in a row")
    right.set_title("between two searches at the same epoch")
    left.set_ylabel("mask distance (share of channels)")
    left.set_ylim(0)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="the suite's runs")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw it: .svg, .png or .pdf")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    arguments = parser.parse_args()
    try:
        found = compare(masks_of(arguments.folder))
    except EnergytrainError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(found))
    else:
        print_table(found)
    if arguments.figure is not None:
        draw(found, arguments.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
