"""What a suite will take before it is begun: FLOPs, seconds and joules of each run, and how each figure was made.

The best source there is, figure by figure: a run of the same group under another seed that is done; runs of other
methods on the same network and data, by their FLOPs; and where nothing was trained yet, the plan, a few timed steps of
each network, and the energy model of the device's profile.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ..methods.catalog import search_precision
from ..planning.account import planned_rows, useful_row
from ..planning.estimate import Plan, plan
from ..quantities.energy import Energy, Provenance, total
from ..runs.folder import RunFolder
from ..runs.result import profile_of, run_result
from ..runs.spec import RunSpec
from . import standing as at
from .decision import CONTINUE, TRAINS, WAIT, Decision
from .flops import LESS, Flops, left_of, mean_flops, planned_flops, sum_of_flops
from .jobs import Job
from .matrix import SuiteRun
from .pace import Stopwatch, first_step_seconds
from .resolving import Answers
from .standing import Standing

# What two runs share where seconds and joules for each FLOP of one say something of the other.
ALIKE = (
    "model",
    "width",
    "shortcut",
    "dataset",
    "limit",
    "image_size",
    "batch_size",
    "precision",
    "channels_last",
    "compute",
    "device",
)


@dataclass(frozen=True)
class Figure:
    """A figure and how it was made, in words; None where it cannot be told. Joules also have their provenance, with
    "what-if" behind it where arithmetic is emulated (`costs.what_if`)."""

    value: Optional[float]
    source: str
    provenance: Optional[str] = None


@dataclass(frozen=True)
class Forecast:
    """What is left of a run: useful FLOPs, seconds in all (set-up and evaluation, too), useful joules. `do`: what would
    be done about it; None of the rest where it would not be trained."""

    run: str
    do: str
    why: str
    flops: Optional[Flops] = None
    seconds: Optional[Figure] = None
    joules: Optional[Figure] = None

    def to_json(self) -> Dict[str, Any]:
        return asdict(self)


class _Done(NamedTuple):
    run: SuiteRun
    result: Mapping[str, Any]


def forecasts(
    jobs: Sequence[Job],
    answers: Answers,
    standings: Mapping[str, Standing],
    decisions: Mapping[str, Decision],
    runs_dir: Path,
) -> List[Forecast]:
    """One for each job. UsageError for data that is not there."""
    return _Forecaster(jobs, answers, standings, runs_dir).all(decisions)


class _Forecaster:
    def __init__(
        self, jobs: Sequence[Job], answers: Answers, standings: Mapping[str, Standing], runs_dir: Path
    ) -> None:
        self.jobs = {job.run.name: job for job in jobs}
        self.answers = answers
        self.runs_dir = runs_dir
        self.startup = answers.startup_seconds + first_step_seconds()
        self.stopwatch = Stopwatch()
        self.plans: Dict[str, Plan] = {}
        self.done = [
            _Done(job.run, run_result(runs_dir / job.run.name))
            for job in jobs
            if standings[job.run.name].what in (at.DONE, at.STALE_DONE) and self._is_of_here(job)
        ]

    def all(self, decisions: Mapping[str, Decision]) -> List[Forecast]:
        return [self._forecast(job, decisions[name]) for name, job in self.jobs.items()]

    def _is_of_here(self, job: Job) -> bool:
        """Whether the run was last trained on this machine."""
        attempts = RunFolder(self.runs_dir / job.run.name).read()["attempts"]
        return bool(attempts[-1]["machine"] == self.answers.by_name[job.run.name].machine)

    def _forecast(self, job: Job, decision: Decision) -> Forecast:
        name = job.run.name
        if decision.do not in (*TRAINS, WAIT):
            return Forecast(name, decision.do, decision.why)
        siblings = [done for done in self.done if done.run.group == job.run.group and done.run.name != name]
        found = self._as_siblings(siblings) if siblings else self._planned(job)
        if decision.do in (CONTINUE, WAIT):
            found = _less(found, run_result(self.runs_dir / name))
        return replace(found, run=name, do=decision.do, why=decision.why)

    def _as_siblings(self, siblings: Sequence[_Done]) -> Forecast:
        """The means of the same training under other seeds."""
        n = len(siblings)
        source = f"as in {siblings[0].run.name}" if n == 1 else f"mean of {n} other seeds"
        flops = mean_flops([one.result["useful"] for one in siblings], source)
        seconds = sum(one.result["spent"]["seconds"] for one in siblings) / n + self.startup
        energies = [Energy.from_json(one.result["useful"]["energy"]) for one in siblings]
        newest = energies[-1]
        like = [e for e in energies if (e.provenance, e.scope) == (newest.provenance, newest.scope)]
        mean = total(like).scaled(1 / len(like), Provenance.EXTRAPOLATED)
        emulated = siblings[-1].result.get("what_if") is not None
        return Forecast("", "", "", flops, Figure(seconds, source), _joules(mean, source, emulated))

    def _planned(self, job: Job) -> Forecast:
        planned = self._plan(job)
        source = "planned" if not planned.assumed else f"planned, assuming that {planned.assumed}"
        alike = [done for done in self.done if _is_alike(done.result["spec"], planned.spec)]
        same = [done for done in alike if done.run.options["method"] == planned.spec.method]
        return Forecast(
            "",
            "",
            "",
            planned_flops(planned.ledger, source),
            self._seconds(planned, same or alike),
            self._energy(planned, same or alike),
        )

    def _plan(self, job: Job) -> Plan:
        name, like = job.run.name, job.run.like
        if name not in self.plans:
            if like is None:
                self.plans[name] = plan(job.options)
            elif self.answers.by_name[name].spec is not None:
                self.plans[name] = plan({**job.options, "like": str(self.runs_dir / like)})
            else:
                self.plans[name] = plan(job.options, matched=self._plan(self.jobs[like]))
        return self.plans[name]

    def _seconds(self, planned: Plan, alike: Sequence[_Done]) -> Figure:
        if planned.spec.measure_epochs is not None:
            return Figure(None, "not estimated where only some epochs are trained")
        if alike:
            spent = sum(done.result["spent"]["seconds"] for done in alike)
            rate = spent / sum(done.result["useful"]["flops"] for done in alike)
            return Figure(rate * planned.ledger.flops() + self.startup, f"by FLOPs of {_named(alike)}")
        seconds = self.startup
        for phase in planned.ledger.phases():
            kept = planned.networks.get(phase, ())
            spec = replace(planned.spec, precision=planned.precisions.get(phase, planned.spec.precision))
            pace = self.stopwatch.pace(spec, planned.settings, kept)
            # Choosing what to prune is no training; it is timed as if it were.
            share = pace.evaluation_share if phase in planned.networks else 0.0
            seconds += planned.ledger.flops(phase) * pace.seconds_per_flop * (1 + share)
        return Figure(seconds, "a few steps timed here")

    def _energy(self, planned: Plan, alike: Sequence[_Done]) -> Figure:
        measured = [
            done
            for done in alike
            if done.result["headline"] == "measured" and done.result["useful"]["energy"]["joules"] is not None
        ]
        if measured:
            joules = total(Energy.from_json(done.result["useful"]["energy"]) for done in measured)
            share = planned.ledger.flops() / sum(done.result["useful"]["flops"] for done in measured)
            return _joules(joules.scaled(share, Provenance.EXTRAPOLATED), f"by FLOPs of {_named(measured)}")
        profile = profile_of(planned.spec.device)
        if profile is None:
            return Figure(None, f"{planned.spec.device} has no profile, and nothing was measured yet")
        row = useful_row(planned_rows(planned, profile))
        energy, emulated = row.modelled, row.emulated
        source = f"the profile of {planned.spec.device}"
        return _joules(energy, f"{source} and 8-bit unit energies, in the same time" if emulated else source, emulated)


def _joules(energy: Energy, source: str, emulated: bool = False) -> Figure:
    if energy.joules is None:
        return Figure(None, str(energy.reason))
    return Figure(energy.joules, source, f"{energy.provenance.value}{', what-if' if emulated else ''}")


def _is_alike(done: Mapping[str, Any], spec: RunSpec) -> bool:
    other = RunSpec.from_json(done)
    same = search_precision(other) == search_precision(spec)
    return same and other.measure_epochs is None and all(done[name] == getattr(spec, name) for name in ALIKE)


def _named(runs: Sequence[_Done]) -> str:
    return runs[0].run.name if len(runs) == 1 else f"{len(runs)} runs that are done"


def _less(forecast: Forecast, result: Mapping[str, Any]) -> Forecast:
    """What is left behind what a run that is not done has."""

    def left(figure: Optional[Figure], had: Optional[float]) -> Optional[Figure]:
        if figure is None or figure.value is None:
            return figure
        if had is None:
            return Figure(None, "what it has used so far is missing")
        return replace(figure, value=max(0.0, figure.value - had), source=f"{figure.source}{LESS}")

    return replace(
        forecast,
        flops=None if forecast.flops is None else left_of(forecast.flops, result["useful"]),
        seconds=left(forecast.seconds, result["spent"]["seconds"]),
        joules=left(forecast.joules, result["useful"]["energy"]["joules"]),
    )


@dataclass(frozen=True)
class Sum:
    """All runs together. flops: None where they are of several precisions; joules: by provenance, never one sum over
    all; without_seconds, without_joules: runs of which they cannot be told."""

    runs: int
    flops: Optional[float]
    flops_by_precision: Mapping[str, float]
    flops_paper_count: float
    seconds: float
    without_seconds: int
    joules: Mapping[str, float]
    without_joules: int

    def to_json(self) -> Dict[str, Any]:
        return asdict(self)


def sum_of(rows: Sequence[Forecast]) -> Sum:
    trained = [row for row in rows if row.flops is not None]
    known = [row.joules for row in trained if row.joules is not None and row.joules.value is not None]
    by_provenance: Dict[str, float] = {}
    for figure in known:
        by_provenance[str(figure.provenance)] = by_provenance.get(str(figure.provenance), 0.0) + (figure.value or 0.0)
    seconds = [row.seconds.value for row in trained if row.seconds is not None and row.seconds.value is not None]
    flops = sum_of_flops(row.flops for row in trained if row.flops is not None)
    return Sum(
        runs=len(trained),
        flops=flops.value,
        flops_by_precision=flops.by_precision,
        flops_paper_count=flops.paper_count,
        seconds=sum(seconds),
        without_seconds=len(trained) - len(seconds),
        joules=by_provenance,
        without_joules=len(trained) - len(known),
    )
