"""The idle baseline: everything loaded, the device synchronised, and then nothing for some seconds.

Taken before the first training step of an attempt and after the last step of a run, it tells what the device draws
without training; `runs.idle` makes net energy of it.
"""

import time
from typing import Optional

from ..runs.idle import BEGIN, END
from .listener import Listener
from .marks import HEARTBEAT_SECONDS, Marks

DEFAULT_SECONDS = 5.0


def baseline_seconds(asked: Optional[float], measured: bool) -> Optional[float]:
    """How long each baseline lasts: as asked, 0 for none, 5 s by default. None where the run is not `measured` on its
    own device, so that there is no idle power to learn."""
    if not measured:
        return None
    return DEFAULT_SECONDS if asked is None else asked


class Baseline:
    """Takes the baselines of one attempt."""

    def __init__(self, seconds: Optional[float], marks: Marks, listener: Listener) -> None:
        self._seconds = seconds or 0.0
        self._marks = marks
        self._listener = listener

    def before_training(self) -> None:
        if self._seconds > 0:
            self._listener.message(
                f"idle baseline: {self._seconds:g} s before training and as long after it, for net energy "
                "(--baseline 0 leaves it out)."
            )
        self._take(BEGIN)

    def after_training(self) -> None:
        self._take(END)

    def _take(self, edge: str) -> None:
        if self._seconds <= 0:
            return
        with self._marks.span(edge, None, "baseline"):
            until = time.monotonic() + self._seconds
            left = self._seconds
            while left > 0:
                time.sleep(min(left, HEARTBEAT_SECONDS))
                self._marks.beat(0, 0)
                left = until - time.monotonic()
