"""Runs that are being trained at this moment, and what one of them is doing, for somebody who only watches."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from ..energy.watch import Look
from ..errors import UsageError
from .find import runs_in
from .folder import RunFolder
from .result import is_alive

_ENDINGS = {
    "done": "is done",
    "interrupted": "was interrupted",
    "failed": "failed",
    "budget": "was ended by its budget",
    None: "was killed",
}
BEGIN_SECONDS = 20.0  # from an attempt's entry in run.json until its meters are open, at most
WAIT_SECONDS = 0.1
STILL_LOOKS = 3  # a trace that has not grown for so many looks, and whose run is gone, grows no more


@dataclass(frozen=True)
class Doing:
    """What the watched attempt does.

    begun: whether it has written its first mark; before that neither trace nor primary channels are known.
    trace: the file of its readings, None where it has no meter; unavailable: why not, as in the mark.
    what: training, evaluation, ... and None between two spans. epochs: planned of the phase. alive: its process runs.
    status: how it ended (done, interrupted, failed, budget), None while it has not said.
    """

    begun: bool
    alive: bool
    trace: Optional[Path]
    primary: Tuple[str, ...]
    unavailable: Tuple[Dict[str, Any], ...]
    phase: Optional[str]
    epoch: Optional[int]
    epochs: Optional[int]
    what: Optional[str]
    status: Optional[str]

    def words(self) -> str:
        """Such as "search, epoch 3 of 40, training"."""
        if self.status is not None:
            return self.status
        if not self.begun or self.phase is None:
            return "setting up"
        parts = [self.phase]
        if self.epoch is not None:
            parts.append(f"epoch {self.epoch + 1}" + (f" of {self.epochs}" if self.epochs else ""))
        if self.what is not None and self.what != self.phase:
            parts.append(self.what)
        return ", ".join(parts)


def runs_underway(runs_dir: Path) -> List[Path]:
    """The folders of runs whose process is at work on this machine, the one begun last first."""
    found = []
    for folder in runs_in(runs_dir):
        try:
            attempts = RunFolder.open(folder).read()["attempts"]
        except UsageError:
            continue
        if attempts and is_alive(attempts[-1]):
            found.append((str(attempts[-1].get("started")), folder))
    return [folder for _, folder in sorted(found, key=lambda row: row[0], reverse=True)]


class RunWatch:
    """Follows the last attempt that a run has when this is made; reads only. UsageError where it has none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        attempts = RunFolder.open(path).read()["attempts"]
        if not attempts:
            raise UsageError(f"the run '{path}' has not begun.", "Look again when it trains.")
        self._attempt = attempts[-1]
        self._offset = 0
        self._mark: Optional[Dict[str, Any]] = None
        self._epochs: Dict[str, Optional[int]] = {}
        self._span: Optional[Dict[str, Any]] = None
        self._open = False
        self._status: Optional[str] = None
        self._seen = -1.0
        self._still = 0

    def look(self) -> Doing:
        """Takes up the marks that came since the last look."""
        for event in self._new_marks():
            self._take(event)
        mark, span = self._mark or {}, self._span or {}
        phase = span.get("phase")
        trace = mark.get("trace")
        return Doing(
            begun=self._mark is not None,
            alive=self._status is None and is_alive(self._attempt),
            trace=None if trace is None else self.path / trace,
            primary=tuple(mark.get("primary", ())),
            unavailable=tuple(mark.get("unavailable", ())),
            phase=phase,
            epoch=span.get("epoch"),
            epochs=self._epochs.get(str(phase)),
            what=span.get("what") if self._open else None,
            status=self._status,
        )

    def begun(self) -> Doing:
        """The first look at which the trace is there; waits for it while the attempt begins.

        UsageError where the attempt has no meter, or ended before it had one.
        """
        give_up = time.monotonic() + BEGIN_SECONDS
        while True:
            doing = self.look()
            if doing.trace is not None and doing.trace.is_file():
                return doing
            if doing.begun or not doing.alive or time.monotonic() > give_up:
                reasons = "; ".join(f"{row['meter']}: {row['why']}" for row in doing.unavailable)
                raise UsageError(
                    f"the run '{self.path}' has no readings to watch{f' ({reasons})' if reasons else ''}.",
                    "'energytrain devices' says what can be metered here.",
                )
            time.sleep(WAIT_SECONDS)

    def over(self, look: Look) -> Optional[str]:
        """Why there is nothing more to come behind this look at the trace, None while there may be."""
        if look.ended:
            doing = self.look()
            return f"the trace has ended: the run {'goes on' if doing.alive else _ENDINGS[doing.status]}."
        self._still = self._still + 1 if look.seconds == self._seen else 0
        self._seen = look.seconds
        if self._still < STILL_LOOKS or self.look().alive:
            return None
        return f"the trace has ended, without its end mark: the run {_ENDINGS[self.look().status]}."

    def _new_marks(self) -> List[Dict[str, Any]]:
        """The whole lines behind those that were read, of the watched attempt; what is no mark is passed over."""
        try:
            with RunFolder(self.path).events.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        marks = []
        for line in data[:whole].splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and event.get("attempt") == self._attempt["number"]:
                marks.append(event)
        return marks

    def _take(self, event: Dict[str, Any]) -> None:
        kind = event.get("kind")
        if kind == "attempt":
            self._mark = event
        elif kind == "phase":
            self._epochs[str(event["phase"])] = event.get("first", 0) + event["epochs"]
        elif kind == "start":
            self._span, self._open = event, True
        elif kind == "end":
            self._open = False
        elif kind == "stop":
            self._status = str(event["status"])
