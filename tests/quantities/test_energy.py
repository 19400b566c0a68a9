"""Energies: missing is never zero, errors add as their kinds do."""

import json
import math
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energytrain.quantities.compare import minus, ratio
from energytrain.quantities.energy import (
    Energy,
    ErrorTerm,
    Provenance,
    Scope,
    merge_terms,
    total,
    weakest,
)


def energy(joules: Optional[float], *errors: ErrorTerm, **facts: Any) -> Energy:
    known = {"provenance": Provenance.MEASURED, "scope": Scope.CHIP, "channel": "nvml:0", "seconds": 10.0}
    return Energy(joules, errors=errors, **{**known, **facts})


def gain(width: float, sensor: str = "a") -> ErrorTerm:
    return ErrorTerm("gain", width, width, sensor)


def edge(below: float, above: Optional[float] = None) -> ErrorTerm:
    return ErrorTerm("edge", below, below if above is None else above)


class TestMissing:
    def test_it_has_a_reason_and_no_joules(self) -> None:
        absent = Energy.missing("no meter", 3.0, Scope.WALL, "plug")
        assert absent.joules is None and absent.low is None and absent.high is None and absent.watts is None
        assert (absent.provenance, absent.coverage, absent.reason) == (Provenance.MISSING, 0.0, "no meter")

    def test_joules_and_missing_exclude_each_other(self) -> None:
        with pytest.raises(ValueError, match="no joules exactly when"):
            Energy(0.0, Provenance.MISSING, reason="x")
        with pytest.raises(ValueError, match="no joules exactly when"):
            Energy(None, Provenance.MEASURED, reason="x")
        with pytest.raises(ValueError, match="needs its reason"):
            Energy(None, Provenance.MISSING)

    @pytest.mark.parametrize("joules", [math.nan, math.inf])
    def test_what_is_no_number_is_no_energy(self, joules: float) -> None:
        with pytest.raises(ValueError, match="finite"):
            energy(joules)


class TestErrorTerms:
    @pytest.mark.parametrize("width", [-1.0, math.nan, math.inf])
    def test_a_half_width_is_finite_and_not_negative(self, width: float) -> None:
        with pytest.raises(ValueError, match="'edge'"):
            ErrorTerm("edge", width, 0.0)
        with pytest.raises(ValueError, match="'edge'"):
            ErrorTerm("edge", 0.0, width)

    def test_correlated_ones_of_a_sensor_add_linearly_and_others_in_quadrature(self) -> None:
        merged = merge_terms([gain(3), gain(4), gain(5, "b"), edge(3, 6), edge(4, 8)])
        assert merged == (gain(7), gain(5, "b"), edge(5, 10))

    def test_bounds_are_the_terms_in_quadrature_and_never_below_zero(self) -> None:
        one = energy(100, gain(6), edge(8, 0))
        assert (one.below, one.above) == (10.0, 6.0)
        assert (one.low, one.high) == (90.0, 106.0)
        assert energy(5, edge(8)).low == 0.0

    @given(st.lists(st.floats(0, 1e6), min_size=1, max_size=6))
    def test_an_energy_of_several_windows_is_as_wide_as_its_terms_say(self, widths: list) -> None:
        parts = [energy(1e7, gain(w), edge(w)) for w in widths]
        summed = total(parts)
        assert summed.above == pytest.approx(math.hypot(sum(widths), math.sqrt(sum(w * w for w in widths))))


class TestTermsThatLast:
    """One that keeps its sign for 20 s at most: its joules grow up to there and no further."""

    @staticmethod
    def hidden(below: float, lasts: Optional[float] = 20.0, sensor: Optional[str] = "a") -> ErrorTerm:
        return ErrorTerm("aliasing", below, 2 * below, sensor, lasts)

    @pytest.mark.parametrize(("seconds", "below"), [(10.0, 40.0), (20.0, 40.0), (80.0, 10.0)])
    def test_over_a_longer_time_they_average_out(self, seconds: float, below: float) -> None:
        one = energy(1000, self.hidden(40), seconds=seconds)
        assert (one.below, one.above) == pytest.approx((below, 2 * below))

    def test_the_time_of_a_sum_is_that_of_all_its_windows(self) -> None:
        parts = [energy(1000, self.hidden(40), seconds=10.0) for _ in range(8)]
        assert [total(parts[:count]).below for count in (1, 2, 8)] == pytest.approx([40, 80, 80])

    def test_a_sum_lasts_as_long_as_the_longest(self) -> None:
        assert merge_terms([self.hidden(3, 20.0), self.hidden(4, 5.0)]) == (self.hidden(7, 20.0),)
        assert merge_terms([self.hidden(3, 20.0), self.hidden(4, None)]) == (self.hidden(7, None),)

    def test_what_was_not_seen_averages_nothing_out(self) -> None:
        one = energy(1000, self.hidden(40), seconds=10.0)
        assert one.scaled(8).below == pytest.approx(8 * one.below)

    def test_in_a_ratio_and_a_difference_they_count_for_the_time_of_their_window(self) -> None:
        long, fixed = (energy(1000, term, seconds=80.0) for term in (self.hidden(40), self.hidden(10, None)))
        sure = energy(100, seconds=80.0)
        assert ratio(long, sure) == ratio(fixed, sure)
        assert minus(long, sure).below == minus(fixed, sure).below == pytest.approx(10)

    def test_json_keeps_the_time(self) -> None:
        one = energy(1000, self.hidden(40), gain(5), seconds=80.0)
        assert Energy.from_json(json.loads(json.dumps(one.to_json()))) == one
        assert "lasts" not in gain(5).to_json()


class TestTotal:
    def test_of_windows_of_one_channel(self) -> None:
        summed = total([energy(100, gain(5), edge(3)), energy(50, gain(2.5), edge(4), coverage=0.5)])
        assert (summed.joules, summed.seconds, summed.channel, summed.scope) == (150.0, 20.0, "nvml:0", Scope.CHIP)
        assert summed.errors == (gain(7.5), edge(5))
        assert summed.coverage == 0.75 and summed.provenance is Provenance.MEASURED

    def test_of_disjoint_channels_over_the_same_time(self) -> None:
        summed = total([energy(100, gain(3)), energy(300, gain(4, "b"), channel="nvml:1")])
        assert (summed.joules, summed.seconds, summed.channel) == (400.0, 10.0, "nvml:0+nvml:1")
        assert summed.watts == 40.0 and summed.above == 5.0

    def test_of_windows_on_several_channels(self) -> None:
        parts = [energy(10, channel=name, seconds=2.0) for name in ("b", "a") for _ in range(3)]
        summed = total(parts)
        assert (summed.joules, summed.seconds, summed.channel) == (60.0, 6.0, "a+b")
        assert total([summed, summed]).channel == "a+b"

    def test_with_a_part_missing_there_is_only_a_partial_sum(self) -> None:
        summed = total([energy(100), Energy.missing("GPU is lost", 5.0), Energy.missing("GPU is lost", 5.0)])
        assert summed.joules is None and summed.partial == 100.0
        assert summed.reason == "GPU is lost" and summed.scope is Scope.CHIP
        again = total([summed, energy(7)])
        assert again.joules is None and again.partial == 107.0

    def test_of_nothing_known_there_is_not_even_a_partial_sum(self) -> None:
        assert total([Energy.missing("a"), Energy.missing("b")]).partial is None
        assert total([Energy.missing("a"), Energy.missing("b")]).reason == "a; b"
        assert total([]).joules is None

    def test_unlike_scopes_are_never_added(self) -> None:
        for other in (Scope.WALL, None):
            with pytest.raises(ValueError, match="different scopes"):
                total([energy(100), energy(100, scope=other)])

    def test_an_exact_nothing_takes_the_scope_of_the_rest(self) -> None:
        nothing = Energy(0.0, Provenance.MEASURED)
        summed = total([nothing, energy(100)])
        assert (summed.joules, summed.scope, summed.channel) == (100.0, Scope.CHIP, "nvml:0")
        assert total([nothing]).joules == 0.0 and total([nothing]).coverage == 1.0

    def test_is_as_weak_as_its_weakest_part(self) -> None:
        parts = [energy(1, provenance=p) for p in (Provenance.DERIVED, Provenance.MODELLED, Provenance.MEASURED)]
        assert total(parts).provenance is Provenance.MODELLED

    def test_many_small_windows_lose_nothing_to_rounding(self) -> None:
        assert total([energy(0.1)] * 10).joules == 1.0


class TestScaled:
    def test_all_of_it_grows_and_the_mean_power_stays(self) -> None:
        scaled = energy(100, gain(5), edge(2, 4)).scaled(3, Provenance.EXTRAPOLATED)
        assert (scaled.joules, scaled.seconds, scaled.watts) == (300.0, 30.0, 10.0)
        assert scaled.errors == (gain(15), edge(6, 12))
        assert scaled.provenance is Provenance.EXTRAPOLATED and scaled.coverage == 1.0

    def test_it_never_makes_a_weak_figure_stronger(self) -> None:
        assert energy(1, provenance=Provenance.MODELLED).scaled(2).provenance is Provenance.MODELLED
        assert energy(1).scaled(2).provenance is Provenance.DERIVED

    def test_what_is_missing_stays_missing(self) -> None:
        scaled = Energy.missing("GPU is lost", 5.0, partial=10.0).scaled(2)
        assert (scaled.joules, scaled.partial, scaled.seconds) == (None, 20.0, 10.0)

    @pytest.mark.parametrize("factor", [-1.0, math.nan, math.inf])
    def test_by_a_factor_that_makes_sense(self, factor: float) -> None:
        with pytest.raises(ValueError, match="cannot be scaled"):
            energy(1).scaled(factor)
        with pytest.raises(ValueError, match="cannot be scaled"):
            Energy.missing("x").scaled(factor)


def test_the_order_of_provenances() -> None:
    assert weakest([Provenance.MEASURED, Provenance.EXTRAPOLATED, Provenance.DERIVED]) is Provenance.EXTRAPOLATED
    order = ["measured", "derived", "extrapolated", "modelled", "missing"]
    assert [p.value for p in sorted(Provenance, key=lambda p: p.weakness)] == order


@pytest.mark.parametrize(
    "one",
    [
        energy(100.125, gain(5), edge(2, 4), coverage=0.5),
        energy(1, scope=None, channel=None, provenance=Provenance.MODELLED),
        Energy.missing("GPU is lost", 5.0, Scope.WALL, "plug", partial=3.0),
    ],
)
def test_json_keeps_all_of_it(one: Energy) -> None:
    data = json.loads(json.dumps(one.to_json(), allow_nan=False))
    assert Energy.from_json(data) == one
    assert (data["low"], data["high"]) == (one.low, one.high)
