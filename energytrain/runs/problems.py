"""What a reader must know of how a run was metered: problems, which make it incomplete, and notes, which do not.

A problem touches the joules that this run declared to measure, and makes the exit status 3. A note says what the
joules contain, or what happened beside them.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ..energy.integrator.integrate import COVERED
from ..energy.traces.conditions import FOREIGN, conditions_summary
from ..energy.traces.faults import STALLED_SECONDS, Fault, faults_of
from ..energy.traces.series import Trace
from ..quantities.ledger import work_from_json
from .account import Accountant
from .rows import Account
from .timeline import Attempt, Timeline


class Sayings(NamedTuple):
    problems: List[str]
    notes: List[str]


def say_what_happened(
    timeline: Timeline,
    traces: Mapping[int, Trace],
    accountant: Accountant,
    account: Account,
    conditions: Mapping[str, Mapping[str, Any]],
    averages: bool = False,
) -> Sayings:
    """Problems and notes of a run, a sentence each; averages: whether its last weights were to be averaged."""
    said = Sayings([], [])
    measured = account.headline == "measured"
    for attempt in timeline.attempts:
        where, trace = f"attempt {attempt.number}: ", traces.get(attempt.number)
        said.problems.extend(where + text for text in _declared(attempt, trace))
        for fault in _faults(attempt, trace):
            problem = measured and _touches_joules(fault, trace, accountant.primary)
            (said.problems if problem else said.notes).append(where + fault.text)
    if averages and timeline.status == "done" and not _averaged(timeline):
        said.notes.append("no weights were averaged: the search took the whole schedule and left nothing to retrain")
    if measured:
        said.problems.extend(_uncovered(account))
        said.notes.extend(_neighbours(timeline))
        said.notes.extend(_foreign(conditions, accountant.primary))
        drift = accountant.idle.drift()
        said.notes.extend([] if drift is None else [drift])
    return said


def _averaged(timeline: Timeline) -> bool:
    work = (part for span in timeline.useful() for part in work_from_json(span.marks.get("work", ())))
    return any(item.kind == "average" for items, _, _ in work for item in items)


def training_conditions(timeline: Timeline, traces: Mapping[int, Trace]) -> Dict[str, Dict[str, Any]]:
    """What the sensors said beside power while the run trained, over the epochs that count."""
    spans = [span for span in timeline.useful() if span.what == "training"]
    return conditions_summary(
        (trace, [(s.start, s.end) for s in spans if s.attempt == number]) for number, trace in traces.items()
    )


def _declared(attempt: Attempt, trace: Optional[Trace]) -> List[str]:
    """What is missing of the meters that were declared."""
    problems = []
    for absent in attempt.mark.get("unavailable", ()):
        if absent.get("declared"):
            problems.append(f"meter '{absent['meter']}' could not be used: {absent['why']}")
    for series in trace.metered.values() if trace is not None else ():
        failed = int(sum(1 for value in series.values if value != value))
        if failed and series.channel.meter in attempt.mark.get("declared", ()):
            what = f"{failed} of {len(series.values)} readings of '{series.channel.name}' failed"
            problems.append(f"{what} ({'; '.join(series.errors[:2])})")
    if attempt.mark.get("recorder_lost"):
        problems.append(attempt.mark["recorder_lost"])
    return problems


def _faults(attempt: Attempt, trace: Optional[Trace]) -> List[Fault]:
    if trace is None:
        return []
    if attempt.stop is not None:
        return faults_of(trace, attempt.start, attempt.end)
    # Killed, or at work at this moment: that its trace has no end yet, and stops when the marks do, says nothing.
    last = max((int(series.t[-1]) for series in trace.metered.values() if len(series.t)), default=attempt.end)
    found = faults_of(trace, attempt.start, min(attempt.end, last))
    return [fault for fault in found if fault.kind != "torn"]


def _touches_joules(fault: Fault, trace: Optional[Trace], primary: Tuple[str, ...]) -> bool:
    """A suspended machine has joules and no seconds. Of a stall a counter misses nothing, a power reading does."""
    if fault.kind in ("suspended", "torn"):
        return fault.kind == "suspended" or fault.seconds > STALLED_SECONDS
    if fault.kind != "stalled" or trace is None:
        return False
    channels = [trace.series[name].channel for name in primary if name in trace.series]
    return any(channel.meter == fault.meter and channel.quantity == "watts" for channel in channels)


def _uncovered(account: Account) -> List[str]:
    problems = []
    for row in (*account.phases, account.evaluation, account.infer):
        energy = row.measured
        if energy.joules is None:
            problems.append(f"phase '{row.phase}' has no measured energy: {energy.reason}")
        elif row.seconds > 0 and energy.coverage < COVERED:
            problems.append(f"phase '{row.phase}': the trace covers {energy.coverage:.1%} of its time")
    return problems


def _neighbours(timeline: Timeline) -> List[str]:
    names = dict.fromkeys(name for attempt in timeline.attempts for name in attempt.mark.get("beside", ()))
    told = "was metered by the same sensors at the same time: its energy is in these joules"
    return [f"the run '{name}' {told}" for name in names]


def _foreign(conditions: Mapping[str, Mapping[str, Any]], primary: Tuple[str, ...]) -> List[str]:
    notes = [_unseen(device) for device in primary if _tells(conditions, device) and device + FOREIGN not in conditions]
    for name, summary in conditions.items():
        device = name[: -len(FOREIGN)] if name.endswith(FOREIGN) else None
        if device in primary and summary["share"]:
            percent = 100 * summary["share"]
            share = f"{percent:.0f} %" if percent >= 1 else f"{percent:.1g} %"
            notes.append(f"another process used {device} for {share} of the training: its energy is in these joules")
    return notes


def _tells(conditions: Mapping[str, Mapping[str, Any]], device: str) -> bool:
    """Whether NVML tells of this device: of others nobody expects to know who uses them."""
    return any(name.startswith(f"{device} ") and one["meter"].startswith("nvml") for name, one in conditions.items())


def _unseen(device: str) -> str:
    why = "in a container, without the host's process ids, they cannot be seen"
    return f"whether other processes used {device} is not known ({why}): their energy would be in these joules"
