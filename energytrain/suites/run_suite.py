"""Runs a suite here, one run after the other, whatever becomes of each of them."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Protocol, Sequence

import filelock

from ..errors import UsageError
from ..runs.result import run_result
from ..runs.underway import Doing
from . import standing as at
from .child_run import COMMAND, LOOK_SECONDS, Follower, run_child
from .decision import DAMAGED, LEAVE, SKIP, TRAINS, WAIT, Decision, check_folder, decide
from .jobs import Job, question, standings_of
from .resolving import Answers, ask
from .standing import Standing, standing
from .time_left import TimeLeft

DONE, SKIPPED, FAILED, INTERRUPTED, LEFT_OUT = "done", "was done", "failed", "interrupted", "left out"
NOT_DONE = "not done"
INTERRUPTED_STATUS = 130
_INCOMPLETE = "its metering is incomplete"
_IS = {LEFT_OUT: "was left out", INTERRUPTED: "was interrupted"}


@dataclass(frozen=True)
class Treatment:
    """Where runs lie and how they are treated. command: what starts a run."""

    runs_dir: Path
    rerun_stale: bool = False
    accept_changes: bool = False
    command: Sequence[str] = COMMAND


@dataclass(frozen=True)
class Outcome:
    """How a run ended. word: one of the above; why: in words, where there is more to say. status: its part in the
    suite's: 0, 1 failed, 3 its metering is incomplete, 5 left out, 130 interrupted. trained: it was worked on just now.
    finished: it has a result, if an old one.
    """

    name: str
    word: str
    why: str
    status: int
    trained: bool = False
    finished: bool = False


class Watcher(Protocol):
    """What a suite tells whoever watches. left: seconds until the end, where they can be estimated."""

    def begins(self, job: Job, decision: Decision, number: int, left: Optional[float]) -> None: ...

    def works(self, job: Job, doing: Optional[Doing], left: Optional[float]) -> None: ...

    def message(self, job: Job, text: str) -> None: ...

    def ended(self, job: Job, outcome: Outcome, number: int, left: Optional[float]) -> None: ...


def exit_status(outcomes: Sequence[Outcome], jobs: int) -> int:
    """Of a suite of so many jobs: interrupted before failed before left out before incomplete."""
    found = {outcome.status for outcome in outcomes}
    if len(outcomes) < jobs:
        found.add(INTERRUPTED_STATUS)
    return next((status for status in (INTERRUPTED_STATUS, 1, 5, 3) if status in found), 0)


def run_suite(
    suite: str, jobs: Sequence[Job], answers: Answers, treatment: Treatment, watcher: Watcher
) -> List[Outcome]:
    """The outcome of every job that was come to, in order; the last one is interrupted where the suite was.

    UsageError, with nothing done, where the folder holds other runs under the same names, or another process is at work
    on this suite there.
    """
    runs_dir = treatment.runs_dir
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(str(runs_dir / f".{suite}.bench.lock"))
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise UsageError(f"this suite is being run in '{runs_dir}' already.", "Wait for it, or stop it.") from error
    except OSError as error:
        raise UsageError(f"'{runs_dir}' cannot be written ({error.strerror}).", "Choose another --runs-dir.") from error
    try:
        standings = standings_of(jobs, answers, runs_dir)
        check_folder(standings, str(runs_dir), treatment.rerun_stale)
        return _Suite(jobs, answers, treatment, watcher, standings).run()
    finally:
        lock.release()


def found_outcomes(jobs: Sequence[Job], answers: Answers, treatment: Treatment) -> List[Outcome]:
    """The outcomes that there are, with nothing done about them."""
    runs_dir = treatment.runs_dir
    standings = standings_of(jobs, answers, runs_dir)
    check_folder(standings, str(runs_dir), treatment.rerun_stale)
    found = []
    for job in jobs:
        name, decision = job.run.name, decide(standings[job.run.name], False, treatment.accept_changes)
        if decision.do in (SKIP, LEAVE, DAMAGED):
            found.append(_untouched(name, decision, runs_dir))
        else:
            found.append(Outcome(name, NOT_DONE, decision.do, 5))
    return found


def _untouched(name: str, decision: Decision, runs_dir: Path) -> Outcome:
    if decision.do == SKIP:
        complete = run_result(runs_dir / name)["complete"]
        why = "; ".join(filter(None, (decision.why, "" if complete else _INCOMPLETE)))
        return Outcome(name, SKIPPED, why, 0 if complete else 3, finished=True)
    if decision.do == DAMAGED:
        return Outcome(name, FAILED, decision.why, 1)
    return Outcome(name, LEFT_OUT, decision.why, 5, finished=decision.finished)


class _Suite:
    """The jobs on their way: what was decided, what came of it, and how long it took."""

    def __init__(
        self,
        jobs: Sequence[Job],
        answers: Answers,
        treatment: Treatment,
        watcher: Watcher,
        standings: Mapping[str, Standing],
    ) -> None:
        self.jobs = jobs
        self.answers = dict(answers.by_name)
        self.treatment = treatment
        self.watcher = watcher
        self.time = TimeLeft(jobs, treatment.runs_dir, standings, answers.startup_seconds)
        self.outcomes: Dict[str, Outcome] = {}
        self.stopped = False

    def run(self) -> List[Outcome]:
        for number, job in enumerate(self.jobs, start=1):
            begun = time.monotonic()
            outcome = self._job(job, number)
            self.outcomes[job.run.name] = outcome
            took = time.monotonic() - begun if outcome.trained else None
            self.time.ended(job, outcome.word in (DONE, SKIPPED), took)
            self.watcher.ended(job, outcome, number, self.time.left())
            if self.stopped:
                break
        return list(self.outcomes.values())

    def _job(self, job: Job, number: int) -> Outcome:
        try:
            decision = self._decision(job)
            self.watcher.begins(job, decision, number, self.time.left())
            while decision.do == WAIT:
                self._wait(job)
                decision = self._decision(job)
            if decision.do in TRAINS:
                return self._train(job, decision)
            return _untouched(job.run.name, decision, self.treatment.runs_dir)
        except KeyboardInterrupt:
            self.stopped = True
            return Outcome(job.run.name, INTERRUPTED, "", INTERRUPTED_STATUS)

    def _decision(self, job: Job) -> Decision:
        run, runs_dir = job.run, self.treatment.runs_dir
        folder = runs_dir / run.name
        matched = None if run.like is None else self.outcomes[run.like]
        if matched is not None and (matched.trained or self.answers[run.name].identity is None):
            if (folder / "run.json").exists():
                self.answers.update(ask([question(job, runs_dir)]).by_name)
        stands = standing(folder, self.answers[run.name])
        if stands.what != at.DONE and matched is not None and matched.status not in (0, 3):
            # One that is stale and was left out still has a ticket; a match to it would be stale, too.
            return Decision(LEAVE, f"the run that it matches, '{run.like}', {_IS.get(matched.word, matched.word)}")
        return decide(stands, self.treatment.rerun_stale, self.treatment.accept_changes)

    def _train(self, job: Job, decision: Decision) -> Outcome:
        run, folder = job.run, self.treatment.runs_dir / job.run.name
        like = () if run.like is None else ("--like", str(self.treatment.runs_dir / run.like))
        place = ("--name", run.name, "--runs-dir", str(self.treatment.runs_dir))
        begun = time.monotonic()
        ended = run_child(
            (*job.arguments, *like, *place, "--json", "--quiet", *decision.arguments),
            folder,
            lambda doing: self.watcher.works(job, doing, self.time.left(time.monotonic() - begun)),
            lambda text: self.watcher.message(job, text),
            self.treatment.command,
        )
        # The signal was the child's; that it was also meant for the suite, only this tells.
        self.stopped = ended.stopped
        if ended.status in (0, 3):
            why = "" if ended.status == 0 else _INCOMPLETE
            return Outcome(run.name, DONE, why, ended.status, trained=True, finished=True)
        if ended.stopped or ended.status == INTERRUPTED_STATUS:
            return Outcome(run.name, INTERRUPTED, ended.last, INTERRUPTED_STATUS, trained=True)
        # What a killed process said last was no reason.
        why = f"ended by signal {ended.status - 128}" if ended.status > 128 else ended.last
        return Outcome(run.name, FAILED, why or f"exit status {ended.status}", 1, trained=True)

    def _wait(self, job: Job) -> None:
        """Until the process that writes the run now, left by a suite that was killed or somebody else's, ends."""
        folder = self.treatment.runs_dir / job.run.name
        follower, answer = Follower(folder, running=True), self.answers[job.run.name]
        begun = time.monotonic()
        while standing(folder, answer).what == at.UNDERWAY:
            self.watcher.works(job, follower.look(), self.time.left(time.monotonic() - begun))
            time.sleep(LOOK_SECONDS)
