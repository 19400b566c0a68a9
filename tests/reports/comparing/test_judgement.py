"""Verdicts against tabulated values of Student's t, against scipy's own tests, and against Holm's rule by hand."""

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from energytrain.reports.comparing.judgement import MOST_SEEDS, judge
from energytrain.reports.comparing.spread import paired

# Upper 2.5 % and 1.25 % points of Student's t with 4 degrees of freedom (any table of it).
T4, T4_OF_TWO = 2.7764451, 3.4954060
# Five values of mean 0 and standard deviation 1.
FIVE = [x / math.sqrt(2.5) for x in (-2.0, -1.0, 0.0, 1.0, 2.0)]
HALF = T4 / math.sqrt(5)
WIDER_HALF = T4_OF_TWO / math.sqrt(5)


def shifted(by):
    return [value + by for value in FIVE]


def one(values, margin=None):
    (found,) = judge([values], margin)
    return found


def holm(p_values):
    """Adjusted p-values, in the order of the p-values (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for place, at in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[at]))
        adjusted[at] = highest
    return adjusted


def two_sided(values, margin):
    """The least p-value of the three statements, each twice the one-sided one, by scipy's t test."""
    above = stats.ttest_1samp(values, 0.0, alternative="greater").pvalue
    below = stats.ttest_1samp(values, 0.0, alternative="less").pvalue
    inside = max(
        stats.ttest_1samp(values, -margin, alternative="greater").pvalue,
        stats.ttest_1samp(values, margin, alternative="less").pvalue,
    )
    return min(1.0, 2 * min(above, below, inside))


@pytest.mark.parametrize(
    ("mean", "margin", "word"),
    [
        (0.0, HALF + 0.001, "same"),
        (0.0, HALF - 0.001, "cannot tell"),
        (0.5, HALF + 0.501, "same"),
        (HALF + 0.001, 0.5, "better"),
        (HALF - 0.001, 0.5, "cannot tell"),
        (-HALF - 0.001, 0.5, "worse"),
        (-HALF - 0.001, 10.0, "same"),  # and worse than nothing at all, but by less than what matters
        (0.0, None, "cannot tell"),
        (HALF + 0.001, None, "better"),
        (-HALF - 0.001, None, "worse"),
    ],
)
def test_a_single_method_is_judged_by_its_95_percent_interval(mean, margin, word):
    assert one(shifted(mean), margin).verdict == word


def test_of_two_methods_the_clearer_one_is_held_to_half_the_level_and_the_other_one_to_the_whole():
    surely, barely = shifted(WIDER_HALF + 0.001), shifted(HALF + 0.001)
    assert [found.verdict for found in judge([barely, surely], 0.1)] == ["better", "better"]
    alone = shifted(WIDER_HALF - 0.001)
    assert [found.verdict for found in judge([barely, alone], 0.1)] == ["cannot tell", "cannot tell"]
    assert [found.verdict for found in judge([surely, FIVE], 0.1)] == ["better", "cannot tell"]


def test_what_comes_after_an_undecided_one_is_not_decided_either():
    """Of three, p = 0.01, 0.03 and 0.04: 0.03 fails at 0.05 / 2, so 0.04 is not held to 0.05."""
    means = [stats.t.isf(p / 2, 4) / math.sqrt(5) for p in (0.01, 0.03, 0.04)]
    found = judge([shifted(mean) for mean in means])
    assert [each.verdict for each in found] == ["better", "cannot tell", "cannot tell"]
    assert [each.p_value for each in found] == pytest.approx([0.03, 0.06, 0.06])


def test_one_pair_is_not_tested_and_does_not_count_among_the_methods():
    found = judge([[5.0], shifted(HALF + 0.001), None, []], 0.1)
    assert (found[0].verdict, found[0].p_value, found[0].seeds_needed) == ("cannot tell", None, None)
    assert found[0].difference.mean == 5.0 and found[1].verdict == "better" and found[2:] == [None, None]
    assert judge([]) == []


def test_seeds_that_all_differ_alike_are_no_certainty():
    """Two seeds of 360 test images, both one image worse: 1 / 360 is the step of such accuracies, not their spread."""
    worse = [97.5 - 97.77777777777777, 97.77777777777777 - 98.05555555555556]
    for values in (worse, [0.5, 0.5], [-3.0, -3.0, -3.0]):
        for margin in (None, 1.0):
            found = one(values, margin)
            assert (found.verdict, found.p_value, found.seeds_needed) == ("cannot tell", None, None)
            assert (found.difference.low, found.difference.high, found.difference.n) == (None, None, len(values))
    assert judge([shifted(HALF + 0.001), worse])[0].verdict == "better", "it does not count among the methods"


def test_runs_that_nothing_set_apart_are_the_same():
    assert one([0.0, 0.0, 0.0], 1.0).verdict == "same"
    nothing = one([0.0, 0.0])
    assert (nothing.verdict, nothing.p_value, nothing.seeds_needed) == ("cannot tell", 1.0, None)


def test_a_margin_is_above_zero():
    for margin in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="margin"):
            judge([FIVE], margin)


def test_the_seeds_needed_decide_and_one_fewer_does_not():
    """By hand: of mean 0.5 and deviation 1, t at n seeds is 0.5 sqrt(n): above the table's 2.5 % point from 18 on."""
    assert 0.5 * math.sqrt(18) > 2.1098 and 0.5 * math.sqrt(17) < 2.1199  # 17 and 16 degrees of freedom
    assert one(shifted(0.5)).seeds_needed == 18
    assert one(shifted(0.5), 0.1).seeds_needed == 18, "by half a point it is outside of a margin of 0.1"
    assert one(FIVE).seeds_needed is None, "the mean of no difference never leaves zero"
    assert one(shifted(0.001), 0.002).seeds_needed is None, "more than are ever run"
    assert one(shifted(HALF + 0.001)).seeds_needed is None, "it is decided"


def test_the_seeds_needed_hold_for_the_methods_that_are_still_open():
    """Two open ones: the first of them is held to 0.05 / 2, whatever was decided before."""
    found = judge([shifted(0.5), shifted(0.5), shifted(10.0)])
    alone, among = one(shifted(0.5)).seeds_needed, found[0].seeds_needed
    assert among == found[1].seeds_needed > alone
    for seeds, enough in ((among, True), (among - 1, False)):
        assert (2 * stats.t.sf(0.5 * math.sqrt(seeds), seeds - 1) <= 0.025) == enough
    assert among <= MOST_SEEDS


def differences(least=2):
    values = st.lists(st.integers(-500, 500).map(lambda points: points / 100), min_size=least, max_size=8)
    return values.filter(lambda found: len(found) < 2 or statistics.stdev(found) > 0)


MARGINS = st.sampled_from([0.1, 0.5, 1.0, 3.0])


@settings(max_examples=150, deadline=None)
@given(methods=st.lists(differences(), min_size=1, max_size=6), margin=MARGINS)
def test_p_values_are_holm_s_over_the_least_of_the_three_statements(methods, margin):
    found = judge(methods, margin)
    expected = holm([two_sided(values, margin) for values in methods])
    for each, p in zip(found, expected):
        assert (each.verdict != "cannot tell") == (each.p_value <= 0.05)
        assert each.p_value == pytest.approx(p, rel=1e-6, abs=1e-12) or (p < each.p_value and each.verdict == "same")
        if abs(p - 0.05) > 1e-9:
            assert (each.verdict != "cannot tell") == (p <= 0.05)


@settings(max_examples=150, deadline=None)
@given(methods=st.lists(differences(least=1), min_size=1, max_size=6), margin=MARGINS)
def test_no_verdict_says_more_than_the_interval_at_95_percent(methods, margin):
    # "same" goes first where it is shown at the corrected level, whose interval is that of 95 % only of one method.
    alone = sum(len(values) > 1 for values in methods) == 1
    for values, each in zip(methods, judge(methods, margin)):
        difference = paired(values)
        assert each.difference == difference
        if each.verdict == "same":
            assert -margin < difference.low and difference.high < margin
        elif each.verdict == "better":
            assert difference.low > 0 and (difference.high >= margin or not alone)
        elif each.verdict == "worse":
            assert difference.high < 0 and (difference.low <= -margin or not alone)


def test_better_within_the_margin_is_same_only_where_the_corrected_level_shows_it():
    """[-2.65, -0.36] at 95 %, but beyond -3 at 97.5 %, which is what the first of two methods is held to."""
    values = [-0.71, -1.4, -1.45, -2.46]
    assert [one.verdict for one in judge([values], 3.0)] == ["same"]
    assert [one.verdict for one in judge([values, [0.0, 0.23]], 3.0)] == ["worse", "same"]


@settings(max_examples=60, deadline=None)
@given(methods=st.lists(differences(), min_size=1, max_size=4), margin=MARGINS)
def test_the_other_way_round_the_verdicts_are_the_opposite(methods, margin):
    opposite = {"better": "worse", "worse": "better"}
    for ours, theirs in zip(judge(methods, margin), judge([[-value for value in m] for m in methods], margin)):
        assert theirs.verdict == opposite.get(ours.verdict, ours.verdict)
        assert theirs.seeds_needed == ours.seeds_needed


def test_the_more_methods_the_less_is_said():
    """Nothing is there: of 40 methods that differ by chance one in twenty would stand out uncorrected."""
    draws = stats.norm.rvs(size=(40, 5), random_state=7)
    alone = sum(one(list(values)).verdict != "cannot tell" for values in draws)
    together = sum(found.verdict != "cannot tell" for found in judge([list(values) for values in draws]))
    assert alone > 0 and together == 0
