"""How much better each Early-Bird variant is than the strongest rival at the same prune ratio, as in Table 2.

Each figure of a variant is of its own runs; the rival is the strongest in that figure and is named. Runs are paired by
seed where both sides have it; where they share none, means are compared and the figure says that it is not paired.
Runs that were given their ticket are left out on both sides: what finding it cost is not in their figures.
"""

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..comparing.differences import marks
from ..comparing.judgement import Judged, judge
from ..comparing.seed_energies import EnergyRatio, energy_kind, energy_ratio, energy_spreads, what_if_ratios
from ..comparing.seed_groups import more_accurate_pairs
from ..comparing.spread import Difference, one_a_seed, paired, spread
from ..flops import paper_count
from ..what_if import FIGURES, MARK, is_what_if
from .cells import EMPTY
from .paper_runs import EARLY_BIRD, RIVALS, MethodRow, Ratio, Setting, pairs
from .paper_units import accuracies
from .sheet import Cell

Result = Mapping[str, Any]
UNPAIRED = "not paired"
ONE = "one seed"
ALIKE = "the same in all seeds"
APART = "conditions differ"


@dataclass(frozen=True)
class Improvement:
    """Of one variant at one prune ratio: points of accuracy, how many times less energy and FLOPs."""

    accuracy: Cell
    energy: Cell
    flops: Cell


def improvements(setting: Setting, margin: Optional[float]) -> Dict[str, Dict[Ratio, Improvement]]:
    """By the label of the variant, for each ratio at which some rival was run."""
    variants = [row for row in setting.rows if row.method in EARLY_BIRD and not row.given]
    rivals = [row for row in setting.rows if row.method in RIVALS and not row.given]
    found: Dict[str, Dict[Ratio, Improvement]] = {}
    for ratio in setting.ratios():
        against = [row for row in rivals if ratio in row.cells]
        ours = [row for row in variants if ratio in row.cells]
        if not against:
            continue
        strongest = _most_accurate(against, ratio)
        both = [pairs(row.cells[ratio], strongest.cells[ratio]) if strongest else [] for row in ours]
        judged = judge([more_accurate_pairs(one) or None for one in both], margin)
        for row, one in zip(ours, judged):
            found.setdefault(row.label, {})[ratio] = Improvement(
                _accuracy(row, strongest, ratio, one, margin), _energy(row, against, ratio), _flops(row, against, ratio)
            )
    return found


def _most_accurate(rivals: Sequence[MethodRow], ratio: Ratio) -> Optional[MethodRow]:
    means = {row.label: spread(accuracies(row.cells[ratio])) for row in rivals}
    known = [(found.mean, row) for row in rivals for found in [means[row.label]] if found is not None]
    return max(known, key=lambda one: one[0])[1] if known else None


def _accuracy(
    row: MethodRow, rival: Optional[MethodRow], ratio: Ratio, judged: Optional[Judged], margin: Optional[float]
) -> Cell:
    ours = spread(accuracies(row.cells[ratio]))
    theirs = None if rival is None else spread(accuracies(rival.cells[ratio]))
    if rival is None or ours is None or theirs is None:
        return EMPTY
    more: Dict[str, Any] = {"rival": rival.label}
    if judged is None:
        points = ours.mean - theirs.mean
        lines = [f"{points:+.2f} ({rival.label})", UNPAIRED]
        return _cell(lines, row, rival, ratio, {**more, "points": points, "pairs": 0})
    lines = [f"{judged.difference.mean:+.2f} ({rival.label})", *difference_lines(judged, margin)]
    return _cell(lines, row, rival, ratio, {**more, "points": judged.difference.mean, **judged_json(judged)})


def difference_lines(judged: Judged, margin: Optional[float]) -> List[str]:
    """The interval of a difference, and the verdict on it."""
    found = judged.difference
    if found.low is None or found.high is None:
        lines = [ONE if found.n < 2 else ALIKE]
    else:
        lines = [f"[{found.low:+.2f}, {found.high:+.2f}]"]
    words = verdict_words(judged, margin)
    return [*lines, words] if words else lines


def verdict_words(judged: Judged, margin: Optional[float]) -> str:
    """Empty where there is one seed and nobody stated a margin."""
    if margin is None and judged.difference.n < 2:
        return ""
    if judged.seeds_needed is not None:
        return f"{judged.verdict} ({judged.seeds_needed} seeds would)"
    return judged.verdict


def judged_json(judged: Judged) -> Dict[str, Any]:
    return {
        "low": judged.difference.low,
        "high": judged.difference.high,
        "pairs": judged.difference.n,
        "verdict": judged.verdict,
        "p_value": judged.p_value,
        "seeds_needed": judged.seeds_needed,
    }


def _flops(row: MethodRow, rivals: Sequence[MethodRow], ratio: Ratio) -> Cell:
    def mean(one: MethodRow) -> float:
        found = [paper_count(result["useful"]) for result in one.cells[ratio]]
        return sum(found) / len(found)

    rival = min(rivals, key=mean)
    both = pairs(row.cells[ratio], rival.cells[ratio])
    times = paired(
        one_a_seed(
            (ours["spec"]["seed"], paper_count(theirs["useful"]) / paper_count(ours["useful"])) for ours, theirs in both
        )
    )
    if times is None:
        value = mean(rival) / mean(row)
        lines = [f"{value:.3g} x ({rival.label})", UNPAIRED]
        return _cell(lines, row, rival, ratio, {"rival": rival.label, "times": value, "pairs": 0})
    lines = [f"{times.mean:.3g} x ({rival.label})", *_interval(times)]
    more = {"rival": rival.label, "times": times.mean, "low": times.low, "high": times.high, "pairs": times.n}
    return _cell(lines, row, rival, ratio, more)


def _interval(found: Difference) -> List[str]:
    return [ONE] if found.low is None or found.high is None else [f"[{found.low:.3g}, {found.high:.3g}]"]


def _energy(row: MethodRow, rivals: Sequence[MethodRow], ratio: Ratio) -> Cell:
    """Against the rival of least energy among those whose energies are of our kind; of a what-if both figures."""
    ours = row.cells[ratio]
    comparable = [rival for rival in rivals if _comparable(ours, rival.cells[ratio])]
    if not comparable:
        why = "no rival's energy is of the same kind"
        return Cell("not compared", None, {"reason": why})
    rival = min(comparable, key=lambda one: min(each.joules.mean for each in energy_spreads(one.cells[ratio])[0]))
    both = [(theirs, our) for our, theirs in pairs(ours, rival.cells[ratio])]
    found: Tuple[EnergyRatio, ...] = what_if_ratios(both)
    plain = energy_ratio(both)
    if plain is not None:
        found = (plain,)
    if not found:
        return _unpaired_energy(row, rival, ratio)
    lines, more = [], {"rival": rival.label}  # type: List[str], Dict[str, Any]
    for at, one in enumerate(found):
        mark = "" if one.what_if is None else f" {MARK} {FIGURES[one.what_if]}"
        lines += [f"{one.value:.3g} x ({rival.label}){mark}", f"[{one.low:.3g}, {one.high:.3g}]"]
        figure = "" if not at else f"{one.what_if}_"
        more.update({f"{figure}times": one.value, f"{figure}low": one.low, f"{figure}high": one.high})
    more.update(pairs=found[0].n, provenance=found[0].provenance, what_if=found[0].what_if is not None)
    return _cell(lines, row, rival, ratio, more)


def _comparable(ours: Sequence[Result], theirs: Sequence[Result]) -> bool:
    """Whether all energies are known and of one kind; beside a what-if only what is modelled for the same device."""
    results = [*ours, *theirs]
    if any(result["useful"]["energy"]["joules"] is None for result in results):
        return False
    if any(map(is_what_if, results)):
        pair = [(theirs[0], ours[0])]
        alike = {(result["headline"], result["device"]["name"]) for result in results}
        return len(alike) == 1 and bool(what_if_ratios(pair) or energy_ratio(pair))
    return len({energy_kind(result) for result in results}) == 1


def _unpaired_energy(row: MethodRow, rival: MethodRow, ratio: Ratio) -> Cell:
    """A ratio of means. Where the two share no seed; of a what-if by its first figure."""
    ours, theirs = (energy_spreads(one.cells[ratio])[0][0] for one in (row, rival))
    value = theirs.joules.mean / ours.joules.mean
    mark = "" if ours.what_if is None and theirs.what_if is None else f" {MARK} {FIGURES['same_time']}"
    lines = [f"{value:.3g} x ({rival.label}){mark}", UNPAIRED]
    more = {"rival": rival.label, "times": value, "pairs": 0, "provenance": ours.provenance, "what_if": bool(mark)}
    return _cell(lines, row, rival, ratio, more)


def _cell(lines: List[str], row: MethodRow, rival: MethodRow, ratio: Ratio, more: Dict[str, Any]) -> Cell:
    """Marked where the runs on the two sides were not metered under the same conditions."""
    found = sorted({mark for each in marks([*row.cells[ratio], *rival.cells[ratio]]) for mark in each})
    if found:
        lines, more = [*lines, APART], {**more, "conditions": found}
    return Cell("\n".join(lines), None, more)
