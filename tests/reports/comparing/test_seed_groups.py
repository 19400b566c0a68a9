"""Groups of seeds against arithmetic by hand and tabulated values of Student's t."""

import copy
import json
import math
from pathlib import Path

import pytest
from reports.emulated import four

from energytrain.reports.comparing.seed_groups import Member, seed_groups
from energytrain.reports.comparing.spread import paired, spread
from energytrain.reports.terminal.suite_table import plan_table, suite_table, sum_lines, table_lines

RESULTS = Path(__file__).resolve().parents[2] / "kept_runs"
# 97.5 % points of Student's t with 1 and 2 degrees of freedom (any table of it).
T = {2: 12.7062047, 3: 4.3026527}


@pytest.fixture
def result():
    """The result of a real run, changed as asked: seed, accuracy, useful FLOPs, joules (None: missing), headline."""
    runs = {name: json.loads((RESULTS / f"{name}-s0" / "result.json").read_text()) for name in ("dense", "eb-ff")}

    def make(method, seed, accuracy=70.0, flops=None, joules=1000.0, provenance="modelled", device="tx2"):
        made = copy.deepcopy(runs[method])
        made["spec"]["seed"], made["name"] = seed, f"{method}-s{seed}"
        made["accuracy"]["test"] = accuracy
        made["device"]["name"] = device
        made["headline"] = provenance
        if flops is not None:
            made["useful"].update(flops=flops, matrix_flops=flops - 1, flops_by_precision={"fp32": flops})
        energy = made["useful"]["energy"]
        if joules is None:
            energy.update(joules=None, provenance="missing", reason="no meter", errors=[], low=None, high=None)
        else:
            energy.update(joules=joules, provenance=provenance, errors=[])
        return made

    return make


def shown(renderable):
    from rich.console import Console

    console = Console(width=200, record=True, file=open("/dev/null", "w"))
    console.print(renderable)
    return console.export_text()


def test_verdicts_are_in_the_table_where_a_margin_was_stated(result):
    dense = [result("dense", seed, 70.0 + seed) for seed in range(3)]
    close = [result("eb-ff", seed, 70.0 + seed + shift) for seed, shift in enumerate((-0.1, 0.0, 0.1))]
    members = [Member("dense", r) for r in dense] + [Member("eb-ff", r, d) for r, d in zip(close, dense)]
    assert [group.verdict for group in seed_groups(members)] == [None, None]
    assert all(group.p_value is None and group.seeds_needed is None for group in seed_groups(members))
    groups = seed_groups(members, margin=1.0)
    assert [group.verdict for group in groups] == [None, "same"] and groups[1].p_value < 0.01
    table = shown(suite_table(groups, "dense"))
    assert "verdict" in table and "same" in table
    assert any("within 1 points" in line for line in table_lines(groups, 1.0))
    assert "verdict" not in shown(suite_table(seed_groups(members), "dense"))


def test_a_verdict_that_is_wanting_tells_how_many_seeds_would_bring_one(result):
    """-0.4, 0.4 and 0: of three the interval, +- 0.99, is too wide for a margin of 0.75, of four, +- 0.64, not."""
    dense = [result("dense", seed, 70.0) for seed in range(3)]
    near = [result("eb-ff", seed, 70.0 + shift) for seed, shift in enumerate((-0.4, 0.4, 0.0))]
    groups = seed_groups([Member("eb-ff", r, d) for r, d in zip(near, dense)], margin=0.75)
    assert (groups[0].verdict, groups[0].seeds_needed) == ("cannot tell", 4)
    assert "cannot tell (4 seeds)" in shown(suite_table(groups, "dense"))
    assert any("number of seeds that would" in line for line in table_lines(groups, 0.75))


def test_the_points_of_all_seeds_are_kept_for_programs(result):
    runs = [result("dense", seed, accuracy) for seed, accuracy in enumerate((70.0, 75.0, 71.0))]
    told = json.loads(json.dumps(seed_groups([Member("dense", run) for run in runs])[0].to_json()))
    assert told["accuracy"]["values"] == [70.0, 75.0, 71.0]
    assert (told["accuracy"]["median"], told["accuracy"]["low"], told["accuracy"]["high"]) == (71.0, 70.0, 75.0)


def test_means_spreads_and_differences_by_seed(result):
    dense = [result("dense", seed, accuracy, flops=100) for seed, accuracy in enumerate((70.0, 72.0, 71.0))]
    ticket = [
        result("eb-ff", seed, accuracy, flops=flops, joules=joules)
        for seed, (accuracy, flops, joules) in enumerate(((69.0, 40, 500.0), (70.0, 50, 700.0), (71.0, 60, 600.0)))
    ]
    members = [Member("dense", r) for r in dense] + [Member("eb-ff-p0.5", r, d) for r, d in zip(ticket, dense)]
    first, second = seed_groups(members)
    assert (first.name, first.seeds, first.prune_ratio, first.more_accurate) == ("dense", (0, 1, 2), None, None)
    assert (first.accuracy.mean, first.accuracy.sd) == (71.0, 1.0)
    # Differences -1, -2, 0: mean -1, standard deviation 1.
    found = second.more_accurate
    half = T[3] / math.sqrt(3)
    assert found.n == 3 and found.mean == -1.0
    assert (found.low, found.high) == (pytest.approx(-1 - half), pytest.approx(-1 + half))
    assert second.flops_ratio.mean == pytest.approx(0.5) and second.flops.mean == 50.0
    assert second.flops_by_precision == {"fp32": second.flops} and second.flops_paper_count.mean == 49.0
    assert second.prune_ratio.mean == 0.5
    (energy,) = second.energies
    assert (energy.joules.mean, energy.joules.sd, energy.provenance) == (600.0, 100.0, "modelled")
    assert second.energy_ratio.value == pytest.approx(1800 / 3000) and second.energy_ratio.n == 3
    assert second.parameters.mean == 182423 and second.draw_epoch.mean == 14
    text = shown(suite_table([first, second], "dense"))
    for words in ("71.00 +- 1.00", "-1.00 [-3.48, +1.48]", "0.500", "600 J +- 100 J", "182 k", "points over dense"):
        assert words in text, words
    assert any("modelled, module (tx2)" in line for line in table_lines([first, second])) and "tx2" not in text
    assert "All FLOPs are in fp32." in table_lines([first, second]) and "paper's count" not in text


def test_pairs_are_those_of_one_seed_where_both_are_done(result):
    dense = result("dense", 1, 70.0)
    members = [Member("eb", result("eb-ff", 0, 60.0)), Member("eb", result("eb-ff", 1, 69.0), dense)]
    (group,) = seed_groups(members)
    assert group.accuracy.n == 2 and (group.more_accurate.mean, group.more_accurate.n) == (-1.0, 1)
    assert group.more_accurate.low is None, "one pair has no interval"
    assert "-1.00" in shown(suite_table([group], "dense"))


def test_energies_of_unlike_kinds_are_never_mixed(result):
    members = [
        Member("eb", result("eb-ff", 0, joules=100.0, provenance="measured"), result("dense", 0, joules=200.0)),
        Member("eb", result("eb-ff", 1, joules=900.0), result("dense", 1, joules=1000.0)),
        Member("eb", result("eb-ff", 2, joules=800.0, device="cpu-rapl"), result("dense", 2, joules=1000.0)),
        Member("eb", result("eb-ff", 3, joules=None), result("dense", 3, joules=1000.0)),
    ]
    (group,) = seed_groups(members)
    kinds = {(e.provenance, e.device): (e.joules.mean, e.joules.n) for e in group.energies}
    assert kinds == {
        ("measured", "tx2"): (100.0, 1),
        ("modelled", "tx2"): (900.0, 1),
        ("modelled", "cpu-rapl"): (800.0, 1),
    }
    assert group.missing == 1 and group.energy_ratio is None
    text = shown(suite_table([group], "dense"))
    assert "measured, module (tx2)" in text and "missing (n = 1)" in text


def test_a_masked_network_keeps_its_size_and_a_chosen_ratio_is_shown(result):
    masked = result("eb-ff", 0)
    whole = masked["network"]["after"]["parameters"]
    masked["ticket"].update(unit="weights", kept=1000, total=whole - 400, prune_ratio=0.7)
    (group,) = seed_groups([Member("lt", masked)])
    assert group.not_masked.mean == 1000 + 400 and group.parameters.mean == whole
    assert group.prune_ratio.mean == 0.7
    text = shown(suite_table([group], None))
    assert "1.4 k of 182 k" in text and "0.7" in text
    assert any("no mask holds at zero" in line for line in table_lines([group]))


def test_what_is_not_known_is_no_zero(result):
    (group,) = seed_groups([Member("eb", result("eb-ff", 0, accuracy=None, joules=None))])
    assert group.accuracy is None and group.energies == () and group.more_accurate is None
    text = shown(suite_table([group], None))
    assert "none" in text and "missing" in text
    assert spread([]) is None and paired([]) is None and table_lines([]) == []


def test_two_values_have_the_interval_of_one_degree_of_freedom():
    found = paired([1.0, 3.0])
    assert found.high - found.mean == pytest.approx(T[2] * math.sqrt(2) / math.sqrt(2), rel=1e-6)


@pytest.fixture(scope="module")
def by_method():
    """dense, eb-ff, eb-lf and eb-ll of two seeds as groups, compared with dense."""
    seeds = [four(0), four(1)]
    members = [
        Member(run["spec"]["method"], run, runs[0] if at else None) for runs in seeds for at, run in enumerate(runs)
    ]
    return {group.name: group for group in seed_groups(members)}, seeds


def test_flops_of_unlike_precision_are_neither_averaged_together_nor_divided(by_method):
    groups, ((dense, full, lower, lowest), _) = by_method
    assert groups["eb-ff"].flops.n == 2 and groups["eb-ff"].flops_ratio.n == 2
    for name, run in (("eb-lf", lower), ("eb-ll", lowest)):
        group = groups[name]
        assert group.flops is None and group.flops_ratio is None
        assert {p: found.mean for p, found in group.flops_by_precision.items()} == run["useful"]["flops_by_precision"]
        share = run["useful"]["matrix_flops"] / dense["useful"]["matrix_flops"]
        assert group.paper_count_ratio.mean == pytest.approx(share)
        # The same networks for as long: by the paper's count nothing was saved beside full precision.
        assert group.flops_paper_count.mean == groups["eb-ff"].flops_paper_count.mean
    text = shown(suite_table(list(groups.values()), "dense"))
    assert "x dense (paper's count)" in text
    assert text.count(" bfp8") == 2


def test_a_what_if_is_divided_by_modelled_joules_with_a_mark_and_never_by_measured_ones(by_method):
    groups, seeds = by_method
    group, (dense, _, _, lowest) = groups["eb-ll"], seeds[0]
    assert [(one.what_if, one.provenance, one.joules.n) for one in group.energies] == [
        ("same_time", "modelled", 2),
        ("paper_convention", "modelled", 2),
    ]
    assert group.energy_ratio is None and group.missing == 0
    figures = lowest["what_if"]["figures"]
    for one in group.what_if_ratios:
        assert one.value == pytest.approx(figures[one.what_if]["joules"] / dense["useful"]["energy"]["joules"])
        assert one.low < one.value < one.high and one.provenance == "modelled" and one.n == 2
    assert [one.what_if for one in group.what_if_ratios] == ["same_time", "paper_convention"]
    assert groups["eb-ff"].what_if_ratios == () and groups["eb-ff"].energy_ratio.what_if is None
    text = shown(suite_table(list(groups.values()), "dense"))
    assert text.count("J what-if (a)") == text.count("J what-if (b)") == 2 and text.count(") what-if") == 4
    assert any("Not to be ranked" in line for line in table_lines(list(groups.values())))
    json.dumps(group.to_json())

    measured = [{**runs[0], "headline": "measured"} for runs in seeds]
    other = [{**runs[0], "device": {**runs[0]["device"], "name": "orin"}} for runs in seeds]
    anchored = [{**runs[3], "what_if": {**runs[3]["what_if"], "anchored": {"factor": 2.0}}} for runs in seeds]
    lows = [runs[3] for runs in seeds]
    for ours, theirs in ((lows, measured), (lows, other), (anchored, [runs[0] for runs in seeds])):
        (found,) = seed_groups([Member("eb-ll", run, reference) for run, reference in zip(ours, theirs)])
        assert found.what_if_ratios == () and found.energy_ratio is None


def test_a_what_if_is_not_averaged_with_a_run_that_is_none(by_method):
    _, ((_, full, _, lowest), _) = by_method
    anchored = {**lowest, "what_if": {**lowest["what_if"], "anchored": {"factor": 2.0}}}
    (group,) = seed_groups([Member("eb", run) for run in (full, lowest, anchored)])
    assert [one.joules.n for one in group.energies] == [1] * 5


def test_a_plan_tells_of_each_figure_how_it_was_made():
    def figure(value, source, provenance=None):
        return {"value": value, "source": source, "provenance": provenance}

    def flops(source, **by_precision):
        return {"value": None, "source": source, "by_precision": by_precision, "paper_count": 7e8}

    rows = [
        {
            "run": "dense-s0",
            "do": "start",
            "flops": flops("planned", fp32=1e9),
            "seconds": figure(75.0, "timed"),
            "joules": figure(None, "no profile"),
        },
        {
            "run": "dense-s1",
            "do": "start",
            "flops": flops("planned", fp32=1e9),
            "seconds": figure(None, "unknown"),
            "joules": figure(5.0, "profile", "modelled"),
        },
        {"run": "eb-s0", "do": "skip", "flops": None, "seconds": None, "joules": None},
    ]
    text = shown(plan_table(rows))
    for words in ("1 G (1)", "1 min 15 s (2)", "missing (3)", "missing (4)", "5 J modelled (5)", "(1) planned", "skip"):
        assert words in text, words
    assert "paper's count" not in text and "All FLOPs are in fp32." in text
    whole = {
        "runs": 2,
        "flops_by_precision": {"fp32": 2e9},
        "flops_paper_count": 1.4e9,
        "seconds": 75.0,
        "without_seconds": 1,
        "joules": {"modelled": 5.0},
        "without_joules": 1,
    }
    (line, _) = sum_lines(whole)
    assert line.startswith(
        "in all 2 runs: 2 G useful FLOPs in fp32, 1 min 15 s (1 of 2 runs missing); energy 5 J modelled"
    )
    assert line.endswith("5 J modelled, 1 of 2 runs missing")
    assert sum_lines({**whole, "runs": 0}) == ["nothing is left to be done"]
    rows[1]["flops"] = flops("planned", fp32=2e6, bfp8=9e8)
    text = shown(plan_table(rows))
    for words in ("1 G fp32 (1)", "2 M fp32", "900 M bfp8 (1)", "700 M", "paper's count: FLOPs of convolutions"):
        assert words in text, words
    whole.update(flops_by_precision={"fp32": 2e9, "bfp8": 9e8}, joules={"modelled": 5.0, "modelled, what-if": 3.0})
    (line, _) = sum_lines(whole)
    assert "2 G useful FLOPs in fp32 and 900 M in bfp8 (1.4 G by paper's count), " in line
    assert "energy 5 J modelled, 3 J modelled, what-if" in line


def test_repeats_of_one_seed_count_once(result):
    """Two seeds, one of them twice: differences 1 and 2, and a FLOPs ratio of 1/2 and 1/4."""
    members = []
    for seed, accuracy, flops in ((0, 70.5, 500), (0, 71.5, 500), (1, 72.0, 250)):
        members.append(Member("ours", result("eb-ff", seed, accuracy, flops), result("dense", seed, 70.0, 1000)))
    (group,) = seed_groups(members, margin=5.0)
    assert group.more_accurate.n == 2 and group.more_accurate.mean == pytest.approx(1.5)
    half = T[2] * math.sqrt(0.5) / math.sqrt(2)
    assert group.more_accurate.low == pytest.approx(1.5 - half)
    assert group.flops_ratio.n == 2 and group.flops_ratio.mean == pytest.approx(0.375)
    (same,) = seed_groups([members[0]] * 3, margin=1.0)
    assert same.verdict == "cannot tell" and same.p_value is None
