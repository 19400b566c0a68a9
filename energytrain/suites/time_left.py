"""How long the rest of a suite will take, from the runs of it that are done: those of the same group, else of the same
method, else all."""

from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

from ..errors import UsageError
from ..runs.result import run_result
from . import standing as at
from .jobs import Job
from .standing import Standing


class TimeLeft:
    """Is told as each run ends. startup_seconds: what a run takes before its first mark, at least."""

    def __init__(
        self, jobs: Sequence[Job], runs_dir: Path, standings: Mapping[str, Standing], startup_seconds: float
    ) -> None:
        self._jobs = list(jobs)
        self._runs_dir = runs_dir
        self._startup = startup_seconds
        self._spent: Dict[str, float] = {}
        self._open = [job.run.name for job in jobs]
        for job in jobs:
            if standings[job.run.name].what in (at.DONE, at.STALE_DONE):
                self._note(job)
            if standings[job.run.name].what == at.DONE:
                self._open.remove(job.run.name)

    def ended(self, job: Job, done: bool, took: Optional[float]) -> None:
        """took: seconds, of a run that was trained just now; it also tells what a run takes outside its marks."""
        if done:
            self._note(job, took)
        if job.run.name in self._open:
            self._open.remove(job.run.name)

    def left(self, elapsed: float = 0.0) -> Optional[float]:
        """Seconds; elapsed: of the first run that is not over. None where no run was done yet."""
        if not self._spent:
            return None if self._open else 0.0
        each = [self._expected(job) for job in self._jobs if job.run.name in self._open]
        return max(0.0, each[0] - elapsed) + sum(each[1:]) if each else 0.0

    def _expected(self, job: Job) -> float:
        def method(other: Job) -> object:
            return other.run.options["method"]

        for alike in (
            [j for j in self._jobs if j.run.group == job.run.group],
            [j for j in self._jobs if method(j) == method(job)],
            self._jobs,
        ):
            known: List[float] = [self._spent[j.run.name] for j in alike if j.run.name in self._spent]
            if known:
                return sum(known) / len(known) + self._startup
        raise ValueError("no run was done yet")

    def _note(self, job: Job, took: Optional[float] = None) -> None:
        try:
            result = run_result(self._runs_dir / job.run.name)
        except UsageError:  # it was reported as such
            return
        self._spent[job.run.name] = result["spent"]["seconds"]
        if took is not None and result["lost"]["seconds"] == 0:
            self._startup = max(0.0, took - result["spent"]["seconds"])
