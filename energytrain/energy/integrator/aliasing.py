"""What a load may do while its sensor does not look.

A power sensor that looks at a part of the time shows a load which beats in step with its looks as a steady power: all
of them fall on the same part of the beat, and the truth may be far off. From such readings nobody can tell it from a
steady load. What bounds it are the limits of the load, and two assumptions:

- It spends a part of its time where the sensor looks: at most `HIDDEN` of it elsewhere.
- It keeps no step for ever. Sensor and load have clocks of their own, and a rhythm that has nothing to do with the
  sensor's drifts past it: only one in a hundred drifts by less than a whole beat within `IN_STEP` looks; five seconds
  are granted in any case. After a whole beat the errors have cancelled out, so that over a longer time their joules do
  not grow. Readings that themselves beat evenly show how fast the load drifts, and shorten that time.

A counter, or a reading that averages over its whole update, has nothing of this.
"""

from dataclasses import dataclass
from typing import Optional, Tuple

import numpy as np

from ...meters.base import Channel
from .power import PowerCurve

HIDDEN = 0.6
IN_STEP, IN_STEP_SECONDS = 200.0, 5.0
UNKNOWN_MOST = 3.0  # times the largest reading, where the load's limit is unknown
WIDE_BEAT = 1 / 3  # of the range between the load's limits: what readings that show the beat itself swing by
BEATS_NEEDED = 3
UNEVEN = 0.6, 0.1  # of a step and of a beat: by how much the beats in readings may stray from an even rhythm
ENDS = 1.5  # beats within which of either end of the window the first and last one must be seen


@dataclass(frozen=True)
class Hidden:
    """Watts by which the mean power may lie below or above what was read, and for how many seconds it may stay so."""

    below: float
    above: float
    lasts: float


def looks(channel: Channel, update: float, read: float, whole: float) -> Tuple[float, float]:
    """(share of the time that readings tell of, seconds from one look at the load to the next).

    update, read: seconds from one to the next; whole: the spans of readings that are this share of that apart are taken
    to follow on one another. A reading that may be a moment or a mean is taken for a moment.
    """
    if channel.quantity == "joules":
        return channel.observed_share, update
    step, span = max(update, read), channel.averaging_seconds
    if span is None:
        return 0.0, step
    if span >= whole * step:
        return channel.observed_share, update
    return min(channel.observed_share, span / step), step


def hidden_power(
    channel: Channel, share: float, watts: float, largest: float, step: float, beat: Optional[float] = None
) -> Hidden:
    """What the load may hide around the mean power `watts` that was read.

    share: of the time that readings tell of; largest: the largest reading in watts; step, beat: seconds, as from
    `looks` and `even_beat`.
    """
    unseen = min(HIDDEN, 1.0 - share)
    lasts = max(IN_STEP * step, IN_STEP_SECONDS)
    most = UNKNOWN_MOST * largest if channel.max_watts is None else channel.max_watts
    return Hidden(
        below=unseen * max(watts - channel.idle_watts, 0.0),
        above=unseen * max(most - watts, 0.0),
        lasts=lasts if beat is None else min(lasts, beat),
    )


def even_beat(curve: PowerCurve, start: float, end: float, swing: float, step: float) -> Optional[float]:
    """Seconds from beat to beat where the readings from `start` to `end` keep an even beat, else None.

    swing: watts between the load's limits, of which the readings must show a good part; step: seconds from one reading
    to the next.
    Such a load drifts past the sensor, or it is slow and the sensor sees it as it is: either way all parts of it are
    seen within one beat. Uneven jumps are no evidence: a load in step makes them where its edge meets the look.
    """
    near = IN_STEP * step / 2
    first, last = np.searchsorted(curve.t, [start - near, end + near])
    t, watts = curve.t[first:last], curve.watts[first:last]
    if len(t) < 2 * BEATS_NEEDED:
        return None
    low, high = float(watts.min()), float(watts.max())
    if high - low < WIDE_BEAT * swing:
        return None
    middle = (low + high) / 2
    clear = np.abs(watts - middle) > (high - low) / 6
    t, up = t[clear], watts[clear] > middle
    rises = t[1:][up[1:] & ~up[:-1]]
    if len(rises) <= BEATS_NEEDED:
        return None
    beat = float(rises[-1] - rises[0]) / (len(rises) - 1)
    even = float(np.std(np.diff(rises))) <= max(UNEVEN[0] * step, UNEVEN[1] * beat)
    throughout = rises[0] <= start + ENDS * beat and rises[-1] >= end - ENDS * beat
    return beat if even and throughout else None
