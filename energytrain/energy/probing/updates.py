"""How often a sensor really updates, from the values of a series, whatever its driver states."""

import math
from dataclasses import dataclass
from typing import Optional

import numpy as np

from ..integrator.updates import find_updates, on_grid, update_period, usual_interval
from ..traces.series import Series

CHANGES_NEEDED = 3
TELLING = 1.5  # read intervals: an update period shorter than that is not told from one that is shorter still
NEAR = (0.5, 1.5)  # update periods: spans between changes that are one update long
UNEVEN = 0.2  # of a period: spans between changes that scatter by more follow the load and not the sensor


@dataclass(frozen=True)
class Probed:
    """How often a value changed.

    update_seconds: seconds between updates, None where the readings do not tell.
    error_seconds: half width (95 %) of that. at_most: reads were too seldom to see more frequent updates.
    even: whether the updates keep an even grid. updates: how many were seen.
    """

    update_seconds: Optional[float]
    error_seconds: Optional[float] = None
    at_most: bool = False
    even: bool = False
    updates: int = 0


def probe_updates(series: Series) -> Probed:
    """The update period of a series as its values show it, whatever its channel says."""
    good = np.isfinite(series.values) & np.append(True, np.diff(series.t) > 0)[: len(series.t)]
    t, values = (series.t[good] - series.t[:1]) * 1e-9, series.values[good]
    changes = int(np.count_nonzero(np.diff(values))) if len(values) else 0
    if changes < CHANGES_NEEDED:
        return Probed(None, updates=changes)
    resolution, poll = series.channel.resolution, usual_interval(t)
    period = update_period(t, values, None, resolution)
    if period.longest > period.seconds:  # a load that jumps between levels shows its own rhythm
        return Probed(None, updates=changes)
    updates = find_updates(t, values, None, resolution)
    seen = ~updates.after_gap & np.isfinite(updates.early)
    early, late = updates.early[seen], updates.late[seen]
    if period.seconds <= TELLING * poll:
        return Probed(period.seconds, None, at_most=True, updates=changes)
    grid = on_grid(early, late, period.seconds)
    if grid is not None:
        number = np.round((grid[0] - grid[0][0]) / period.seconds)
        seconds = float(np.polyfit(number, grid[0], 1)[0])
        return Probed(seconds, 2 * updates.blur / float(number[-1]), even=True, updates=changes)
    spans = np.diff((early + late) / 2) / period.seconds
    near = spans[(spans > NEAR[0]) & (spans < NEAR[1])] * period.seconds
    if len(near) < CHANGES_NEEDED or float(np.std(near)) > UNEVEN * period.seconds:
        return Probed(None, updates=changes)
    error = 1.96 * float(np.std(near)) / math.sqrt(len(near))
    return Probed(period.seconds, error, updates=changes)
