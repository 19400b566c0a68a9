"""The moments of a series' updates, as exact as the edges of a window need them."""

from typing import Tuple

import numpy as np

from ..traces.series import Array
from .curve import Timing
from .updates import Updates, on_grid

BLOCK = 128  # updates on either side of an edge that its grid is fitted to
STEADY = 0.01  # of a period: how steady the updates of a sensor are taken to be at best
LAG, LAG_SECONDS = 0.25, 0.025  # of a period, and at least: how much older than its update a reading may be
RESOLVING = 1.1  # reads must come more often than updates by this factor to tell one update from the next


def moments_of(updates: Updates, edges: Tuple[float, float]) -> Tuple[Array, Timing]:
    """When the updates came, shape (k,), increasing: on the sensor's grid near the two edges, if it keeps one.

    Both edges share one grid where they are close enough: its unknown shift then moves both alike, and the energy of
    a steady load between them not at all.
    """
    moments = updates.middle
    period = updates.period
    common, own = 0.0, STEADY * period.seconds
    first, last = (int(np.searchsorted(moments, edge)) for edge in edges)
    blocks = [(first, last)] if last - first <= 2 * BLOCK else [(first, first), (last, last)]
    for begin, end in blocks:
        block = slice(max(begin - BLOCK, 0), end + BLOCK)
        grid = None
        if period.seconds > RESOLVING * updates.poll:
            grid = on_grid(updates.early[block], updates.late[block], period.seconds)
        if grid is None:
            near = np.unique(np.clip([begin - 1, begin, end - 1, end], 0, len(moments) - 1))
            half = max(updates.blur, float(np.max(updates.late[near] - updates.early[near])) / 2)
            common, own = max(common, updates.blur), max(own, half)
        else:
            moments[block] = grid[0]
            common, own = max(common, grid[1]), max(own, grid[2])
    return np.maximum.accumulate(moments), Timing(common, common + lag_of(updates), own)


def lag_of(updates: Updates) -> float:
    """How much older than thought a reading may be: the sensor's own delay, and a period that had to be guessed."""
    period = updates.period
    return max(LAG * period.longest, LAG_SECONDS) + (period.longest - period.seconds) / 2
