"""Shared by the benchmarks: contestants timed in turn within one run, and rows that say whether a bar was met.

A row whose 95 % interval reaches over its bar says so: on a busy machine its word may turn with the next run.
"""

import argparse
import json
import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple


@dataclass(frozen=True)
class Row:
    """One measured figure beside its bar. at_least: whether the figure must not fall below the bar (else not exceed
    it); bar None: shown for information. low, high: 95 % interval of the figure where it comes from repeats."""

    what: str
    value: float
    bar: Optional[float] = None
    at_least: bool = True
    unit: str = "x"
    low: Optional[float] = None
    high: Optional[float] = None
    note: str = ""

    @property
    def word(self) -> str:
        if self.bar is None:
            return ""
        met = self.value >= self.bar if self.at_least else self.value <= self.bar
        noisy = self.low is not None and self.high is not None and self.low < self.bar < self.high
        return ("met" if met else "MISSED") + (", within the noise" if noisy else "")


def arguments(description: Optional[str], repeats: int) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=repeats, help="timed rounds (default %(default)s)")
    parser.add_argument("--threads", type=int, help="threads of PyTorch (default: its own choice)")
    parser.add_argument("--json", action="store_true", help="rows as JSON and nothing else")
    return parser


def set_threads(threads: Optional[int]) -> None:
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def race(contestants: Mapping[str, Callable[[], object]], repeats: int, warm_up: int = 1) -> Dict[str, List[float]]:
    """Seconds of every contestant by round. All run once a round, in an order that rotates and turns round, so that
    no one is always first and a slow stretch of the machine hits them alike."""
    names = list(contestants)
    seconds: Dict[str, List[float]] = {name: [] for name in names}
    for number in range(-warm_up, repeats):
        turn = number % len(names)
        order = names[turn:] + names[:turn]
        for name in order if number // len(names) % 2 == 0 else order[::-1]:
            began = time.perf_counter()
            contestants[name]()
            if number >= 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def ratios(above: Sequence[float], below: Sequence[float]) -> List[float]:
    """Round by round."""
    return [a / b for a, b in zip(above, below)]


def median_of(values: Sequence[float]) -> Tuple[float, Optional[float], Optional[float]]:
    """(median, low, high): the interval holds the true median in 95 of 100 cases (by order statistics); none where
    there are too few values for one."""
    ordered = sorted(values)
    count, cut, outside = len(ordered), 0, 0.5 ** len(ordered)
    term = outside
    while 2 * outside <= 0.05:
        cut += 1
        term = term * (count - cut + 1) / cut
        outside += term
    if cut == 0:
        return statistics.median(ordered), None, None
    return statistics.median(ordered), ordered[cut - 1], ordered[count - cut]


def ratio_row(what: str, values: Sequence[float], bar: Optional[float], note: str = "", **more: Any) -> Row:
    middle, low, high = median_of(values)
    return Row(what, middle, bar, low=low, high=high, note=note, **more)


def machine() -> str:
    """The machine in words."""
    import torch

    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return (
        f"{cores} cores ({platform.machine()}), torch {torch.__version__} with {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, load {load:.1f}"
    )


def show(title: str, rows: Sequence[Row], as_json: bool) -> None:
    """Prints the rows as a table, or as one JSON object."""
    if as_json:
        listed = [{**asdict(row), "word": row.word} for row in rows]
        print(json.dumps({"benchmark": title, "machine": machine(), "rows": listed}, indent=2))
        return
    print(f"{title}\n{machine()}\n")
    width = max(len(row.what) for row in rows)
    for row in rows:
        bar = "" if row.bar is None else f"bar {'>=' if row.at_least else '<='} {row.bar:g}{row.unit}"
        spread = "" if row.low is None or row.high is None else f"({row.low:.3g} to {row.high:.3g})"
        print(f"{row.what:<{width}}  {row.value:10.4g}{row.unit:<2} {spread:<18} {bar:<16} {row.word}".rstrip())
        if row.note:
            print(f"    {row.note}")
