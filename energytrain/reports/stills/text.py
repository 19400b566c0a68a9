"""Texts of runs made fit for a picture and for a file's name: they may hold anything."""

import re
import textwrap
import unicodedata
from typing import List, Set

from ..flops import written

LONG_NAME = 34  # letters of a name in a legend or beside an axis
LONG_FILE = 60


def one_line(text: str) -> str:
    """Without line breaks, control and direction characters, and what no SVG may hold."""
    clean = "".join(" " if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" else c for c in text)
    return " ".join(clean.split())


def short(text: str, letters: int = LONG_NAME) -> str:
    """One line of both ends of a long name: runs often differ in the last letters only.

    >>> short("eb-ff-vgg16-cifar10-s0-0123456789abcdef", 21)
    'eb-ff-vgg1…6789abcdef'
    """
    line = one_line(text)
    if len(line) <= letters:
        return line
    ahead = letters // 2
    return f"{line[:ahead]}…{line[len(line) - (letters - ahead - 1) :]}"


def wrapped(text: str, letters: int) -> List[str]:
    return textwrap.wrap(one_line(text), letters, break_on_hyphens=False)


def tick(value: float) -> str:
    """
    >>> tick(0), tick(0.00005), tick(12.5), tick(1500), tick(2.5e12)
    ('0', '5e-05', '12.5', '1,500', '2.5 T')
    """
    if value == 0:
        return "0"
    if abs(value) >= 1e5:
        return written(value, 4)
    return f"{value:,.6g}" if abs(value) >= 1e-3 else f"{value:g}"


def file_name(text: str, taken: Set[str], letters: int = LONG_FILE) -> str:
    """A name that every file system takes, of about `letters` at most and unlike those in `taken` (in lower case), to
    which it is added.

    >>> taken = set()
    >>> file_name("<script>/../x", taken), file_name("script-..-X", taken)
    ('script-..-x', 'script-..-X-2')
    """
    base = re.sub(r"[^A-Za-z0-9._]+", "-", one_line(text)).strip("-.")[:letters].rstrip("-.") or "run"
    number, name = 1, base
    while name.lower() in taken:
        number += 1
        name = f"{base}-{number}"
    taken.add(name.lower())
    return name
