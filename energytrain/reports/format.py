"""How quantities are written for people: SI prefixes, bounds, provenance. A missing figure is a word, never a zero."""

from typing import Any, Mapping, Optional

PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
SMALL_PREFIXES = ((1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
SMALL = 0.1  # below it a value with a unit gets a prefix


def si(value: float, unit: str, digits: int = 3) -> str:
    """A value with an SI prefix and `digits` significant digits.

    >>> si(12345.0, "J"), si(0.25, "J"), si(0.00325, "J"), si(0.0, "J")
    ('12.3 kJ', '0.25 J', '3.25 mJ', '0 J')
    """
    for factor, prefix in PREFIXES:
        if abs(value) >= factor:
            return f"{_significant(value / factor, digits)} {prefix}{unit}"
    if unit and 0 < abs(value) < SMALL:
        factor, prefix = next((pair for pair in SMALL_PREFIXES if abs(value) >= pair[0]), SMALL_PREFIXES[-1])
        return f"{_significant(value / factor, digits)} {prefix}{unit}"
    return f"{_significant(value, digits)} {unit}"


def _significant(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e" in text else text


def joules(energy: Mapping[str, Any]) -> str:
    """The joules of an energy's JSON form, or the word for their absence."""
    if energy["joules"] is None:
        return "missing" if energy["partial"] is None else f"missing ({si(energy['partial'], 'J')} known)"
    return si(energy["joules"], "J")


def bounds(energy: Mapping[str, Any]) -> str:
    """The 95 % interval, or nothing where there is no energy."""
    if energy["joules"] is None:
        return ""
    return f"{si(energy['low'], 'J')} to {si(energy['high'], 'J')}"


def provenance(energy: Mapping[str, Any]) -> str:
    """Provenance, scope and, where readings are incomplete, the share they cover."""
    words = [energy["provenance"]]
    if energy["scope"]:
        words.append(energy["scope"])
    if energy["joules"] is not None and energy["coverage"] < 0.999:
        words.append(f"{energy['coverage']:.0%} covered")
    return ", ".join(words)


def seconds(value: float) -> str:
    """
    >>> seconds(8.25), seconds(75), seconds(7384)
    ('8.2 s', '1 min 15 s', '2 h 03 min')
    """
    if value < 60:
        return f"{value:.1f} s"
    if value < 3600:
        return f"{int(value // 60)} min {int(value % 60):02d} s"
    return f"{int(value // 3600)} h {int(value % 3600 // 60):02d} min"


def percent(value: Optional[float]) -> str:
    return "none" if value is None else f"{value:.2f} %"


def share_of_time(share: float) -> str:
    """A share as percent, with one digit where it is less than one percent.

    >>> share_of_time(0.123), share_of_time(0.004), share_of_time(1.0)
    ('12 %', '0.4 %', '100 %')
    """
    percents = 100 * share
    return f"{percents:.0f} %" if percents >= 1 else f"{percents:.1g} %"


def count(value: int) -> str:
    return f"{value:,}"
