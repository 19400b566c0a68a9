"""Files in which a Linux kernel shows one number or one word: how they are read, and what is said where that fails."""

import os
from pathlib import Path
from typing import Union

from .base import Read, Reading

MOST_BYTES = 256


def read_number(path: Union[str, Path]) -> float:
    """The number in a file. OSError, with the file's name, where it cannot be read; ValueError where it is none."""
    descriptor = os.open(path, os.O_RDONLY)  # a third of the time that open() takes
    try:
        text = os.read(descriptor, MOST_BYTES)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        os.close(descriptor)
    try:
        return float(text)
    except ValueError:
        said = text.decode(errors="replace").strip()
        raise ValueError(f"{os.path.basename(path)} says '{said}': could not convert it to a number") from None


def read_text(path: Path) -> str:
    """What a file says, "" where it is not there or cannot be read."""
    try:
        return path.read_text(errors="replace").strip("\0 \t\r\n")
    except OSError:
        return ""


def reading_of(read: Read, named: bool = False) -> Reading:
    """What `read` gives of such files; where that fails, `words_of` the failure."""
    try:
        return Reading(read())
    except (OSError, ValueError) as error:
        return Reading(None, words_of(error, named))


def words_of(error: Exception, named: bool = False) -> str:
    """The system's words on a failed read, with `named` behind the file's name: needed where a value has many files."""
    if not isinstance(error, OSError):
        return str(error)
    words = error.strerror or str(error)
    return f"{os.path.basename(error.filename or '')}: {words}" if named else words
