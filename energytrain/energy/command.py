"""The energy of any program: a recorder beside it, and the window from just before its start to its end."""

import contextlib
import os
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ..errors import UsageError
from ..meters.base import Channel
from ..meters.catalog import MeterSpec
from ..quantities.energy import Energy
from .child import Child
from .integrator.integrate import COVERED, energy_of
from .measure import SAMPLE_WAIT_SECONDS, why_missing
from .primary import choose_primary, primary_energy
from .recorder.client import Recorder
from .recorder.config import DEFAULT_HZ
from .traces.conditions import conditions_summary
from .traces.faults import faults_of
from .traces.series import Trace
from .traces.trace import TraceReader, read_trace

INCOMPLETE = 3
# An interval is told a little later than it ends, so that the readings behind its end are there.
LATER_SECONDS = 0.25

Tell = Callable[[float, Energy], None]


@dataclass(frozen=True)
class MeteredCommand:
    """What a program used.

    status: the program's own, 128 and the number where a signal ended it; energy: on the primary channels together.
    energies: by channel name; scopes may overlap, so they are not added. conditions: as `conditions_summary` has them.
    unavailable: {"meter", "why", "fix", "declared"} for each meter, or part of one, that could not be read.
    problems: what is missing of a meter that was named; notes: what else happened.
    observer: {"cpu_seconds", "seconds"}, what the recorder used of a processor meanwhile.
    """

    command: Tuple[str, ...]
    status: int
    seconds: float
    energy: Energy
    primary: Tuple[str, ...]
    energies: Dict[str, Energy]
    conditions: Dict[str, Dict[str, Any]]
    unavailable: List[Dict[str, Any]]
    problems: List[str]
    notes: List[str]
    observer: Dict[str, Any] = field(default_factory=dict)
    trace: Optional[Path] = None

    @property
    def exit_status(self) -> int:
        """The program's; where that is 0 but a meter that was named is incomplete, 3."""
        return self.status or (INCOMPLETE if self.problems else 0)

    def to_json(self) -> Dict[str, Any]:
        return {
            "command": list(self.command),
            "status": self.status,
            "exit_status": self.exit_status,
            "seconds": self.seconds,
            "energy": self.energy.to_json(),
            "primary": list(self.primary),
            "channels": {name: energy.to_json() for name, energy in self.energies.items()},
            "conditions": self.conditions,
            "unavailable": self.unavailable,
            "problems": self.problems,
            "notes": self.notes,
            "observer": self.observer,
            "trace": None if self.trace is None else str(self.trace),
        }


def meter_command(
    command: Sequence[str],
    meters: Sequence[MeterSpec],
    declared: Sequence[str] = (),
    hz: float = DEFAULT_HZ,
    trace: Optional[Path] = None,
    stdout: Optional[int] = None,
    interval: Optional[float] = None,
    tell: Optional[Tell] = None,
) -> MeteredCommand:
    """Runs a program with this process's input and output and returns what it used, however it ended.

    declared: names of those meters without which the figures are incomplete. trace: a new file to keep the readings in.
    stdout: a descriptor for the program's output. interval, tell: every so many seconds, the time since the start and
    the energy of that interval. A meter that cannot be used never keeps the program from running. UsageError where
    `trace` cannot be a new file, CannotStart where the program cannot be started.
    """
    if trace is not None and (trace.exists() or not trace.absolute().parent.is_dir()):
        why = "is there already" if trace.exists() else "lies in no folder"
        raise UsageError(f"the trace '{trace}' {why}.", "Name a new file in a folder that is there.")
    with _recorder(meters, hz, trace) as recorder:
        recorder.wait_sampled(SAMPLE_WAIT_SECONDS)
        primary = choose_primary(recorder.channels)
        with Child() as child:
            cpu_before = _cpu_seconds(recorder.pid)
            child.start(command, stdout)
            _wait(child, recorder, primary, interval, tell)
            cpu_after = _cpu_seconds(recorder.pid)
            recorder.stop()
            result = _evaluated(command, child, recorder, primary, declared)
    used = None if cpu_before is None or cpu_after is None else cpu_after - cpu_before
    observer = {"cpu_seconds": used, "seconds": result.seconds}
    return replace(result, observer=observer, trace=trace if recorder.channels else None)


def _cpu_seconds(pid: Optional[int]) -> Optional[float]:
    """Processor seconds of a process so far, in steps of 10 ms; None where it is not there."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def _recorder(meters: Sequence[MeterSpec], hz: float, trace: Optional[Path]) -> Iterator[Recorder]:
    """A recorder that writes to `trace` or to a temporary folder; ended, with the folder, at the end of the block."""
    with contextlib.ExitStack() as stack:
        if not meters:
            recorder = Recorder.broken("no meter was asked for.")
        else:
            try:
                place = trace or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="energytrain-"))) / "meter"
            except OSError as error:
                recorder = Recorder.broken(f"there is no room for a trace: {error}.")
            else:
                recorder = Recorder.start(place, meters, hz)
        stack.callback(recorder.stop)
        if not recorder.channels:
            recorder.stop()
            if trace is not None:
                trace.unlink(missing_ok=True)
        yield recorder


def _wait(
    child: Child, recorder: Recorder, primary: Sequence[Channel], interval: Optional[float], tell: Optional[Tell]
) -> None:
    """Until the program has ended, whatever happens here; on the way tells each whole interval."""
    try:
        if interval is not None and tell is not None and recorder.trace.is_file():
            _tell_intervals(child, recorder, primary, interval, tell)
    finally:
        child.wait()


def _tell_intervals(child: Child, recorder: Recorder, primary: Sequence[Channel], interval: float, tell: Tell) -> None:
    reader = TraceReader(recorder.trace)
    told = 0
    while True:
        due = child.start_ns * 1e-9 + (told + 1) * interval + LATER_SECONDS
        if child.wait(max(0.0, due - time.monotonic())):
            return
        recorder.flush()
        start, end = (child.start_ns + int(number * interval * 1e9) for number in (told, told + 1))
        tell((told + 1) * interval, primary_energy(reader.read(), primary, start, end))
        told += 1


def _evaluated(
    command: Sequence[str], child: Child, recorder: Recorder, primary: Sequence[Channel], declared: Sequence[str]
) -> MeteredCommand:
    """The energies of the program's window, and what is amiss with them."""
    start, end = child.start_ns, child.end_ns
    energy = Energy.missing(why_missing(recorder), (end - start) * 1e-9)
    energies: Dict[str, Energy] = {}
    conditions: Dict[str, Dict[str, Any]] = {}
    notes: List[str] = []
    trace = _read(recorder)
    if trace is not None:
        found = primary_energy(trace, primary, start, end)
        energy = energy if found.joules is None and recorder.failure is not None else found
        energies = {name: energy_of(series, start, end) for name, series in trace.metered.items()}
        conditions = conditions_summary([(trace, [(start, end)])])
        notes = [fault.text for fault in faults_of(trace, start, end)]
    unavailable = [dict(row, declared=str(row["meter"]).partition(":")[0] in declared) for row in recorder.unavailable]
    problems = [f"meter '{row['meter']}' could not be used: {row['why']}" for row in unavailable if row["declared"]]
    if recorder.failure is not None and recorder.channels:
        (problems if declared else notes).append(f"the recorder failed: {recorder.failure}")
    if declared and not problems and energy.joules is None:
        problems.append(str(energy.reason))
    elif declared and energy.coverage < COVERED and energy.joules is not None:
        problems.append(f"readings back only {energy.coverage:.1%} of the time")
    return MeteredCommand(
        command=tuple(command),
        status=child.status,
        seconds=(end - start) * 1e-9,
        energy=energy,
        primary=tuple(channel.name for channel in primary),
        energies=energies,
        conditions=conditions,
        unavailable=unavailable,
        problems=problems,
        notes=notes,
    )


def _read(recorder: Recorder) -> Optional[Trace]:
    """The trace, or None where nothing was ever written."""
    if not recorder.channels:
        return None
    try:
        return read_trace(recorder.trace)
    except FileNotFoundError:
        return None
