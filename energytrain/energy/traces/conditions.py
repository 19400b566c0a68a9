"""What the sensors said beside power, over stretches of a run: how hot, how fast, how throttled.

Conditions are read once a second, often less than once in a short epoch. So each reading stands for the time to which
it is the nearest, at most `REACH_SECONDS` away, and counts by how much of that time lies in the stretches.
"""

from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

import numpy as np

from .series import Array, Series, Trace

REACH_SECONDS = 2.0
# NVML's clocks event reasons that hold a GPU back (nvml.h); idle (0x1) and settings of a person are none.
THROTTLES: Dict[int, str] = {
    0x4: "power cap",
    0x8: "hw slowdown",
    0x20: "sw thermal slowdown",
    0x40: "hw thermal slowdown",
    0x80: "power brake",
}
THROTTLE_COUNTS = ("thermal throttling", "throttle events")
# How a count of other processes on a device is named, behind the name of the device's channel.
FOREIGN = " foreign processes"

Stretch = Tuple[int, int]


def conditions_summary(parts: Iterable[Tuple[Trace, Sequence[Stretch]]]) -> Dict[str, Dict[str, Any]]:
    """By channel name, over the stretches (CLOCK_MONOTONIC ns, disjoint) of each trace: "quantity", "meter", "seconds"
    and, of a quantity that is a number, "min", "mean", "max"; of a count also "share", of the time that it is above
    zero; of flags "shares" by bit ("0x4"); of a state "shares" by its number.

    seconds: how much of the stretches the readings speak for; where it is zero the other figures are None or empty.
    """
    gathered: Dict[str, List[Tuple[Series, Array, Array]]] = {}
    for trace, stretches in parts:
        for name, series in trace.conditions.items():
            gathered.setdefault(name, []).append((series, *_weighted(series, stretches)))
    return {name: _summary(found) for name, found in gathered.items()}


def throttles(name: str, summary: Mapping[str, Any]) -> Dict[str, float]:
    """What held the device back, and for which share of the time, from the summary of the channel `name`.

    NVML's flags name it; Linux counts cooling devices that slow something down, or events of it. Of other channels,
    nothing.
    """
    if summary["quantity"] == "flags" and summary["meter"].startswith("nvml"):
        shares = {int(bit, 16): share for bit, share in summary["shares"].items()}
        return {reason: shares[bit] for bit, reason in THROTTLES.items() if shares.get(bit, 0.0) > 0}
    kind = next((kind for kind in THROTTLE_COUNTS if name.endswith(kind)), None)
    return {kind: summary["share"]} if kind is not None and summary["share"] else {}


def throttled_part(name: str) -> str:
    """What a channel of throttling speaks of: "nvml:0" of "nvml:0 clock events", "rapl" of "rapl:throttle events"."""
    kind = next((kind for kind in THROTTLE_COUNTS if name.endswith(kind)), None)
    return name.partition(" ")[0] if kind is None else name[: -len(kind)].rstrip(" :")


def _weighted(series: Series, stretches: Sequence[Stretch]) -> Tuple[Array, Array]:
    """(values, seconds inside the stretches for which each stands) of the readings that stand for some."""
    good = np.isfinite(series.values)
    t, values = series.t[good], series.values[good]
    if not len(t) or not stretches:
        return values[:0], values[:0]
    between = t[:-1] + np.diff(t) // 2
    reach = int(REACH_SECONDS * 1e9)
    low = np.maximum(np.append(t[0] - reach, between), t - reach)
    high = np.minimum(np.append(between, t[-1] + reach), t + reach)
    seconds = _inside(high, stretches) - _inside(low, stretches)
    return values[seconds > 0], seconds[seconds > 0]


def _inside(t: Array, stretches: Sequence[Stretch]) -> Array:
    """How many seconds of the stretches lie before each moment."""
    edges, before = [], []
    so_far = 0.0
    for start, end in sorted(stretches):
        edges += [start, end]
        before += [so_far, so_far + (end - start) * 1e-9]
        so_far = before[-1]
    first = edges[0]  # floating point holds nanoseconds of days, not of the time since 1970
    return np.interp(np.asarray(t - first, float), np.asarray(edges, np.int64) - first, before)


def _summary(found: List[Tuple[Series, Array, Array]]) -> Dict[str, Any]:
    channel = found[0][0].channel
    values, seconds = np.concatenate([v for _, v, _ in found]), np.concatenate([s for _, _, s in found])
    total = float(seconds.sum())
    summary: Dict[str, Any] = {"quantity": channel.quantity, "meter": channel.meter, "seconds": total}
    share = seconds / total if total > 0 else seconds
    if channel.quantity == "flags":
        bits = values.astype(np.int64)
        kinds = [1 << place for place in range(63) if np.any(bits >> place & 1)]
        return {**summary, "shares": {hex(bit): float(share[(bits & bit) != 0].sum()) for bit in kinds}}
    if channel.quantity == "state":
        return {**summary, "shares": {f"{value:g}": float(share[values == value].sum()) for value in np.unique(values)}}
    known = len(values) > 0
    summary.update(
        min=float(values.min()) if known else None,
        mean=float((values * share).sum()) if known else None,
        max=float(values.max()) if known else None,
    )
    if channel.quantity == "count":
        summary["share"] = float(share[values > 0].sum()) if known else None
    return summary
