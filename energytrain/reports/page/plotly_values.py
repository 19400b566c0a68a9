"""Texts, numbers and colours as plotly.js takes them.

Plotly reads some HTML in its texts (bold, links), so every text that is given to it is escaped.
"""

import html
import math
from typing import Optional, Union

from ..charts.chart import Coordinate

DIGITS = 10  # significant ones that the page keeps of a number


def text(plain: object) -> str:
    """A text as plotly shows it letter for letter."""
    return html.escape(str(plain), quote=False).replace("\n", "<br>")


def number(value: Optional[Union[float, int]]) -> Optional[Union[float, int]]:
    """A number to `DIGITS` significant digits; what is none, or not finite, is a gap."""
    if value is None or not math.isfinite(value):
        return None
    if int(value) == value and abs(value) < 10**DIGITS:
        return int(value)
    return float(f"{value:.{DIGITS}g}")


def coordinate(value: Coordinate) -> Union[str, float, int, None]:
    return text(value) if isinstance(value, str) else number(value)


def faint(colour: str, share: float) -> str:
    """`colour` ("#0072B2") with an opacity of `share`."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share:g})"
