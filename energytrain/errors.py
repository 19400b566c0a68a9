"""What can go wrong, as the person at the terminal meets it: one sentence, what to do next, an exit status."""

import difflib
from typing import Iterable, Optional


class EnergytrainError(Exception):
    """A failure that is the user's to know: `message` is one sentence, `hint` says what to do next."""

    exit_status = 1

    def __init__(self, message: str, hint: Optional[str] = None) -> None:
        super().__init__(message if hint is None else f"{message} {hint}")
        self.message = message
        self.hint = hint


class UsageError(EnergytrainError):
    """Wrong usage or input; nothing was overwritten or lost."""

    exit_status = 2


class RunFailed(EnergytrainError):
    """A run that began and cannot go on (NaN loss, no room for a checkpoint); what it had is kept."""

    exit_status = 1


class MeterUnavailable(EnergytrainError):
    """A meter that cannot be used here: `message` says why, `hint` is the exact fix."""

    exit_status = 2


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that is not known, with the nearest known one.

    >>> print(unknown("method", "eb-fff", ["dense", "eb-ff"]))
    unknown method 'eb-fff'. Did you mean 'eb-ff'? Known: dense, eb-ff.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    return UsageError(f"unknown {kind} '{name}'.", f"{guess}Known: {', '.join(names)}.")
