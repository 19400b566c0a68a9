"""Whether runs that are compared were metered under the same conditions: a sentence for each that differs, and marks.

A run is compared only with runs on the same device that say the same things about themselves.
"""

import math
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ...energy.traces.conditions import FOREIGN, throttled_part, throttles
from ...energy.traces.series import free_name
from ..format import share_of_time, si

CLOCKS_APART = 0.02
LIMITS_APART = 0.005
KELVINS_APART = 10.0
SETTINGS = ("power mode", "jetson_clocks")
NO_CLOCK = re.compile(r"memory|cpu\d")

Conditions = Mapping[str, Mapping[str, Any]]
Runs = Mapping[str, Conditions]  # by a name that is the run's own among those compared


@dataclass(frozen=True)
class Unlike:
    """One thing in which runs differ: a sentence on all of them, and a few words for each that it sets apart."""

    sentence: str
    marks: Mapping[str, str]


def differences(results: Sequence[Mapping[str, Any]]) -> List[str]:
    """What differs between runs on one device: power mode and limit, clocks, throttling, temperature, foreign load."""
    return [found.sentence for _, found in _found(results)]


def marks(results: Sequence[Mapping[str, Any]]) -> List[List[str]]:
    """The same for each result, in their order, as short marks of its own ("nvml:0 power limit: 300 W").

    A run that other runs on its device differ from has its mark as well; one that is alike all of them has none.
    """
    told: List[List[str]] = [[] for _ in results]
    for places, found in _found(results):
        for run, mark in found.marks.items():
            told[places[run]].append(mark)
    return told


def _found(results: Sequence[Mapping[str, Any]]) -> List[Tuple[Dict[str, int], Unlike]]:
    """Each difference with the places of the runs among the results, by the names that it has for them."""
    by_device: Dict[str, Dict[str, Conditions]] = {}
    places: Dict[str, Dict[str, int]] = {}
    for place, result in enumerate(results):
        device = result["device"]["name"]
        runs = by_device.setdefault(device, {})
        name = free_name(result["name"], runs)
        runs[name] = result["conditions"]
        places.setdefault(device, {})[name] = place
    found: List[Tuple[Dict[str, int], Unlike]] = []
    for device, runs in by_device.items():
        if len(runs) > 1:
            each = (
                _modes(runs) + _limits(runs) + _clocks(runs) + _throttling(runs) + _temperatures(runs) + _foreign(runs)
            )
            found += [(places[device], one) for one in each]
    return found


def _summaries(conditions: Conditions, quantity: str) -> Dict[str, Mapping[str, Any]]:
    return {name: summary for name, summary in conditions.items() if summary["quantity"] == quantity}


def _modes(runs: Runs) -> List[Unlike]:
    """Settings of a person; a state that a device itself moves through (NVML's performance state) is none."""
    modes: Dict[str, Dict[str, str]] = {}
    for run, conditions in runs.items():
        for name, summary in _summaries(conditions, "state").items():
            if name.endswith(SETTINGS) and summary["shares"]:
                modes.setdefault(name, {})[run] = " then ".join(sorted(summary["shares"]))
    return [
        Unlike(f"'{name}' differs: {_each(seen)}", {run: f"{name}: {mode}" for run, mode in seen.items()})
        for name, seen in modes.items()
        if len(set(seen.values())) > 1
    ]


def _limits(runs: Runs) -> List[Unlike]:
    apart = {n: m for n, m in _means(runs, "limit_watts").items() if _factor(m) > 1 + LIMITS_APART}
    return _widest("", apart, _factor, lambda watts: si(watts, "W"))


def _clocks(runs: Runs) -> List[Unlike]:
    """Clocks of what computes, not of memory, nor of each core where there is one of all."""
    means = {n: m for n, m in _means(runs, "hertz").items() if not NO_CLOCK.search(n)}
    apart = {name: each for name, each in means.items() if _factor(each) > 1 + CLOCKS_APART}
    return _widest("the mean of ", apart, _factor, lambda hertz: f"{hertz / 1e6:.0f} MHz")


def _temperatures(runs: Runs) -> List[Unlike]:
    apart = {name: each for name, each in _means(runs, "celsius").items() if _spread(each) > KELVINS_APART}
    why = "; leakage, and with it energy, depends on it"
    return _widest("the mean of ", apart, _spread, lambda celsius: f"{celsius:.0f} °C", why)


def _throttling(runs: Runs) -> List[Unlike]:
    found = []
    for name in dict.fromkeys(name for conditions in runs.values() for name in conditions):
        held = {run: throttles(name, conditions[name]) for run, conditions in runs.items() if name in conditions}
        part, without = throttled_part(name), [run for run in held if not held[run]]
        how = {
            run: ", ".join(f"{reason} {share_of_time(s)}" for reason, s in reasons.items())
            for run, reasons in held.items()
            if reasons
        }
        if how and without:
            what = ", ".join(f"'{run}' ({told})" for run, told in how.items())
            sentence = (
                f"{part} was throttled in {what} and not in {_names(without)}, so they did not run at the same speed"
            )
            found.append(Unlike(sentence, {run: f"{part} throttled: {told}" for run, told in how.items()}))
    return found


def _foreign(runs: Runs) -> List[Unlike]:
    shared = {}
    for run, conditions in runs.items():
        counts = _summaries(conditions, "count").items()
        shares = [summary["share"] or 0.0 for name, summary in counts if name.endswith(FOREIGN)]
        if any(shares):
            shared[run] = share_of_time(max(shares))
    if not shared:
        return []
    told = ", ".join(f"'{run}' ({share} of its training)" for run, share in shared.items())
    sentence = f"other processes used the device of {told}: what those drew is in its joules"
    return [Unlike(sentence, {run: f"foreign processes: {share}" for run, share in shared.items()})]


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
    why: str = "",
) -> List[Unlike]:
    """On the channel whose runs differ most: neighbouring sensors of one device mostly say the same. `why` it matters
    ends the sentence."""
    if not apart:
        return []
    name = max(apart, key=lambda one: width(apart[one]))
    own = {run: f"{name}: {write(mean)}" for run, mean in apart[name].items()}
    return [Unlike(f"{what}'{name}' differs: {_ends(apart[name], write)}{why}", own)]


def _ends(means: Mapping[str, float], write: Callable[[float], str]) -> str:
    """The lowest and the highest, with their runs."""
    low, high = min(means, key=lambda run: means[run]), max(means, key=lambda run: means[run])
    return f"{write(means[low])} in '{low}', {write(means[high])} in '{high}'"


def _each(seen: Mapping[str, str]) -> str:
    return ", ".join(f"{value} in '{run}'" for run, value in seen.items())


def _names(runs: Sequence[str]) -> str:
    return ", ".join(f"'{run}'" for run in runs)
