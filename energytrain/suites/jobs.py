"""The runs of a suite with their command lines."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from ..errors import UsageError
from ..runs.result import run_result
from .matrix import SuiteRun
from .resolving import Answers, Question, ask
from .standing import Standing, standing
from .suite_file import Option, arguments

# From a run's name and its words on the command line to its options, as `execution.resolve` takes them.
Parse = Callable[[str, Sequence[str]], Dict[str, Any]]


@dataclass(frozen=True)
class Job:
    """A run with its command line. arguments: of `energytrain run`, without name, folder and what it is matched to;
    options: the same, as `execution.resolve` takes them."""

    run: SuiteRun
    arguments: Tuple[str, ...]
    options: Mapping[str, Any]


def jobs_of(
    runs: Sequence[SuiteRun], options: Mapping[str, Option], parse: Parse, common: Mapping[str, Any]
) -> List[Job]:
    """A job for each run; `common`: options of all of them that are no part of what a run is, such as where data lies.

    UsageError for a value that an option does not take.
    """
    found = []
    for run in runs:
        words = arguments({**run.options, **common}, options)
        found.append(Job(run, words, parse(run.name, words)))
    return found


def look_up(jobs: Sequence[Job], runs_dir: Path) -> Answers:
    """What each run is in full; UsageError for the first that cannot be."""
    return ask([question(job, runs_dir) for job in jobs])


def standings_of(jobs: Sequence[Job], answers: Answers, runs_dir: Path) -> Dict[str, Standing]:
    return {job.run.name: standing(runs_dir / job.run.name, answers.by_name[job.run.name]) for job in jobs}


def question(job: Job, runs_dir: Path) -> Question:
    run = job.run
    if run.like is None:
        return Question(run.name, job.options)
    if not _is_done(runs_dir / run.like):
        return Question(run.name, job.options, matched=True)
    return Question(run.name, {**job.options, "like": str(runs_dir / run.like)})


def _is_done(folder: Path) -> bool:
    try:
        return bool((folder / "run.json").exists() and run_result(folder)["status"] == "done")
    except UsageError:  # its own turn tells
        return False
