"""Progress of a suite for people: bars on a terminal, plain lines where there is none."""

import time
from types import TracebackType
from typing import Optional, Set, Type

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ..reports.format import seconds
from ..runs.underway import Doing
from ..suites.decision import AGAIN, CONTINUE, START, WAIT, Decision
from ..suites.jobs import Job
from ..suites.run_suite import FAILED, INTERRUPTED, LEFT_OUT, Outcome

# A log that stands still for longer looks like a program that hangs.
PLAIN_SECONDS = 60.0
BEGINS = {START: "starts", CONTINUE: "goes on", AGAIN: "is run again", WAIT: "is being trained elsewhere; waiting"}
_STYLES = {FAILED: "red", INTERRUPTED: "yellow", LEFT_OUT: "yellow"}


class Plain:
    """A line as a run begins and as it ends, one a minute between, and each message once. A context manager."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._said: Set[str] = set()
        self._begun = self._spoke = 0.0

    def __enter__(self) -> "Plain":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        pass

    def begins(self, job: Job, decision: Decision, number: int, left: Optional[float]) -> None:
        self._begun = self._spoke = time.monotonic()
        if decision.do in BEGINS:
            self.say(f"{self._place(job, number)} {BEGINS[decision.do]}{_left(left)}")

    def works(self, job: Job, doing: Optional[Doing], left: Optional[float]) -> None:
        if time.monotonic() - self._spoke > PLAIN_SECONDS:
            self._spoke = time.monotonic()
            self.say(f"    {job.run.name}: {words_of(doing)}{_left(left)}")

    def message(self, job: Job, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self.say(f"    {text}", style="yellow")

    def ended(self, job: Job, outcome: Outcome, number: int, left: Optional[float]) -> None:
        took = f" in {seconds(time.monotonic() - self._begun)}" if outcome.trained else ""
        why = f" ({outcome.why})" if outcome.why else ""
        self.say(f"{self._place(job, number)} {outcome.word}{took}{why}", style=_STYLES.get(outcome.word))

    def say(self, text: str, style: Optional[str] = None) -> None:
        self._console.print(text, style=style, markup=False, soft_wrap=True)

    def _place(self, job: Job, number: int) -> str:
        return f"[{number}/{self._total}] {job.run.name}"


class Terminal(Plain):
    """Below the same lines two bars: the runs of the suite, and the epochs of the run at work."""

    def __init__(self, console: Console, total: int) -> None:
        super().__init__(console, total)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[note]}"))
        self._progress = Progress(*columns, console=console, transient=True)
        self._suite = self._progress.add_task("suite", total=total, note=f"0 of {total} runs")
        self._run = self._progress.add_task("", total=None, visible=False, note="")

    def __enter__(self) -> "Terminal":
        self._progress.start()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._progress.stop()

    def works(self, job: Job, doing: Optional[Doing], left: Optional[float]) -> None:
        done = self._progress.tasks[0].completed
        self._progress.update(self._suite, note=f"{done:.0f} of {self._total} runs{_left(left)}")
        epochs = None if doing is None else doing.epochs
        self._progress.update(
            self._run,
            description=job.run.name,
            visible=True,
            total=epochs,
            completed=(doing.epoch or 0) if doing is not None else 0,
            note=words_of(doing),
        )

    def ended(self, job: Job, outcome: Outcome, number: int, left: Optional[float]) -> None:
        super().ended(job, outcome, number, left)
        self._progress.update(self._run, visible=False)
        note = f"{number} of {self._total} runs{_left(left)}"
        self._progress.update(self._suite, completed=number, note=note)


def words_of(doing: Optional[Doing]) -> str:
    return "starting" if doing is None else doing.words()


def _left(left: Optional[float]) -> str:
    return "" if left is None else f", about {seconds(left)} left"
