"""The cubic schedule of gradual pruning against its values worked out by hand."""

import pytest

from energytrain.errors import UsageError
from energytrain.pruning.gradual import sparsity_at

TEN = [0, 0.2168, 0.3904, 0.5256, 0.6272, 0.7, 0.7488, 0.7784, 0.7936, 0.7992, 0.8]
FOUR = [0, 0.4625, 0.7, 0.7875, 0.8]


@pytest.mark.parametrize("steps, expected", [(10, TEN), (4, FOUR), (1, [0, 0.8])])
def test_from_nothing_to_four_fifths(steps, expected):
    assert [sparsity_at(step, steps, 0.8) for step in range(steps + 1)] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("initial", [0.0, 0.1, 0.3, 0.7])
@pytest.mark.parametrize("steps", [1, 3, 7, 50])
def test_it_rises_from_the_first_share_to_the_last_exactly_and_ever_slower(initial, steps):
    shares = [sparsity_at(step, steps, 0.7, initial) for step in range(steps + 1)]
    assert shares[0] == initial and shares[-1] == 0.7
    rises = [after - before for before, after in zip(shares, shares[1:])]
    assert min(rises) >= 0 and all(later <= sooner + 1e-15 for sooner, later in zip(rises, rises[1:]))


@pytest.mark.parametrize("step, steps", [(-1, 4), (5, 4), (0, 0)])
def test_steps_outside_the_window(step, steps):
    with pytest.raises(UsageError, match="no step"):
        sparsity_at(step, steps, 0.8)


@pytest.mark.parametrize("final, initial", [(1.0, 0.0), (0.5, 0.6), (0.5, -0.1), (float("nan"), 0.0)])
def test_shares_that_do_not_rise(final, initial):
    with pytest.raises(UsageError, match="cannot go from"):
        sparsity_at(1, 4, final, initial)
