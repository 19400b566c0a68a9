"""What a counter's reads add up to as they come: wraps, resets, and what nobody can tell apart."""

from typing import List, Optional

import pytest

from energytrain.energy.recorder.live import LiveChannel, counted
from energytrain.meters.base import Channel
from energytrain.quantities.energy import Scope

SECOND = 1_000_000_000


def counter(max_watts: Optional[float], wraps_at: Optional[float]) -> Channel:
    return Channel("rapl:p", "rapl", "rapl:p", "joules", Scope.CHIP, max_watts=max_watts, wraps_at=wraps_at)


@pytest.mark.parametrize(
    ("max_watts", "wraps_at", "last", "value", "joules"),
    [
        (200.0, 1000.0, 100.0, 100.0, 0.0),
        (200.0, None, 100.0, 150.0, 50.0),
        (200.0, 1000.0, 990.0, 40.0, 50.0),
        (200.0, 1000.0, 700.0, 99.0, 399.0),  # within a second, and one more in which it did not step
        (200.0, 1000.0, 500.0, 99.0, None),  # 599 J would be more than the load can draw
        (200.0, None, 990.0, 40.0, None),
        (None, 1000.0, 990.0, 40.0, 50.0),
        (None, 1000.0, 300.0, 0.0, None),  # a limit is not known, but it was far from its end
        (None, 1000.0, 2500.0, 10.0, None),  # higher than it can count
    ],
)
def test_a_fall_is_a_wrap_only_where_that_is_plausible(
    max_watts: Optional[float], wraps_at: Optional[float], last: float, value: float, joules: Optional[float]
) -> None:
    assert counted(counter(max_watts, wraps_at), last, value, 1.0) == joules


@pytest.mark.parametrize(
    ("values", "joules", "partial"),
    [([900.0, 960.0, 20.0, 80.0], 180.0, False), ([500.0, 560.0, 0.0, 60.0], 120.0, True)],
)
def test_the_running_sum(values: List[float], joules: float, partial: bool) -> None:
    live = LiveChannel(counter(100.0, 1000.0))
    for number, value in enumerate(values):
        live.feed(number * SECOND, value, None)
    assert (live.figures()["joules"], live.figures()["partial"]) == (joules, partial)
