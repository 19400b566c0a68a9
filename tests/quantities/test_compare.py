"""Ratios and differences of energies: what both sides share cancels."""

import math
from typing import Any, Optional

import numpy as np
import pytest

from energytrain.quantities.compare import minus, ratio
from energytrain.quantities.energy import Energy, ErrorTerm, Provenance, Scope, total


def energy(joules: Optional[float], *errors: ErrorTerm, **facts: Any) -> Energy:
    known = {"provenance": Provenance.MEASURED, "scope": Scope.CHIP, "channel": "nvml:0", "seconds": 10.0}
    return Energy(joules, errors=errors, **{**known, **facts})


def gain(width: float, sensor: str = "a") -> ErrorTerm:
    return ErrorTerm("gain", width, width, sensor)


def edge(below: float, above: Optional[float] = None) -> ErrorTerm:
    return ErrorTerm("edge", below, below if above is None else above)


class TestRatio:
    def test_a_gain_that_both_share_cancels(self) -> None:
        found = ratio(energy(300, gain(15)), energy(100, gain(5)))
        assert found is not None
        assert (found.value, found.provenance) == (3.0, Provenance.MEASURED)
        assert found.low == pytest.approx(3.0) and found.high == pytest.approx(3.0)

    def test_gains_of_two_sensors_do_not(self) -> None:
        found = ratio(energy(300, gain(15)), energy(100, gain(5, "b")))
        assert found is not None
        assert found.high == pytest.approx(3 * (1 + math.hypot(0.05, 0.05)), rel=0.005)
        assert found.low == pytest.approx(3 * (1 - math.hypot(0.05, 0.05)), rel=0.005)

    def test_a_gain_that_one_side_holds_only_in_part_cancels_only_in_part(self) -> None:
        """Two GPUs against one of them: the second one's gain stays, and so does the difference of the first one's."""
        both = total([energy(100, gain(10)), energy(300, gain(30, "b"), channel="nvml:1")])
        found = ratio(both, energy(100, gain(10)))
        assert found is not None
        left = math.hypot(10 / 100 - 10 / 400, 30 / 400)
        assert found.high == pytest.approx(4 * (1 + left), rel=0.02)

    def test_offsets_cancel_by_how_alike_they_are(self) -> None:
        def offset(width: float) -> ErrorTerm:
            return ErrorTerm("offset", width, width, "a")

        alike = ratio(energy(100, offset(5)), energy(100, offset(5)))
        unlike = ratio(energy(100, offset(5)), energy(1000, offset(5)))
        assert alike is not None and unlike is not None
        assert alike.high == pytest.approx(1.0)
        assert unlike.high / unlike.value == pytest.approx(1.05 / 1.005)

    def test_other_terms_are_independent(self) -> None:
        found = ratio(energy(100, edge(3, 0)), energy(100, edge(0, 4)))
        assert found is not None
        assert found.high == 1.0 and found.low == pytest.approx(1 - math.hypot(0.03, 0.04), rel=0.002)

    def test_a_models_wide_bounds_stay_sensible(self) -> None:
        wide = energy(100, ErrorTerm("model", 50, 100), provenance=Provenance.MODELLED)
        found = ratio(wide, energy(100))
        assert found is not None
        assert found.low == pytest.approx(0.5) and found.high == pytest.approx(2.0)
        assert found.provenance is Provenance.MODELLED
        both = ratio(wide, wide)
        assert both is not None and both.low == pytest.approx(1 / both.high)

    def test_what_may_be_nothing_bounds_no_ratio(self) -> None:
        found = ratio(energy(100), energy(10, edge(12)))
        assert found is not None and found.high == math.inf and found.low > 0
        empty = ratio(energy(0, edge(0, 5)), energy(100))
        assert empty is not None and (empty.value, empty.low, empty.high) == (0.0, 0.0, 0.05)

    def test_there_is_none_of_what_cannot_be_divided(self) -> None:
        assert ratio(Energy.missing("x"), energy(1)) is None
        assert ratio(energy(1), Energy.missing("x")) is None
        assert ratio(energy(1), energy(0)) is None
        assert ratio(energy(-1), energy(1)) is None
        assert ratio(energy(1), energy(1, scope=Scope.WALL)) is None

    def test_its_interval_holds_the_true_ratio(self) -> None:
        rng = np.random.default_rng(0)
        held = 0
        for _ in range(2000):
            shared, first, second = rng.normal(0, 1 / 1.96, 3)
            true_a, true_b = 300.0, 100.0
            a = energy(true_a * (1 + 0.1 * shared) + 9 * first, gain(30), edge(9))
            b = energy(true_b * (1 + 0.1 * shared) + 4 * second, gain(10), edge(4))
            found = ratio(a, b)
            assert found is not None
            held += found.low <= true_a / true_b <= found.high
        assert 0.93 <= held / 2000 <= 0.97


class TestMinus:
    def test_the_gain_of_what_is_left_is_the_gain_of_its_joules(self) -> None:
        left = minus(energy(300, gain(15)), energy(100, gain(5)))
        assert (left.joules, left.low, left.high) == (200.0, 190.0, 210.0)
        assert (left.provenance, left.scope, left.channel, left.seconds) == (
            Provenance.DERIVED,
            Scope.CHIP,
            "nvml:0",
            10.0,
        )

    def test_an_offset_that_is_in_both_is_gone(self) -> None:
        def offset(width: float) -> ErrorTerm:
            return ErrorTerm("offset", width, width, "a")

        assert minus(energy(300, offset(20)), energy(100, offset(20))).errors == ()

    def test_gains_of_unlike_sensors_do_not_cancel(self) -> None:
        left = minus(energy(300, gain(15)), energy(100, gain(5, "b")))
        assert left.below == left.above == pytest.approx(math.hypot(15, 5))

    def test_uneven_gains_turn_round_where_the_part_moves_more(self) -> None:
        left = minus(energy(300, ErrorTerm("gain", 4, 10, "a")), energy(100, ErrorTerm("gain", 6, 2, "a")))
        assert (left.below, left.above) == (0.0, 8.0)

    def test_what_is_left_is_high_where_the_part_was_low(self) -> None:
        left = minus(energy(300, edge(3, 0)), energy(100, edge(4, 12)))
        assert (left.below, left.above) == (pytest.approx(math.hypot(3, 12)), 4.0)
        steps = [ErrorTerm("resolution", width, 2 * width, "a") for width in (1.0, 3.0)]
        sure = minus(energy(300, steps[0]), energy(100, steps[1]))
        assert (sure.below, sure.above) == (7.0, 5.0), "of one sensor and no gain: the worst of both"

    def test_it_may_be_below_zero_and_says_so(self) -> None:
        left = minus(energy(100, edge(3)), energy(102, edge(4)))
        assert (left.joules, left.low, left.high) == (-2.0, -7.0, 3.0)
        assert Energy.from_json(left.to_json()) == left

    def test_there_is_none_of_what_is_missing_or_unlike(self) -> None:
        assert minus(Energy.missing("GPU is lost"), energy(1)).reason == "GPU is lost"
        assert minus(energy(1), Energy.missing("no baseline")).reason == "no baseline"
        with pytest.raises(ValueError, match="different scopes"):
            minus(energy(1), energy(1, scope=Scope.WALL))

    def test_its_interval_holds_the_true_difference(self) -> None:
        rng = np.random.default_rng(0)
        held = 0
        for _ in range(2000):
            shared, first, second = rng.normal(0, 1 / 1.96, 3)
            a = energy(300 * (1 + 0.1 * shared) + 9 * first, gain(30), edge(9))
            b = energy(100 * (1 + 0.1 * shared) + 4 * second, gain(10), edge(4))
            left = minus(a, b)
            assert left.low is not None and left.high is not None
            held += left.low <= 200.0 <= left.high
        assert 0.93 <= held / 2000 <= 0.97
