"""Whether runs that are compared were metered under the same conditions: a sentence for each that differs.

A run is compared only with runs on the same device that say the same things about themselves.
"""

import math
import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from ..energy.traces.conditions import FOREIGN, throttled_part, throttles
from ..energy.traces.series import free_name
from .format import share_of_time, si

CLOCKS_APART = 0.02
LIMITS_APART = 0.005
KELVINS_APART = 10.0
SETTINGS = ("power mode", "jetson_clocks")
NO_CLOCK = re.compile(r"memory|cpu\d")

Conditions = Mapping[str, Mapping[str, Any]]
Runs = Mapping[str, Conditions]  # by a name that is the run's own among those compared


def differences(results: Sequence[Mapping[str, Any]]) -> List[str]:
    """What differs between runs on one device: power mode and limit, clocks, throttling, temperature, foreign load."""
    by_device: Dict[str, Dict[str, Conditions]] = {}
    for result in results:
        runs = by_device.setdefault(result["device"]["name"], {})
        runs[free_name(result["name"], runs)] = result["conditions"]
    sentences: List[str] = []
    for runs in by_device.values():
        if len(runs) > 1:
            sentences += _modes(runs) + _limits(runs) + _clocks(runs)
            sentences += _throttling(runs) + _temperatures(runs) + _foreign(runs)
    return sentences


def _summaries(conditions: Conditions, quantity: str) -> Dict[str, Mapping[str, Any]]:
    return {name: summary for name, summary in conditions.items() if summary["quantity"] == quantity}


def _modes(runs: Runs) -> List[str]:
    """Settings of a person; a state that a device itself moves through (NVML's performance state) is none."""
    modes: Dict[str, Dict[str, str]] = {}
    for run, conditions in runs.items():
        for name, summary in _summaries(conditions, "state").items():
            if name.endswith(SETTINGS) and summary["shares"]:
                modes.setdefault(name, {})[run] = " then ".join(sorted(summary["shares"]))
    return [f"'{name}' differs: {_each(seen)}" for name, seen in modes.items() if len(set(seen.values())) > 1]


def _limits(runs: Runs) -> List[str]:
    apart = {n: m for n, m in _means(runs, "limit_watts").items() if _factor(m) > 1 + LIMITS_APART}
    return _widest("", apart, _factor, lambda watts: si(watts, "W"))


def _clocks(runs: Runs) -> List[str]:
    """Clocks of what computes, not of memory, nor of each core where there is one of all."""
    means = {n: m for n, m in _means(runs, "hertz").items() if not NO_CLOCK.search(n)}
    apart = {name: each for name, each in means.items() if _factor(each) > 1 + CLOCKS_APART}
    return _widest("the mean of ", apart, _factor, lambda hertz: f"{hertz / 1e6:.0f} MHz")


def _temperatures(runs: Runs) -> List[str]:
    apart = {name: each for name, each in _means(runs, "celsius").items() if _spread(each) > KELVINS_APART}
    widest = _widest("the mean of ", apart, _spread, lambda celsius: f"{celsius:.0f} °C")
    return [f"{sentence}; leakage, and with it energy, depends on it" for sentence in widest]


def _throttling(runs: Runs) -> List[str]:
    sentences = []
    for name in dict.fromkeys(name for conditions in runs.values() for name in conditions):
        held = {run: throttles(name, conditions[name]) for run, conditions in runs.items() if name in conditions}
        with_, without = [run for run in held if held[run]], [run for run in held if not held[run]]
        if with_ and without:
            what = ", ".join(
                f"'{run}' ({', '.join(f'{reason} {share_of_time(s)}' for reason, s in held[run].items())})"
                for run in with_
            )
            sentences.append(
                f"{throttled_part(name)} was throttled in {what} and not in {_names(without)}, so they did not run "
                "at the same speed"
            )
    return sentences


def _foreign(runs: Runs) -> List[str]:
    shared = []
    for run, conditions in runs.items():
        counts = _summaries(conditions, "count").items()
        shares = [summary["share"] or 0.0 for name, summary in counts if name.endswith(FOREIGN)]
        if any(shares):
            shared.append(f"'{run}' ({share_of_time(max(shares))} of its training)")
    return (
        [f"other processes used the device of {', '.join(shared)}: what those drew is in its joules"] if shared else []
    )


def _means(runs: Runs, quantity: str) -> Dict[str, Dict[str, float]]:
    """By channel the mean of each run that knows it, of channels that several runs know."""
    means: Dict[str, Dict[str, float]] = {}
    for run, conditions in runs.items():
        for name, summary in _summaries(conditions, quantity).items():
            mean: Optional[float] = summary["mean"]
            if mean is not None:
                means.setdefault(name, {})[run] = mean
    return {name: seen for name, seen in means.items() if len(seen) > 1}


def _factor(means: Mapping[str, float]) -> float:
    low = min(means.values())
    return max(means.values()) / low if low > 0 else math.inf


def _spread(means: Mapping[str, float]) -> float:
    return max(means.values()) - min(means.values())


def _widest(
    what: str,
    apart: Mapping[str, Mapping[str, float]],
    width: Callable[[Mapping[str, float]], float],
    write: Callable[[float], str],
) -> List[str]:
    """A sentence on the channel whose runs differ most: neighbouring sensors of one device mostly say the same."""
    if not apart:
        return []
    name = max(apart, key=lambda one: width(apart[one]))
    return [f"{what}'{name}' differs: {_ends(apart[name], write)}"]


def _ends(means: Mapping[str, float], write: Callable[[float], str]) -> str:
    """The lowest and the highest, with their runs."""
    low, high = min(means, key=lambda run: means[run]), max(means, key=lambda run: means[run])
    return f"{write(means[low])} in '{low}', {write(means[high])} in '{high}'"


def _each(seen: Mapping[str, str]) -> str:
    return ", ".join(f"{value} in '{run}'" for run, value in seen.items())


def _names(runs: Sequence[str]) -> str:
    return ", ".join(f"'{run}'" for run in runs)
