"""Runs that differ in the seed alone become one row: mean and spread, and differences from a reference by seed.

FLOPs of unlike precision are kept apart, but in the paper's count; `seed_energies` says which energies are.
"""

from dataclasses import asdict, dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ..flops import by_precision, paper_count, precisions
from .judgement import Judged, judge
from .seed_energies import EnergyRatio, EnergySpread, energy_ratio, energy_spreads, what_if_ratios
from .spread import Difference, Spread, one_a_seed, paired, spread

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Member:
    """A finished run. group: what it shares with its repeats under other seeds; reference: the result of the run that
    it is compared with, None where there is none or it is not done."""

    group: str
    result: Result
    reference: Optional[Result] = None


@dataclass(frozen=True)
class SeedGroup:
    """A row of a suite's table. Accuracies are test accuracies after the last epoch, in percent; `network_flops` of the
    trained network for an image, forward; `more_accurate` in points. not_masked: parameters without those that a mask
    holds at zero, None where there is no mask. prune_ratio: as asked, or as the run chose it. missing: how many runs
    have no energy.

    flops: useful ones of the whole training, and flops_ratio theirs to the reference's: both None where these are of
    more than one precision. flops_by_precision, flops_paper_count (`flops.paper_count`) and paper_count_ratio: always.
    verdict, p_value, seeds_needed: of `more_accurate` at the margin that was stated, corrected for the number of groups
    (`judgement.Judged`); None without a margin.
    what_if_ratios: in the place of energy_ratio where one side or both are a what-if, a ratio for each of its figures.
    """

    name: str
    method: str
    prune_ratio: Optional[Spread]
    seeds: Tuple[int, ...]
    accuracy: Optional[Spread]
    parameters: Optional[Spread]
    not_masked: Optional[Spread]
    network_flops: Optional[Spread]
    draw_epoch: Optional[Spread]
    flops: Optional[Spread]
    flops_by_precision: Dict[str, Spread]
    flops_paper_count: Spread
    seconds: Spread
    energies: Tuple[EnergySpread, ...]
    missing: int
    reference: Optional[str]
    more_accurate: Optional[Difference]
    verdict: Optional[str]
    p_value: Optional[float]
    seeds_needed: Optional[int]
    flops_ratio: Optional[Difference]
    paper_count_ratio: Optional[Difference]
    energy_ratio: Optional[EnergyRatio]
    what_if_ratios: Tuple[EnergyRatio, ...]

    def to_json(self) -> Dict[str, Any]:
        return asdict(self)


def seed_groups(members: Sequence[Member], margin: Optional[float] = None) -> List[SeedGroup]:
    """A group for each name, in the order in which they first come; margin: of equivalence, in points of accuracy."""
    by_name: Dict[str, List[Member]] = {}
    for member in members:
        by_name.setdefault(member.group, []).append(member)
    judged = judge([more_accurate(group) for group in by_name.values()], margin)
    return [_group(name, group, one, margin is not None) for (name, group), one in zip(by_name.items(), judged)]


def more_accurate(members: Sequence[Member]) -> List[float]:
    """By how many points each seed is more accurate than its reference, of those where both are known."""
    return more_accurate_pairs([(one.result, one.reference) for one in members if one.reference is not None])


def more_accurate_pairs(pairs: Sequence[Tuple[Result, Result]]) -> List[float]:
    """The same of pairs of results, ours first."""
    both = [(_seed(ours), _accuracy(ours), _accuracy(theirs)) for ours, theirs in pairs]
    return one_a_seed((seed, a - b) for seed, a, b in both if a is not None and b is not None)


def _seed(result: Result) -> int:
    return int(result["spec"]["seed"])


def _group(name: str, members: Sequence[Member], judged: Optional[Judged], verdict: bool) -> SeedGroup:
    """The row of `members`; verdict: whether a margin was stated to judge by."""
    results = [member.result for member in members]
    first = results[0]["spec"]
    pairs = [(member.result, member.reference) for member in members if member.reference is not None]
    energies, missing = energy_spreads(results)
    useful = [result["useful"] for result in results]
    done_in = precisions(useful)
    counts, seconds = spread([float(paper_count(row)) for row in useful]), spread([row["seconds"] for row in useful])
    assert counts is not None and seconds is not None
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
        flops=spread([float(row["flops"]) for row in useful]) if len(done_in) < 2 else None,
        flops_by_precision={name: _in_precision(useful, name) for name in done_in},
        flops_paper_count=counts,
        seconds=seconds,
        energies=energies,
        missing=missing,
        reference=pairs[0][1]["spec"]["method"] if pairs else None,
        more_accurate=None if judged is None else judged.difference,
        verdict=judged.verdict if judged is not None and verdict else None,
        p_value=judged.p_value if judged is not None and verdict else None,
        seeds_needed=judged.seeds_needed if judged is not None and verdict else None,
        flops_ratio=paired(_ratios(pairs, lambda row: float(row["flops"]))) if _of_one_precision(pairs) else None,
        paper_count_ratio=paired(_ratios(pairs, lambda row: float(paper_count(row)))),
        energy_ratio=energy_ratio(pairs),
        what_if_ratios=what_if_ratios(pairs),
    )


def _in_precision(rows: Sequence[Mapping[str, Any]], precision: str) -> Spread:
    found = spread([float(by_precision(row).get(precision, 0)) for row in rows])
    assert found is not None
    return found


def _of_one_precision(pairs: Sequence[Tuple[Result, Result]]) -> bool:
    return len(precisions(result["useful"] for pair in pairs for result in pair)) == 1


def _ratios(pairs: Sequence[Tuple[Result, Result]], flops: Callable[[Mapping[str, Any]], float]) -> List[float]:
    """Of the useful FLOPs of each seed's pairs, where the reference has any."""
    known = [(_seed(ours), flops(ours["useful"]), flops(theirs["useful"])) for ours, theirs in pairs]
    return one_a_seed((seed, ours / theirs) for seed, ours, theirs in known if theirs)


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
