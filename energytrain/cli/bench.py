"""`energytrain bench SUITE.yaml`: the runs of a suite one after the other, and their table."""

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence

import click

if TYPE_CHECKING:
    from ..reports.comparing.seed_groups import SeedGroup
    from ..suites.jobs import Job
    from ..suites.matrix import SuiteRun
    from ..suites.resolving import Answers
    from ..suites.run_suite import Outcome, Treatment
    from ..suites.suite_file import Option, Suite

# Of `energytrain run`, what says how it shows itself, not what it does.
_SHOWS = ("as_json", "quiet", "debug", "repeat")


@click.command()
@click.argument("suite", type=click.Path(path_type=Path), metavar="SUITE.yaml")
@click.option("--runs-dir", metavar="DIR", help="Where its runs are stored (default: as the file says, or runs/NAME).")
@click.option("--data-dir", metavar="DIR", help="Where the data set lies.")
@click.option("--download", is_flag=True, help="Fetch the data set into --data-dir if it is missing.")
@click.option("--compare-with", metavar="NAME", help="Take differences to the runs of this name (default dense).")
@click.option("--dry-run", is_flag=True, help="Start nothing: what each run would take in FLOPs, time and joules.")
@click.option("--report", is_flag=True, help="Start nothing: the tables of what is there.")
@click.option("--rerun-stale", is_flag=True, help="Discard runs of another commit, machine or setting; run them anew.")
@click.option(
    "--accept-changes", is_flag=True, help="Take runs of another commit or machine as they are; continue them."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone on standard output.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(
    suite: Path,
    runs_dir: Optional[str],
    data_dir: Optional[str],
    download: bool,
    compare_with: Optional[str],
    dry_run: bool,
    report: bool,
    rerun_stale: bool,
    accept_changes: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Train a matrix of runs, one after the other, and compare them.

    The same command goes on where it was stopped: what is finished for this commit and machine is skipped, what was
    interrupted is continued, and a run that fails does not end the rest.

    \b
    schema_version: 1
    name: digits
    defaults: {dataset: digits, epochs: 20}
    matrix:
      - {method: dense, seed: [0, 1, 2]}
      - {method: [eb-ff, random-ticket], prune-ratio: [0.3, 0.5], seed: [0, 1, 2]}
      - {method: small-dense, like: eb-ff, prune-ratio: [0.3, 0.5], seed: [0, 1, 2]}

    Exit status: 0 all is done; 1 a run failed; 2 wrong usage or input; 3 done, but the metering of a run is
    incomplete; 5 done, but stale runs were left out; 130 interrupted.
    """
    from ..errors import UsageError
    from ..suites.jobs import jobs_of, look_up
    from ..suites.matrix import suite_runs
    from ..suites.run_suite import Treatment
    from ..suites.suite_file import read_suite

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if rerun_stale and accept_changes:
        raise UsageError("--rerun-stale discards what --accept-changes takes.", "Give one of the two.")
    if dry_run and report:
        raise UsageError("--dry-run tells of what is to come, --report of what is there.", "Give one of the two.")
    options = run_options()
    read = read_suite(suite, options)
    runs = suite_runs(read, compare_with)
    common = {"data-dir": data_dir, "download": download or None}
    jobs = jobs_of(runs, options, _parse, {name: value for name, value in common.items() if value is not None})
    folder = Path(runs_dir or read.runs_dir or f"runs/{read.name}")
    answers = look_up(jobs, folder)
    treatment = Treatment(folder, rerun_stale, accept_changes)
    if dry_run:
        return _dry_run(jobs, answers, treatment, as_json)
    outcomes = _found(jobs, answers, treatment) if report else _train(read.name, jobs, answers, treatment, as_json)
    return _show(read, runs, outcomes, folder, as_json)


def run_options() -> "Dict[str, Option]":
    """The options of `energytrain run`, as a suite may name them."""
    from ..suites.suite_file import Option
    from .run import command as run

    found = {}
    for parameter in run.params:
        if isinstance(parameter, click.Option) and parameter.name not in (*_SHOWS, "config"):
            (name,) = [text[2:] for text in parameter.opts if text.startswith("--")]
            off = parameter.secondary_opts[0] if parameter.secondary_opts else None
            found[name] = Option(name, parameter.is_flag, off, parameter.multiple)
    return found


def _parse(name: str, words: Sequence[str]) -> Dict[str, Any]:
    """The options of a run from its command line, checked as `energytrain run` checks them."""
    from ..errors import UsageError
    from .run import command as run

    try:
        context = run.make_context("run", list(words))
    except click.ClickException as error:
        raise UsageError(f"the run '{name}' cannot be: {error.format_message()}") from error
    return {key: value for key, value in context.params.items() if key not in _SHOWS}


def _train(
    suite: str, jobs: "Sequence[Job]", answers: "Answers", treatment: "Treatment", as_json: bool
) -> "List[Outcome]":
    from ..suites.run_suite import run_suite
    from .console import console
    from .suite_progress import Plain, Terminal

    out = console(stderr=as_json)
    with (Terminal if out.is_terminal else Plain)(out, len(jobs)) as watcher:
        return run_suite(suite, jobs, answers, treatment, watcher)


def _found(jobs: "Sequence[Job]", answers: "Answers", treatment: "Treatment") -> "List[Outcome]":
    from ..suites.run_suite import found_outcomes

    return found_outcomes(jobs, answers, treatment)


def _show(
    suite: "Suite", runs: "Sequence[SuiteRun]", outcomes: "Sequence[Outcome]", folder: Path, as_json: bool
) -> int:
    from ..reports.comparing.seed_groups import Member, seed_groups
    from ..runs.result import run_result
    from ..suites.run_suite import exit_status

    status = exit_status(outcomes, len(runs))
    results = {outcome.name: run_result(folder / outcome.name) for outcome in outcomes if outcome.finished}
    members = [
        Member(run.group, results[run.name], results.get(run.compare_with or "")) for run in runs if run.name in results
    ]
    groups = seed_groups(members, suite.equivalence_margin)
    if as_json:
        rows = [{"run": o.name, "state": o.word, "why": o.why, "folder": str(folder / o.name)} for o in outcomes]
        told = {"suite": suite.name, "runs_dir": str(folder), "exit_status": status, "runs": rows}
        click.echo(json.dumps({**told, "groups": [group.to_json() for group in groups]}, indent=1))
    heads = {run.name: run.head for run in runs}
    compared = {heads[run.compare_with] for run in runs if run.compare_with is not None}
    _tables(suite, list(results.values()), groups, ", ".join(sorted(compared)), outcomes, as_json)
    return status


def _tables(
    suite: "Suite",
    results: List[Dict[str, Any]],
    groups: "Sequence[SeedGroup]",
    reference: str,
    outcomes: "Sequence[Outcome]",
    as_json: bool,
) -> None:
    """The tables, unless JSON was printed, and then what is to be said of the runs."""
    from ..reports.comparing.differences import differences
    from ..reports.tables.comparison_form import comparison_sheet
    from ..reports.terminal.suite_table import suite_table, table_lines
    from ..suites.decision import by_reason
    from ..suites.run_suite import DONE, SKIPPED
    from .console import console, show_table

    if results and not as_json:
        show_table(comparison_sheet(results))
        console().print(suite_table(groups, reference))
        for line in table_lines(groups, suite.equivalence_margin):
            console().print(line, markup=False)
    out = console(stderr=as_json)
    for sentence in differences(results):
        out.print(f"warning: {sentence}", style="yellow", markup=False)
    told = [outcome for outcome in outcomes if outcome.why or outcome.word not in (DONE, SKIPPED)]
    for sentence in by_reason({o.name: ", ".join(filter(None, (o.word, o.why))) for o in told}):
        out.print(sentence, style="yellow", markup=False)


def _dry_run(jobs: "Sequence[Job]", answers: "Answers", treatment: "Treatment", as_json: bool) -> int:
    from ..reports.terminal.suite_table import plan_table, sum_lines
    from ..suites.decision import by_reason, check_folder, decide
    from ..suites.forecast import forecasts, sum_of
    from ..suites.jobs import standings_of
    from .console import console

    standings = standings_of(jobs, answers, treatment.runs_dir)
    check_folder(standings, str(treatment.runs_dir), treatment.rerun_stale)
    decisions = {
        name: decide(stands, treatment.rerun_stale, treatment.accept_changes) for name, stands in standings.items()
    }
    rows = forecasts(jobs, answers, standings, decisions, treatment.runs_dir)
    whole: Mapping[str, Any] = sum_of(rows).to_json()
    if as_json:
        click.echo(json.dumps({"runs": [row.to_json() for row in rows], "sum": whole}, indent=1))
        return 0
    console().print(plan_table([row.to_json() for row in rows]))
    for line in sum_lines(whole):
        console().print(line, markup=False)
    for sentence in by_reason({row.run: f"{row.do}, {row.why}" for row in rows if row.why}):
        console().print(sentence, style="yellow", markup=False)
    return 0
