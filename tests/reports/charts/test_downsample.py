"""Fewer points for display: peaks, ends and gaps stay, nothing is invented."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energytrain.reports.charts.downsample import MOST, downsample

VALUES = st.one_of(st.floats(-1e6, 1e6), st.just(math.nan))


@st.composite
def long_series(draw):
    y = draw(st.lists(VALUES, min_size=1, max_size=300))
    steps = draw(st.lists(st.sampled_from([0.0, 0.01, 1.0, 50.0]), min_size=len(y), max_size=len(y)))
    return np.cumsum(steps), np.array(y)


@settings(max_examples=300, deadline=None)
@given(long_series(), st.integers(5, 60))
def test_what_stays_is_a_part_of_the_series_with_its_ends_peaks_and_gaps(series, most):
    x, y = series
    few_x, few_y, dropped = downsample(x, y, most)
    assert len(few_x) == len(few_y) == len(x) - dropped and len(few_x) <= max(most, 3) + 2
    # In order, and only what was there.
    at = 0
    for pair in zip(few_x, few_y):
        while at < len(x) and not _same((x[at], y[at]), pair):
            at += 1
        assert at < len(x), "a point that the series does not have, or in another order"
        at += 1
    assert _same((x[0], y[0]), (few_x[0], few_y[0])) and _same((x[-1], y[-1]), (few_x[-1], few_y[-1]))
    if dropped:
        for low, high in _buckets(x, most):
            inside, kept = y[(x >= low) & (x < high)], few_y[(few_x >= low) & (few_x < high)]
            assert np.isnan(inside).any() == np.isnan(kept).any(), "a gap is lost or invented"
            known = inside[~np.isnan(inside)]
            if len(known):
                assert np.nanmin(kept) == known.min() and np.nanmax(kept) == known.max()


def _buckets(x, most):
    """Equal stretches of the range, as the docstring says: a third of `most` of them, the last one with its end."""
    count = max(1, (most - 2) // 3)
    edges = np.linspace(x[0], x[-1], count + 1)
    edges[-1] = np.inf
    return list(zip(edges[:-1], edges[1:]))


def _same(one, other):
    return one[0] == other[0] and (one[1] == other[1] or (math.isnan(one[1]) and math.isnan(other[1])))


def test_millions_of_samples_keep_one_spike_and_one_gap():
    n = 2_000_000
    x, y = np.arange(n) * 0.001, np.full(n, 10.0)
    y[1_234_567], y[777_777] = 500.0, math.nan
    few_x, few_y, dropped = downsample(x, y)
    assert len(few_x) <= MOST and dropped == n - len(few_x)
    assert (1234.567, 500.0) in list(zip(few_x, few_y))
    assert [round(at, 3) for at in few_x[np.isnan(few_y)]] == [777.777]


def test_a_short_series_is_left_alone():
    x, y, dropped = downsample([1, 2, 3], [4.0, math.nan, 6.0])
    assert x.tolist() == [1, 2, 3] and math.isnan(y[1]) and dropped == 0


def test_unlike_lengths_are_refused():
    with pytest.raises(ValueError, match="one y an x"):
        downsample([1, 2], [1])
