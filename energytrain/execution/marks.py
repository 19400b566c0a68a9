"""Marks: what training writes down while it runs, so that cost can be told from traces later.

The device is synchronised before the time of an edge is taken, or work in flight would fall into the wrong window.
Kinds and fields are described in `runs.timeline`, which reads them.
"""

import itertools
import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Optional

from ..runs.events import EventWriter

HEARTBEAT_SECONDS = 1.0


class Marks:
    """Writes the marks of one attempt."""

    def __init__(self, writer: EventWriter, synchronise: Callable[[], None]) -> None:
        self._writer = writer
        self._synchronise = synchronise
        self._numbers = itertools.count()
        self._last_beat = time.monotonic()

    def mark(self, kind: str, **fields: Any) -> None:
        self._writer.append(kind, **fields)

    @contextmanager
    def span(self, phase: str, epoch: Optional[int], what: str, **more: Any) -> Iterator[Dict[str, Any]]:
        """A stretch of work. What the body puts into the yielded dict goes into the end mark, `more` into the start's.

        A body that raises leaves the span open: it never completed, so it does not count.
        """
        name = f"{phase}/{next(self._numbers)}"
        self._synchronise()
        self.mark("start", span=name, phase=phase, epoch=epoch, what=what, **more)
        facts: Dict[str, Any] = {}
        yield facts
        self._synchronise()
        self.mark("end", span=name, **facts)

    def beat(self, step: int, images: int) -> bool:
        """Once a second: how far the open span has come. True when a heartbeat was written."""
        now = time.monotonic()
        if now - self._last_beat < HEARTBEAT_SECONDS:
            return False
        self._last_beat = now
        self.mark("beat", step=step, images=images)
        return True
