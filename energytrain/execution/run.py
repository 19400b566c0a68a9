"""One run from its specification to its result: fresh, continued after any kind of end, or found done."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional

import torch

from ..devices.setup import load_setup
from ..energy.traces import clocks
from ..energy.traces.trace import close_torn
from ..errors import EnergytrainError, UsageError
from ..methods.catalog import recipe_of
from ..methods.network import load_data
from ..methods.phases import Recipe, Train
from ..runs.events import EventWriter, read_events
from ..runs.folder import RunFolder
from ..runs.idle import END
from ..runs.machine import commit_of_package, machine_facts, versions
from ..runs.result import profile_of, run_result
from ..runs.spec import RunSpec, identity
from ..runs.timeline import INFER, build_timeline
from ..training.checkpoint import KEEP_ALL, CheckpointStore
from ..training.reproducible import synchronise
from .again import check_identity, check_origin, lacks_inference
from .baseline import Baseline, baseline_seconds
from .budget import BudgetReached, Guard, spent_before
from .drawing import check_ticket
from .inference import infer, windows_left
from .listener import Listener
from .live import LiveCost
from .marks import Marks
from .metering import Metering
from .model_file import save_model
from .neighbours import Neighbours
from .phases import Runner
from .prospect import Prospect
from .resolve import device_is_here
from .session import Session
from .settings import Budget, Settings


@dataclass(frozen=True)
class Outcome:
    """How an execution ended: the result, and the exit status that says it (0, 3 or 130; failures raise)."""

    result: Dict[str, Any]
    folder: Path
    exit_status: int
    found_done: bool = False


_METER_IT = "Name a meter with --meter, or give the budget as a time, such as 2h."


def execute(spec: RunSpec, settings: Settings, listener: Listener) -> Outcome:
    """Run `spec` in its folder, or continue it, or return its result where it is done.

    Raises UsageError before anything is written where the input is wrong, RunFailed where training cannot go on
    (what was measured is kept), KeyboardInterrupt after marking the run as interrupted.
    """
    folder = RunFolder(settings.folder)
    if folder.exists() and not settings.fresh:
        check_identity(folder, spec)
        result = run_result(folder.path)
        if result["status"] == "done" and not lacks_inference(folder, spec, result):
            return Outcome(result, folder.path, 0 if result["complete"] else 3, found_done=True)
        if not settings.accept_changes:
            check_origin(folder, commit_of_package(), machine_facts(gpu_name(spec.compute)))
    data = load_data(spec, settings.data_dir, settings.download)
    session = Session(spec, data, torch.device(spec.compute), settings.init_file)
    if settings.ticket_file is not None:
        check_ticket(settings.ticket_file, spec, session.model)
    with folder.writing():
        if folder.exists() and settings.fresh:
            folder.discard()
        folder.claim(spec.to_json(), identity(spec))
        status = _attempt(spec, settings, folder, session, listener)
    result = run_result(folder.path)
    if status == "budget":
        return Outcome(result, folder.path, 130)
    return Outcome(result, folder.path, 0 if result["complete"] else 3)


def gpu_name(compute: str) -> Optional[str]:
    return torch.cuda.get_device_name() if compute == "cuda" else None


def _attempt(spec: RunSpec, settings: Settings, folder: RunFolder, session: Session, listener: Listener) -> str:
    """One attempt; returns its status, `done` or `budget`."""
    setup, here = load_setup(spec.device), device_is_here(spec)
    for old in (folder.path / "traces").glob("*.arrows"):
        close_torn(old)
    spent = spent_before(folder)
    number = folder.begin_attempt(commit_of_package(), versions(), machine_facts(gpu_name(spec.compute)))
    with ExitStack() as stack:
        trace = folder.trace(number)
        metering = Metering.start(spec, setup, here, trace, number)
        stack.callback(metering.stop)
        writer = stack.enter_context(EventWriter(folder.events, number))
        marks = Marks(writer, lambda: synchronise(session.device))
        neighbours = Neighbours(metering.primary_sensors, metering.pid)
        idle_seconds = baseline_seconds(settings.baseline, here and bool(metering.primary))
        marks.mark(
            "attempt",
            host=clocks.host(),
            boot_id=clocks.boot_id(),
            boottime=clocks.boottime_ns(),
            realtime=clocks.realtime_ns(),
            here=here,
            trace=str(trace.relative_to(folder.path)) if metering.recorder is not None else None,
            primary=list(metering.primary),
            unavailable=metering.unavailable,
            declared=metering.declared,
            threads=torch.get_num_threads(),
            baseline=idle_seconds,
            beside=neighbours.newly_found(),
        )
        _announce(spec, here, metering, listener)
        status, reason = "failed", ""
        try:
            attempt = _Attempt(marks, metering, neighbours, Baseline(idle_seconds, marks, listener), spent)
            status = _train(spec, settings, folder, session, attempt, listener)
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        except BaseException as error:
            reason = error.message if isinstance(error, EnergytrainError) else repr(error)
            raise
        finally:
            if metering.recorder is not None:
                marks.mark("observer", **metering.own_cost())
            lost = metering.lost()
            if lost is not None:
                marks.mark("recorder", why=lost)
            marks.mark("stop", status=status, reason=reason)
            folder.end_attempt(number, status)
    return status


class _Attempt(NamedTuple):
    """What one attempt has beside the training itself; `spent`: by those before it."""

    marks: Marks
    metering: Metering
    neighbours: Neighbours
    baseline: Baseline
    spent: Budget


def _train(
    spec: RunSpec, settings: Settings, folder: RunFolder, session: Session, attempt: _Attempt, listener: Listener
) -> str:
    recipe, marks = recipe_of(spec), attempt.marks
    before = build_timeline(read_events(folder.events))
    store = CheckpointStore(folder.checkpoint)
    kept = CheckpointStore(folder.checkpoint / "rewind", keep=KEEP_ALL)
    with marks.span(INFER if before.status == "done" else "setup", None, "setup"):
        checkpoint = store.load_latest()
        if checkpoint is not None:
            session.restore(checkpoint, *_search_of(recipe, int(checkpoint.state["phase"])))
    emulated = any(isinstance(phase, Train) and phase.precision == "bfp8" for phase in recipe)
    live = LiveCost(attempt.metering, profile_of(spec.device), device_is_here(spec), emulated)
    if settings.budget.joules is not None and not live.knows_joules:
        raise UsageError(
            f"a budget in joules cannot be kept: the energy of {spec.device} is not known here.", _METER_IT
        )
    guard = Guard(settings.budget, attempt.spent, live, session.saved)

    def look_around(last: bool) -> None:
        found = attempt.neighbours.newly_found(must_look=last)
        if found:
            marks.mark("beside", runs=found)
        guard.after_epoch(last)

    def after_epoch(runner: Runner) -> None:
        look_around(runner.session.phase >= len(recipe))

    profile, ticket = profile_of(spec.device), settings.ticket_file
    prospect = Prospect(spec, session.data.info, profile, ticket, attempt.spent.joules)
    runner = Runner(recipe, session, marks, live, store, kept, listener, folder.path, ticket, after_epoch, prospect)
    try:
        guard.before_first_epoch()
        if session.phase < len(recipe):
            attempt.baseline.before_training()
        guard.first_epoch_begins()
        while session.phase < len(recipe):
            runner.carry_out(recipe[session.phase])
        if not any(span.complete and span.phase == END for span in before.baselines()):
            attempt.baseline.after_training()
        if not folder.model.exists():
            with marks.span("finish", None, "checkpoint"):
                save_model(folder.model, session.model, spec, session.data.info, session.ticket)
        if spec.infer:
            infer(session, marks, attempt.metering, live, listener, guard, windows_left(session, before), look_around)
    except BudgetReached as end:
        listener.message(str(end))
        return "budget"
    return "done"


def _search_of(recipe: Recipe, index: int) -> Any:
    """The stopping rule and L1 strength of the search that leads to phase `index`."""
    for phase in reversed(recipe[: index + 1]):
        if isinstance(phase, Train) and phase.until is not None:
            return phase.until, phase.l1
    return None, 0.0


def _announce(spec: RunSpec, here: bool, metering: Metering, listener: Listener) -> None:
    """Say what will be measured and what will be modelled, before the first epoch."""
    modelled = profile_of(spec.device) is not None
    if not here:
        what = f"MODELLED for {spec.device}, not measured" if modelled else f"missing: {spec.device} has no profile"
        listener.message(
            f"no {spec.device} is here: training runs on this machine's {spec.compute}, and every joule is {what}."
        )
    elif not metering.primary:
        what = "modelled from FLOPs and bytes" if modelled else "missing"
        listener.message(f"no meter can be read here, so energy is {what}; 'energytrain devices' says what would help.")
    for row in metering.unavailable:
        if row["declared"]:
            listener.message(f"meter '{row['meter']}' cannot be used: {row['why']} {row['fix'] or ''}".strip())
