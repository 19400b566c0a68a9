"""A window's energy on a known curve, in numbers that can be checked by hand."""

import numpy as np
import pytest

from energytrain.energy.integrator.curve import Curve, Limits, Timing, stretch

LIMITS = Limits(0.0, 300.0)
EXACT = Timing(0.0, 0.0, 0.0)


def curve(watts: list, known: list = ()) -> Curve:
    """Segments of 1 s of the given mean powers."""
    t = np.arange(len(watts) + 1.0)
    return Curve(t, np.append(0.0, np.cumsum(watts)), np.array(known or [True] * len(watts)), reach=0.5)


def test_between_knots_the_load_may_swing_within_its_limits() -> None:
    """100 W in every second; a quarter of a second in, up to 25 J were not yet drawn or up to 50 J more."""
    part = stretch(curve([100.0, 200.0, 100.0, 100.0, 100.0]), 0.25, 3.0, LIMITS, timing=EXACT)
    assert part.joules == pytest.approx(375.0)
    assert part.edge == pytest.approx((0.25 * 200.0, 0.25 * 100.0))
    after = stretch(curve([100.0, 100.0, 100.0, 200.0, 100.0, 100.0]), 1.0, 4.75, LIMITS, timing=EXACT)
    assert after.edge == pytest.approx((0.25 * 200.0, 0.25 * 100.0))


def test_both_edges_meet_their_worst_at_once() -> None:
    part = stretch(curve([100.0, 100.0, 200.0, 100.0, 100.0]), 0.25, 4.75, LIMITS, timing=EXACT)
    assert part.edge == pytest.approx((2 * 0.25 * 200.0, 2 * 0.25 * 100.0))


def test_at_a_knot_nothing_is_unsure_but_the_moment() -> None:
    powers = [100.0, 100.0, 200.0, 100.0, 100.0, 100.0]
    assert stretch(curve(powers), 1.0, 5.0, LIMITS, timing=EXACT).edge == (0.0, 0.0)
    assert stretch(curve(powers), 1.0, 5.0, LIMITS, timing=Timing(0.1, 0.1, 0.0)).edge == pytest.approx(
        (2 * 0.1 * 200, 2 * 0.1 * 200)
    )


def test_a_load_that_was_never_seen_to_swing_swings_by_half_at_least() -> None:
    part = stretch(curve([100.0] * 5), 0.5, 3.0, LIMITS, timing=EXACT)
    assert part.edge == pytest.approx((0.5 * 50.0, 0.5 * 50.0))
    assert stretch(curve([100.0] * 5), 0.5, 3.0, Limits(90.0, 110.0), timing=EXACT).edge == pytest.approx((5.0, 5.0))


def test_a_mean_between_its_neighbours_is_one_jump() -> None:
    """100 W, then 150 W on average, then 300 W: the jump came at 2.75 s, and the bounds move with the estimate."""
    jumped = curve([100.0, 100.0, 150.0, 300.0, 300.0])
    part = stretch(jumped, 0.0, 2.5, LIMITS, timing=EXACT)
    assert part.joules == pytest.approx(250.0)
    straight = 275.0
    down, up = min(150 * 0.5, 150 * 0.5), min(150 * 0.5, 150 * 0.5)
    assert part.edge == pytest.approx((down - (straight - 250.0), up + (straight - 250.0)))
    from_there = stretch(jumped, 2.5, 4.0, LIMITS, timing=EXACT)
    assert from_there.joules == pytest.approx(400.0)
    assert from_there.edge == pytest.approx((up + 25.0, down - 25.0))
    assert stretch(jumped, 2.8, 4.0, LIMITS, timing=EXACT).joules == pytest.approx(0.2 * 300 + 300.0)


def test_a_window_between_two_knots() -> None:
    powers = [100.0, 200.0, 100.0, 100.0, 100.0]
    part = stretch(curve(powers), 3.2, 3.4, LIMITS, timing=EXACT)
    assert part.joules == pytest.approx(20.0)
    assert part.edge == pytest.approx((20.0, 40.0))  # nothing of it, or all at 300 W
    most_of_it = stretch(curve(powers), 3.05, 3.95, LIMITS, timing=EXACT)
    assert most_of_it.edge == pytest.approx((0.1 * 200, 0.1 * 100))  # the rest of the second took its most, or nothing


def test_a_gap_inside_is_between_the_limits() -> None:
    part = stretch(curve([100.0, 100.0, 100.0, 100.0], [True, False, True, True]), 0.0, 4.0, LIMITS, timing=EXACT)
    assert part.joules == pytest.approx(400.0)
    assert part.gap == pytest.approx((100.0, 200.0)) and part.gap_seconds == 1.0
    partly = stretch(curve([100.0, 100.0, 100.0, 100.0], [True, False, True, True]), 1.5, 4.0, LIMITS, timing=EXACT)
    assert partly.gap == pytest.approx((50.0, 100.0)) and partly.gap_seconds == 0.5


def test_outside_all_knots_the_nearest_power_holds() -> None:
    part = stretch(curve([100.0, 150.0, 200.0]), -1.0, 5.0, LIMITS, timing=EXACT)
    assert part.joules == pytest.approx(100 + 450 + 2 * 200)
    assert part.gap == pytest.approx((100.0 + 400.0, 200.0 + 200.0))
    assert part.gap_seconds == pytest.approx(0.5 + 1.5)
    assert (part.start_watts, part.end_watts) == ((100.0, 150.0), (150.0, 200.0))
