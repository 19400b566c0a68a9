"""Marks become a timeline: attempts, the spans of work in them, and which of those spans count.

An epoch that a crash undid is done again in a later attempt; its last completed span is *useful*, every earlier one
is *lost*. What a killed attempt left open ends at the attempt's last mark.

The marks, as `execution` writes them (each has `kind`, `t` in monotonic ns and `attempt`):
  attempt  host, boot_id, here (is this the device the run is for), trace, primary, unavailable, threads, baseline
           (seconds asked for), beside (other runs on the same sensors)
  phase    phase, first (epoch of the schedule), epochs (planned), bill (a NetworkBill), role (dense | masked |
           ticket), per_epoch (items once an epoch), check (work of a pseudo-prune check)
  start    span, phase, epoch, what (setup | training | check | evaluation | pruning | rewinding | checkpoint |
           baseline | warm-up | inference); of the last two also network and batch
  network  network (dense | ticket), precision, items: the work of its forward pass, before inference is measured
  end      span, images, steps, work (beside plain steps), mask and channels (of a search, `runs.masks`) and whatever
           was measured (loss, accuracy, ...)
  beat     step (of the open span), once a second
  ticket   phase, unit (channels | weights), draw_epoch, forced, widths and kept counts, distances
  beside   runs: others that were then found on the same sensors
  observer cpu_seconds, seconds, meters (cpu_seconds and reads of each): what the recorder itself cost
  recorder why (the recorder ended before the run did)
  stop     status (done | interrupted | failed | budget), reason
"""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

USEFUL = ("training", "check", "pruning", "rewinding")
INFER = "infer"  # the phase of an attempt's set-up that only measures inference
WARM_UP, INFERENCE = "warm-up", "inference"


@dataclass
class Span:
    """A stretch of one kind of work inside one attempt; times in monotonic ns of that attempt's host."""

    attempt: int
    phase: str
    epoch: Optional[int]
    what: str
    start: int
    end: int
    complete: bool = False
    images: int = 0
    steps: int = 0
    marks: Dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / 1e9

    @property
    def place(self) -> Tuple[str, Optional[int], str]:
        return (self.phase, self.epoch, self.what)


@dataclass
class Attempt:
    number: int
    start: int
    end: int
    mark: Dict[str, Any]
    stop: Optional[Dict[str, Any]] = None


@dataclass
class Timeline:
    attempts: List[Attempt]
    spans: List[Span]
    phases: Dict[str, Dict[str, Any]]
    ticket: Optional[Dict[str, Any]]
    tickets: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    networks: Dict[str, Dict[str, Any]] = field(default_factory=dict)

    def useful(self) -> List[Span]:
        """The spans of training, pruning, evaluation, checkpoints and inference that count: those of the last attempt
        that completed one at their place; with the set-ups of the first attempt and of those for inference alone."""
        last: Dict[Tuple[str, Optional[int], str], List[Span]] = {}
        for span in self.spans:
            if span.complete and span.what not in ("setup", "baseline"):
                before = last.get(span.place, [])
                last[span.place] = [s for s in before if s.attempt == span.attempt] + [span]
        setups = [s for s in self.spans if s.what == "setup" and s.complete]
        first_setup = [s for s in setups if s is setups[0] or s.phase == INFER]
        counted = [span for spans in last.values() for span in spans]
        return first_setup + sorted(counted, key=lambda s: (s.attempt, s.start))

    def lost(self) -> List[Span]:
        """The spans that a crash undid or cut short, and the set-up of every attempt after the first."""
        kept = {id(span) for span in self.useful()}
        return [span for span in self.spans if id(span) not in kept and span.what != "baseline"]

    def baselines(self) -> List[Span]:
        """The spans in which the device was kept idle to learn its idle power; neither useful nor lost."""
        return [span for span in self.spans if span.what == "baseline"]

    @property
    def status(self) -> str:
        """How the last attempt ended; a run that was done once stays it, whatever comes of measuring inference."""
        if any(attempt.stop is not None and attempt.stop["status"] == "done" for attempt in self.attempts):
            return "done"
        stop = self.attempts[-1].stop if self.attempts else None
        return "interrupted" if stop is None else str(stop["status"])


def build_timeline(events: Sequence[Mapping[str, Any]]) -> Timeline:
    """The timeline of a run's marks, in the order in which they were written."""
    timeline = Timeline([], [], {}, None)
    opened: Dict[str, Span] = {}
    for event in events:
        kind, t = event["kind"], int(event["t"])
        if kind == "attempt":
            _close(opened, timeline.attempts)
            timeline.attempts.append(Attempt(int(event["attempt"]), t, t, dict(event)))
            continue
        attempt = timeline.attempts[-1]
        attempt.end = max(attempt.end, t)
        if kind == "phase":
            timeline.phases[event["phase"]] = dict(event)
        elif kind == "start":
            span = Span(attempt.number, event["phase"], event["epoch"], event["what"], t, t)
            span.marks = {k: v for k, v in event.items() if k in ("network", "batch")}
            opened[event["span"]] = span
            timeline.spans.append(span)
        elif kind == "end":
            span = opened.pop(event["span"])
            span.end, span.complete = t, True
            span.images, span.steps = int(event.get("images", 0)), int(event.get("steps", 0))
            span.marks.update({k: v for k, v in event.items() if k not in ("kind", "t", "attempt", "span")})
        elif kind == "beat":
            for span in opened.values():
                span.steps = max(span.steps, int(event["step"]))
                span.images = max(span.images, int(event.get("images", 0)))
        elif kind == "network":
            timeline.networks[event["network"]] = dict(event)
        elif kind == "ticket":
            timeline.ticket = dict(event)
            timeline.tickets[str(event.get("phase", "prune"))] = dict(event)
        elif kind == "observer":
            attempt.mark["observer"] = {k: event[k] for k in ("cpu_seconds", "seconds", "meters") if k in event}
        elif kind == "beside":
            attempt.mark["beside"] = [*attempt.mark.get("beside", ()), *event["runs"]]
        elif kind == "recorder":
            attempt.mark["recorder_lost"] = event["why"]
        elif kind == "stop":
            attempt.stop = dict(event)
    _close(opened, timeline.attempts)
    return timeline


def _close(opened: Dict[str, Span], attempts: Sequence[Attempt]) -> None:
    for span in opened.values():
        span.end = max(span.end, attempts[-1].end)
    opened.clear()
