"""What changed between two suites or folders of runs: pairs, put together where they differ in the seed alone."""

import json
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ...runs.spec import LEGACY_VALUES, OUTSIDE_IDENTITY
from ..flops import PAPER_COUNT, PAPER_COUNT_MEANS, precisions
from ..format import si
from ..source import Source
from ..tables.cells import name, number
from ..tables.people import one_line
from ..tables.sheet import Cell, Column, Row, Sheet
from ..what_if import FIGURES, MARK, WHAT_IF_MEANS
from .compare_runs import EMPTY, same_data, unlike
from .differences import differences
from .judgement import Judged, judge
from .seed_energies import EnergySpread
from .seed_groups import Member, SeedGroup, more_accurate, seed_groups
from .spread import Difference, Spread, one_a_seed, paired

Pair = Tuple[Source, Source]
# What differs between seeds of one setting; a control's size follows its seed's ticket.
OF_A_SEED = ("seed", "trial", "match")


def matched(first: Sequence[Source], second: Sequence[Source]) -> Tuple[List[Pair], List[Source], List[Source]]:
    """(pairs, only in the first, only in the second): by the run's name, and where that is in one alone by its
    settings, seed included."""
    by_name = {source.label: source for source in second}
    pairs = [(one, by_name.pop(one.label)) for one in first if one.label in by_name]
    paired_up = {one.label for one, _ in pairs}
    left = [one for one in first if one.label not in paired_up]
    by_settings: Dict[str, List[Source]] = {}
    for other in by_name.values():
        by_settings.setdefault(_settings(other, ()), []).append(other)
    only = []
    for one in left:
        others = by_settings.get(_settings(one, ()))
        if others:
            pairs.append((one, others.pop(0)))
        else:
            only.append(one)
    return pairs, only, [other for others in by_settings.values() for other in others]


def group_sheets(
    pairs: Sequence[Pair],
    only: Tuple[Sequence[Source], Sequence[Source]],
    titles: Tuple[str, str],
    margin: Optional[float] = None,
) -> List[Sheet]:
    """The changes of each group of pairs, and the runs that have no counterpart."""
    sheets = [_changes(pairs, titles, margin)] if pairs else []
    if any(only):
        rows = [
            Row((name(one.label), name(one.result["spec"]["method"]), name(one.result["status"]), name(title)))
            for title, sources in zip(titles, only)
            for one in sources
        ]
        heads = (("run", "run"), ("method", "method"), ("status", "status"), ("where", "only in"))
        columns = tuple(Column(key, title, False) for key, title in heads)
        sheets.append(Sheet("only", "Runs without a counterpart", columns, tuple(rows)))
    return sheets


def group_name(source: Source) -> str:
    """The name of a run without its seed, as suites give it; of a run that was named by itself, with its settings."""
    seed = source.result["spec"]["seed"]
    named = re.fullmatch(rf"(.*)-s{seed}(-[0-9a-f]{{8}})?", str(source.result["name"]))
    return str(source.result["name"]) if named is None else named[1]


def _settings(source: Source, without: Sequence[str]) -> str:
    spec = {**LEGACY_VALUES, **source.result["spec"]}
    spec = {name: value for name, value in spec.items() if name not in (*without, *OUTSIDE_IDENTITY)}
    return json.dumps(spec, sort_keys=True)


def _groups(pairs: Sequence[Pair]) -> Dict[str, List[Pair]]:
    """Pairs by the name of their group; of several settings under one name each has a number."""
    groups: Dict[str, List[Pair]] = {}
    keys: Dict[str, List[str]] = {}
    for pair in pairs:
        head = group_name(pair[0])
        # A name that holds no hash was chosen by a suite, whose controls differ from seed to seed.
        by_itself = re.search(r"-s\d+-[0-9a-f]{8}$", str(pair[0].result["name"])) is not None
        key = "".join(_settings(one, OF_A_SEED) for one in pair) if by_itself else ""
        known = keys.setdefault(head, [])
        if key not in known:
            known.append(key)
        at = known.index(key)
        groups.setdefault(head if at == 0 else f"{head}#{at + 1}", []).append(pair)
    return groups


def _changes(pairs: Sequence[Pair], titles: Tuple[str, str], margin: Optional[float]) -> Sheet:
    groups = _groups(pairs)
    members = {
        head: [Member(head, second.result, first.result) for first, second in found] for head, found in groups.items()
    }
    ours = {one.name: one for one in seed_groups([member for found in members.values() for member in found])}
    theirs = {
        one.name: one
        for one in seed_groups([Member(head, first.result) for head, found in groups.items() for first, _ in found])
    }
    judged = judge([more_accurate(found) for found in members.values()], margin)
    results = [one.result for pair in pairs for one in pair]
    apart = len(precisions(result["useful"] for result in results)) > 1
    columns = (
        Column("group", "runs", False),
        Column("n", "pairs"),
        Column("first_accuracy_percent", f"{titles[0]}: test acc., %"),
        Column("second_accuracy_percent", f"{titles[1]}: test acc., %"),
        Column("points", "points"),
        Column("points_low", "95 % interval"),
        Column("points_high", "to", joins=" to "),
        Column("verdict", "verdict", False),
        Column("flops_ratio", f"FLOPs ({PAPER_COUNT}), second over first" if apart else "FLOPs, second over first"),
        Column("seconds_ratio", "time, second over first"),
        Column("first_useful_joules", f"{titles[0]}: useful energy"),
        Column("second_useful_joules", f"{titles[1]}: useful energy"),
        Column("energy_ratio", "energy, second over first"),
        Column("energy_ratio_low", "95 % bounds"),
        Column("energy_ratio_high", "to", joins=" to "),
        Column("note", "note", False),
    )
    rows = tuple(
        Row(tuple(_cells(head, found, theirs[head], ours[head], one, apart)), "group")
        for (head, found), one in zip(groups.items(), judged)
    )
    return Sheet("groups", "What changed", columns, rows, tuple(_notes(pairs, apart, margin)))


def _cells(
    head: str, pairs: Sequence[Pair], theirs: SeedGroup, ours: SeedGroup, judged: Optional[Judged], apart: bool
) -> List[Cell]:
    points = None if judged is None else judged.difference
    times = one_a_seed(
        (first.result["spec"]["seed"], second.result["useful"]["seconds"] / first.result["useful"]["seconds"])
        for first, second in pairs
        if first.result["useful"]["seconds"]
    )
    flops = ours.paper_count_ratio if apart else ours.flops_ratio
    return [
        name(head),
        number(len(pairs)),
        _spread(theirs.accuracy),
        _spread(ours.accuracy),
        *_difference(points),
        _verdict(judged),
        _factor(flops),
        _factor(paired(times)),
        _energies(theirs.energies, theirs.missing),
        _energies(ours.energies, ours.missing),
        *_energy_ratio(ours),
        _note(pairs, ours),
    ]


def _spread(found: Optional[Spread]) -> Cell:
    if found is None:
        return Cell("none")
    more = {"sd": found.sd, "n": found.n, "median": found.median, "low": found.low, "high": found.high}
    text = f"{found.mean:.2f}" + (f" +- {found.sd:.2f}" if found.sd is not None else "")
    if 1 < found.n <= 5:
        text += f"\nmedian {found.median:.2f}: {', '.join(f'{value:.2f}' for value in found.values)}"
    return Cell(text, found.mean, {**more, "values": list(found.values)})


def _difference(found: Optional[Difference]) -> Tuple[Cell, Cell, Cell]:
    if found is None:
        return EMPTY, EMPTY, EMPTY
    ends = [EMPTY if end is None else Cell(f"{end:+.2f}", end) for end in (found.low, found.high)]
    return Cell(f"{found.mean:+.2f}", found.mean, {"n": found.n}), ends[0], ends[1]


def _verdict(judged: Optional[Judged]) -> Cell:
    if judged is None:
        return EMPTY
    needed = f" ({judged.seeds_needed} seeds)" if judged.seeds_needed else ""
    more = {"p_value": judged.p_value, "seeds_needed": judged.seeds_needed}
    return Cell(judged.verdict + needed, judged.verdict, more)


def _factor(found: Optional[Difference]) -> Cell:
    if found is None:
        return EMPTY
    return Cell(f"{found.mean:.3f}", found.mean, {"low": found.low, "high": found.high, "n": found.n})


def _energies(found: Sequence[EnergySpread], missing: int) -> Cell:
    """A line for each kind: means of unlike kinds are not one."""
    lines = []
    for one in found:
        mark = "" if one.what_if is None else f" {MARK} {FIGURES[one.what_if]}"
        scope = "" if one.scope is None else f", {one.scope}"
        lines.append(f"{si(one.joules.mean, 'J')}{mark} ({one.provenance}{scope}, {one_line(one.device)})")
    lines += [f"missing (n = {missing})"] * (missing > 0)
    single = found[0] if len(found) == 1 and not missing else None
    more = {} if single is None else {"provenance": single.provenance, "scope": single.scope, "n": single.joules.n}
    return Cell("\n".join(lines), None if single is None else single.joules.mean, more)


def _energy_ratio(group: SeedGroup) -> Tuple[Cell, Cell, Cell]:
    found = [group.energy_ratio] if group.energy_ratio is not None else list(group.what_if_ratios)
    if not found:
        return EMPTY, EMPTY, EMPTY
    marks = ["" if one.what_if is None else f" {MARK} {FIGURES[one.what_if]}" for one in found]
    first = found[0]
    return (
        Cell("\n".join(f"{one.value:.3f}{mark}" for one, mark in zip(found, marks)), first.value, {"n": first.n}),
        Cell("\n".join(f"{one.low:.3f}" for one in found), first.low),
        Cell("\n".join(f"{one.high:.3f}" for one in found), first.high),
    )


def _note(pairs: Sequence[Pair], group: SeedGroup) -> Cell:
    told = []
    if group.energy_ratio is None and not group.what_if_ratios:
        reasons = dict.fromkeys(filter(None, (unlike(one.result, other.result) for one, other in pairs)))
        told += [f"energy not compared: {reason}" for reason in reasons] or ["energy not compared"]
    told += ["not all finished"] * any(one.result["status"] != "done" for pair in pairs for one in pair)
    told += ["judged on other data"] * (not all(same_data(one.result, other.result) for one, other in pairs))
    told += ["conditions differ"] * any(differences([one.result, other.result]) for one, other in pairs)
    return Cell("; ".join(told), "; ".join(told) or None)


def _notes(pairs: Sequence[Pair], apart: bool, margin: Optional[float]) -> List[str]:
    results: List[Mapping[str, Any]] = [one.result for pair in pairs for one in pair]
    notes = [
        "Points are the second's accuracy less the first's, pair by pair; their interval is Student's t, of each row "
        "for itself. The bounds of an energy ratio are those of metering or model, not of the seeds."
    ]
    within = "" if margin is None else f"within {margin:g} points either way, or "
    notes.append(
        "verdict: of the second against the first, corrected for the number of rows (Holm): whether the interval lies "
        f"{within}on one side of zero; in brackets how many seeds would tell."
    )
    notes += [PAPER_COUNT_MEANS] * apart + [WHAT_IF_MEANS] * any(result.get("what_if") for result in results)
    return notes + [f"Conditions: {one_line(sentence)}." for sentence in differences(results)]
