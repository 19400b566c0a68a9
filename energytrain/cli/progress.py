"""Progress of a run for people: a live bar and a line an epoch on a terminal, plain lines where there is none."""

from types import TracebackType
from typing import Optional, Type

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..execution.listener import EpochReport
from ..reports.format import si


class Terminal:
    """Shows a bar for the epoch or window under way below a line for each finished epoch. A context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f} %"))
        self._progress = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
        self._task: Optional[TaskID] = None
        self._phase = ""
        self._first = self._done = self._last = 0

    def __enter__(self) -> "Terminal":
        self._progress.start()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._progress.stop()

    def message(self, text: str) -> None:
        self._progress.console.print(text, style="yellow", markup=False)

    def phase(self, name: str, first: int, last: int) -> None:
        self._phase, self._first, self._done, self._last = name, first, first, last
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(f"{name} epoch {first + 1}/{last}", total=max(1, last - first))

    def window(self, network: str, batch: int, number: int, windows: int) -> None:
        self._phase, self._first, self._done, self._last = "inference", 0, number - 1, windows
        if self._task is not None:
            self._progress.remove_task(self._task)
        label = window_label(network, batch, number, windows)
        self._task = self._progress.add_task(label, total=windows, completed=number - 1)

    def step(self, done: int, steps: int) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=self._done - self._first + done / steps)

    def epoch(self, report: EpochReport) -> None:
        self._done = report.epoch + 1
        if self._task is not None:
            label = f"{self._phase} epoch {min(self._done + 1, self._last)}/{self._last}"
            self._progress.update(self._task, completed=self._done - self._first, description=label)
        self._progress.console.print(epoch_line(report), markup=False)


class Plain:
    """One line an epoch, without colour or cursor movement. A context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> "Plain":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def message(self, text: str) -> None:
        self._console.print(text, markup=False)

    def phase(self, name: str, first: int, last: int) -> None:
        self._console.print(f"{name}: epochs {first + 1} to {last}", markup=False)

    def window(self, network: str, batch: int, number: int, windows: int) -> None:
        self._console.print(window_label(network, batch, number, windows), markup=False)

    def step(self, done: int, steps: int) -> None:
        pass

    def epoch(self, report: EpochReport) -> None:
        self._console.print(epoch_line(report), markup=False)


def window_label(network: str, batch: int, number: int, windows: int) -> str:
    return f"inference {number}/{windows}: {network}, batch {batch}"


def epoch_line(report: EpochReport) -> str:
    """One epoch in one line: loss, accuracies, mask distance, watts, joules so far and in all with their provenance."""
    parts = [
        f"{report.phase:<7} {report.epoch + 1:>4}/{report.epochs}",
        f"loss {report.loss:.4f}",
        f"train {report.accuracy:5.2f} %",
    ]
    if report.test_accuracy is not None:
        parts.append(f"test {report.test_accuracy:5.2f} %")
    if report.distance is not None:
        parts.append(f"distance {report.distance:.3f}")
    if report.watts is not None:
        parts.append(f"{report.watts:.1f} W")
    if report.joules is not None:
        parts.append(f"{si(report.joules, 'J')} {report.provenance}")
    if report.outlook is not None:
        low, high = (si(joules, "J") for joules in (report.outlook.low, report.outlook.high))
        how = report.provenance.replace("measured", "extrapolated")
        parts.append(f"in all {low} {how}" if low == high else f"in all {low} to {high} {how}")
    return "  ".join(parts)


class Quiet(Plain):
    """Only messages: what is modelled and what could not be metered must be seen."""

    def phase(self, name: str, first: int, last: int) -> None:
        pass

    def window(self, network: str, batch: int, number: int, windows: int) -> None:
        pass

    def epoch(self, report: EpochReport) -> None:
        pass
