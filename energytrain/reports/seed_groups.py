"""Runs that differ in the seed alone become one row: mean and spread, and differences from a reference by seed.

Energies of unlike provenance, scope, device, host or primary channel are kept apart: no mean and no ratio mixes them.
"""

import math
import statistics
from dataclasses import asdict, dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ..quantities.compare import ratio
from ..quantities.energy import Energy, total

CONFIDENCE = 0.95

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Member:
    """A finished run. group: what it shares with its repeats under other seeds; reference: the result of the run that
    it is compared with, None where there is none or it is not done."""

    group: str
    result: Result
    reference: Optional[Result] = None


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of n values; of one value there is no deviation."""

    mean: float
    sd: Optional[float]
    n: int


@dataclass(frozen=True)
class Difference:
    """The mean of n paired differences, or ratios, and its interval (95 %, Student's t); of one pair there is none."""

    mean: float
    low: Optional[float]
    high: Optional[float]
    n: int


@dataclass(frozen=True)
class EnergySpread:
    """Useful joules of the runs whose energies may be averaged."""

    joules: Spread
    provenance: str
    scope: Optional[str]
    device: str


@dataclass(frozen=True)
class EnergyRatio:
    """Useful joules of n runs together over those of their references. The interval (95 %) holds the errors of metering
    or model alone, not the spread over seeds."""

    value: float
    low: float
    high: float
    provenance: str
    n: int


@dataclass(frozen=True)
class SeedGroup:
    """A row of a suite's table. Accuracies are test accuracies after the last epoch, in percent; `flops` useful ones of
    the whole training; `network_flops` of the trained network for an image, forward; `more_accurate` in points.
    not_masked: parameters without those that a mask holds at zero, None where there is no mask. prune_ratio: as asked,
    or as the run chose it. missing: how many runs have no energy."""

    name: str
    method: str
    prune_ratio: Optional[Spread]
    seeds: Tuple[int, ...]
    accuracy: Optional[Spread]
    parameters: Optional[Spread]
    not_masked: Optional[Spread]
    network_flops: Optional[Spread]
    draw_epoch: Optional[Spread]
    flops: Spread
    seconds: Spread
    energies: Tuple[EnergySpread, ...]
    missing: int
    reference: Optional[str]
    more_accurate: Optional[Difference]
    flops_ratio: Optional[Difference]
    energy_ratio: Optional[EnergyRatio]

    def to_json(self) -> Dict[str, Any]:
        return asdict(self)


def seed_groups(members: Sequence[Member]) -> List[SeedGroup]:
    """A group for each name, in the order in which they first come."""
    names = dict.fromkeys(member.group for member in members)
    return [_group(name, [member for member in members if member.group == name]) for name in names]


def spread(values: Sequence[float]) -> Optional[Spread]:
    """
    >>> spread([1.0, 2.0, 3.0])
    Spread(mean=2.0, sd=1.0, n=3)
    """
    if not values:
        return None
    return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values))


def paired(values: Sequence[float]) -> Optional[Difference]:
    """The mean of differences (or ratios) of pairs, with Student's t interval."""
    found = spread(values)
    if found is None:
        return None
    if found.sd is None:
        return Difference(found.mean, None, None, 1)
    from scipy.special import stdtrit

    half = float(stdtrit(found.n - 1, (1 + CONFIDENCE) / 2)) * found.sd / math.sqrt(found.n)
    return Difference(found.mean, found.mean - half, found.mean + half, found.n)


def _group(name: str, members: Sequence[Member]) -> SeedGroup:
    results = [member.result for member in members]
    first = results[0]["spec"]
    pairs = [(member.result, member.reference) for member in members if member.reference is not None]
    both = [(_accuracy(ours), _accuracy(theirs)) for ours, theirs in pairs]
    energies, missing = _energies(results)
    flops, seconds = (spread([float(result["useful"][key]) for result in results]) for key in ("flops", "seconds"))
    assert flops is not None and seconds is not None
    return SeedGroup(
        name=name,
        method=first["method"],
        prune_ratio=_spread_of(results, _ratio),
        seeds=tuple(result["spec"]["seed"] for result in results),
        accuracy=_spread_of(results, _accuracy),
        parameters=_spread_of(results, lambda result: _network(result, "parameters")),
        not_masked=_spread_of(results, _not_masked),
        network_flops=_spread_of(results, lambda result: _network(result, "flops")),
        draw_epoch=_spread_of(results, _draw_epoch),
        flops=flops,
        seconds=seconds,
        energies=energies,
        missing=missing,
        reference=pairs[0][1]["spec"]["method"] if pairs else None,
        more_accurate=paired([ours - theirs for ours, theirs in both if ours is not None and theirs is not None]),
        flops_ratio=paired(
            [ours["useful"]["flops"] / theirs["useful"]["flops"] for ours, theirs in pairs if theirs["useful"]["flops"]]
        ),
        energy_ratio=_energy_ratio(pairs),
    )


def _spread_of(results: Sequence[Result], value_of: Callable[[Result], Optional[float]]) -> Optional[Spread]:
    return spread([value for value in map(value_of, results) if value is not None])


def _accuracy(result: Result) -> Optional[float]:
    value: Optional[float] = result["accuracy"]["test"]
    return value


def _network(result: Result, what: str) -> Optional[float]:
    after = result["network"]["after"]
    return float(after[what]) if after else None


def _not_masked(result: Result) -> Optional[float]:
    ticket, parameters = result["ticket"], _network(result, "parameters")
    if ticket is None or parameters is None or ticket.get("unit") != "weights":
        return None
    return parameters - float(ticket["total"] - ticket["kept"])


def _ratio(result: Result) -> Optional[float]:
    if result["ticket"] is None:
        return None
    return float(result["ticket"].get("prune_ratio") or result["spec"]["prune_ratio"])


def _draw_epoch(result: Result) -> Optional[float]:
    epoch: Optional[int] = None if result["ticket"] is None else result["ticket"].get("draw_epoch")
    return epoch


def _kind(result: Result) -> Tuple[Any, ...]:
    """What two energies must share to be averaged or divided."""
    energy, device = result["useful"]["energy"], result["device"]
    host = device["host"] if result["headline"] == "measured" else None
    return energy["provenance"], energy["scope"], device["name"], host, tuple(result["primary"])


def _energies(results: Sequence[Result]) -> Tuple[Tuple[EnergySpread, ...], int]:
    by_kind: Dict[Tuple[Any, ...], List[float]] = {}
    for result in results:
        joules = result["useful"]["energy"]["joules"]
        if joules is not None:
            by_kind.setdefault(_kind(result), []).append(joules)
    found = []
    for (provenance, scope, device, _, _), values in by_kind.items():
        joules_spread = spread(values)
        assert joules_spread is not None
        found.append(EnergySpread(joules_spread, provenance, scope, device))
    return tuple(found), len(results) - sum(len(values) for values in by_kind.values())


def _energy_ratio(pairs: Sequence[Tuple[Result, Result]]) -> Optional[EnergyRatio]:
    """Of all pairs together; none where an energy is missing, or where any two are of unlike kinds."""
    if not pairs or len({_kind(result) for pair in pairs for result in pair}) != 1:
        return None
    ours, theirs = (total(Energy.from_json(pair[side]["useful"]["energy"]) for pair in pairs) for side in (0, 1))
    found = ratio(ours, theirs)
    if found is None:
        return None
    return EnergyRatio(found.value, found.low, found.high, found.provenance.value, len(pairs))
