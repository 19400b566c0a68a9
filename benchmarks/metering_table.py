"""The figures and tables of benchmarks/metering.py: errors by cell, bounds, CPU share, time at the edges, start-up."""

import statistics
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from metering_rig import Answer, Load

NO_FIGURE = "-"


@dataclass(frozen=True)
class Cell:
    """One tool's windows of about one length before one GPU; errors in percent of the truth, signed.

    median, mean; worst: the one farthest from nought. with_calls: the median were the tool's own calls at the edges
    part of the window. windows: how many gave a figure, of `asked`; why: the reason of the first that gave none.
    bounds_held: windows whose stated bounds hold the truth, None where the tool states none.
    """

    sensor: str
    load: str
    seconds: float
    tool: str
    asked: int
    windows: int
    median: Optional[float] = None
    mean: Optional[float] = None
    worst: Optional[float] = None
    with_calls: Optional[float] = None
    bounds_held: Optional[int] = None
    why: Optional[str] = None

    @property
    def text(self) -> str:
        if self.median is None or self.worst is None:
            return NO_FIGURE
        return f"{_percent(self.median)} / {_percent(self.worst)}"


@dataclass(frozen=True)
class Cost:
    """What one tool costs before GPUs of one kind ("counter" or "power"), medians.

    cpu_percent: of one core, while a window is open. calls_ms: spent in its calls at a window's two edges.
    start_seconds: from its import to its first open window.
    """

    tool: str
    kind: str
    cpu_percent: Optional[float]
    calls_ms: Optional[float]
    start_seconds: Optional[float]


def _percent(error: float) -> str:
    return f"{error:+.2f}" if abs(error) < 9.995 else f"{error:+.1f}"


def cells_of(answer: Answer, lengths: Sequence[float], repeats: int) -> List[Cell]:
    """The cells of one driver's answer, one a length."""
    job, cells = answer.job, []
    for seconds in lengths:
        said = [window for window in answer.windows if window["about"] == seconds]
        good = [window for window in said if window["joules"] is not None]
        why = answer.why or next((window["why"] for window in said if window["joules"] is None), None)
        cell = Cell(job.sensor.name, job.load.name, seconds, job.tool.name, repeats, len(good), why=why)
        if good:
            errors = [_error(job.load, window["joules"], window["start"], window["end"]) for window in good]
            calls = [_error(job.load, window["joules"], window["called"], window["returned"]) for window in good]
            held = [window["low"] <= _truth(job.load, window) <= window["high"] for window in good if "low" in window]
            cell = Cell(
                *(cell.sensor, cell.load, cell.seconds, cell.tool, cell.asked, cell.windows),
                median=statistics.median(errors),
                mean=statistics.fmean(errors),
                worst=max(errors, key=abs),
                with_calls=statistics.median(calls),
                bounds_held=sum(held) if held else None,
                why=why,
            )
        cells.append(cell)
    return cells


def _truth(load: Load, window: Dict[str, int]) -> float:
    return load.joules(window["start"], window["end"])


def _error(load: Load, joules: float, start_ns: int, end_ns: int) -> float:
    truth = load.joules(start_ns, end_ns)
    return 100 * (joules - truth) / truth


def costs_of(answers: Sequence[Answer], starts: Sequence[Answer]) -> List[Cost]:
    """By tool and kind of GPU; `starts` are answers of drivers that ran by themselves."""
    groups: Dict[Tuple[str, str], List[Answer]] = defaultdict(list)
    for answer in answers:
        groups[_key(answer)].append(answer)
    first: Dict[Tuple[str, str], List[float]] = defaultdict(list)
    for answer in starts:
        if answer.ready:
            first[_key(answer)].append(answer.ready["first_window_seconds"])
    costs = []
    for key, group in groups.items():
        good = [window for answer in group for window in answer.windows if "returned" in window]
        open_seconds = sum(window["end"] - window["start"] for window in good) * 1e-9
        edges = [window["start"] - window["called"] + window["returned"] - window["end"] for window in good]
        costs.append(
            Cost(
                *key,
                cpu_percent=100 * sum(window["cpu_seconds"] for window in good) / open_seconds if good else None,
                calls_ms=statistics.median(edges) * 1e-6 if good else None,
                start_seconds=statistics.median(first[key]) if first[key] else None,
            )
        )
    return costs


def _key(answer: Answer) -> Tuple[str, str]:
    return answer.job.tool.name, "counter" if answer.job.sensor.counter else "power"


def error_tables(cells: Sequence[Cell]) -> str:
    """A table a sensor, loads and lengths downwards, tools across; what gave no figure and why below."""
    tools = list(dict.fromkeys(cell.tool for cell in cells))
    reasons: List[str] = []
    blocks = []
    for sensor in dict.fromkeys(cell.sensor for cell in cells):
        rows = [[sensor, "about", *tools]]
        mine = [cell for cell in cells if cell.sensor == sensor]
        for load, seconds in dict.fromkeys((cell.load, cell.seconds) for cell in mine):
            row = {cell.tool: cell for cell in mine if (cell.load, cell.seconds) == (load, seconds)}
            rows.append([load, f"{seconds:g} s", *(_marked(row[tool], reasons) for tool in tools)])
        blocks.append(_aligned(rows))
    notes = [f"[{number}] {reason}" for number, reason in enumerate(reasons, 1)]
    return "\n\n".join([*blocks, "\n".join(notes)] if notes else blocks)


def _marked(cell: Cell, reasons: List[str]) -> str:
    if cell.windows == cell.asked:
        return cell.text
    reason = f"{cell.tool}: {cell.why or 'no answer'}"
    if reason not in reasons:
        reasons.append(reason)
    some = f" ({cell.windows} of {cell.asked})" if cell.windows else ""
    return f"{cell.text}{some} [{reasons.index(reason) + 1}]"


def bounds_line(cells: Sequence[Cell]) -> str:
    """How often stated bounds held the truth, by tool that states some."""
    lines = []
    for tool in dict.fromkeys(cell.tool for cell in cells if cell.bounds_held is not None):
        mine = [cell for cell in cells if cell.tool == tool and cell.bounds_held is not None]
        held, windows = sum(cell.bounds_held or 0 for cell in mine), sum(cell.windows for cell in mine)
        lines.append(f"stated bounds held the truth: {tool}, {held} of {windows} windows; the others state none")
    return "\n".join(lines)


def cost_table(costs: Sequence[Cost]) -> str:
    rows = [["what it costs", "GPU", "CPU while open", "calls at edges", "import to first window"]]
    for cost in costs:
        rows.append(
            [
                cost.tool,
                cost.kind,
                _figure(cost.cpu_percent, "{:.2f} %"),
                _figure(cost.calls_ms, "{:.1f} ms"),
                _figure(cost.start_seconds, "{:.2f} s"),
            ]
        )
    return _aligned(rows)


def _figure(value: Optional[float], form: str) -> str:
    return NO_FIGURE if value is None else form.format(value)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(f"{text:<{width}}" for text, width in zip(row, widths)).rstrip() for row in rows)


def as_json(cells: Sequence[Cell], costs: Sequence[Cost]) -> Dict[str, List[Dict[str, object]]]:
    return {"errors": [asdict(cell) for cell in cells], "costs": [asdict(cost) for cost in costs]}
