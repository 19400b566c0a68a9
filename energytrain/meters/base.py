"""What a meter is: a source of readings with one or more channels. A driver knows its hardware and no time.

A driver module in this room offers `OPTIONS` and `open_meter(options) -> Meter`; it raises `MeterUnavailable` with the
reason and the fix where the hardware is not there. A reading is a value or an error, never a made-up number.

Beside its power an open meter may show the *conditions* under which it was used: temperatures, clocks, limits. They
are channels like the others, of a second meter that is read once a second (`conditions_of`), and no energy.
"""

from dataclasses import asdict, dataclass
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Protocol, Tuple

from ..quantities.energy import Scope

POWER = ("joules", "watts")
# What else a sensor may say. "flags" is a bit mask, "state" the number of a setting: compared, never averaged.
CONDITIONS = ("celsius", "hertz", "percent", "limit_watts", "count", "flags", "state")
Skipped = Tuple[str, str, str]
Read = Callable[[], float]


@dataclass(frozen=True)
class Channel:
    """One rail or counter of a meter.

    quantity: "joules" (a counter that only grows), "watts" (a power reading), or one of `CONDITIONS`.
    sensor: identity of the physical sensor; its gain and offset errors are correlated over all its windows.
    gain_error: relative half width (95 %); offset_watts: half width in watts (95 %).
    resolution: smallest step of a reading, in joules or watts.
    update_seconds: how often the value changes, None while unknown (the recorder probes it).
    averaging_seconds: the span a power reading averages over, 0 for instantaneous, None if unknown.
    smoothing_seconds: the lag of a reading that moves a share of the way towards each new value, 0 where it is a plain
        mean or none; `averaging_seconds` is then the same.
    observed_share: the share of that span that the sensor really looks at, where it is known to sleep in between.
    idle_watts, max_watts: what the load cannot go below or above; they bound a gap.
    wraps_at: joules at which a counter starts again at zero, None for never.
    part_of: a channel of the same meter that already contains this one.
    summed: False where it is not known what else contains it; such a channel is never added to others.
    """

    name: str
    meter: str
    sensor: str
    quantity: str
    scope: Scope
    gain_error: float = 0.0
    offset_watts: float = 0.0
    resolution: float = 0.0
    update_seconds: Optional[float] = None
    averaging_seconds: Optional[float] = None
    observed_share: float = 1.0
    idle_watts: float = 0.0
    max_watts: Optional[float] = None
    wraps_at: Optional[float] = None
    part_of: Optional[str] = None
    summed: bool = True
    smoothing_seconds: float = 0.0

    @property
    def is_power(self) -> bool:
        """Whether its readings are power or energy, and not a condition."""
        return self.quantity in POWER

    def to_json(self) -> Dict[str, Any]:
        return dict(asdict(self), scope=self.scope.value)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Channel":
        return Channel(**dict(data, scope=Scope(data["scope"])))


@dataclass(frozen=True)
class Reading:
    """A channel's value (joules or watts), or None and the driver's own words on why."""

    value: Optional[float]
    error: Optional[str] = None


class Meter(Protocol):
    """An open meter. `read` returns one reading a channel, in the order of `channels`, and does not raise."""

    @property
    def name(self) -> str: ...

    @property
    def channels(self) -> Tuple[Channel, ...]: ...

    def read(self) -> List[Reading]: ...

    def close(self) -> None: ...


def left_out(meter: Meter) -> Tuple[Skipped, ...]:
    """What an open meter could not read of its hardware: (part, why, fix). Drivers that can say so have `skipped`."""
    return tuple(getattr(meter, "skipped", ()))


def conditions_of(meter: Meter) -> Optional[Meter]:
    """The second meter of what else this one's sensors say, or None. Drivers that have one offer it as `conditions`.

    It shares the first one's hardware and is closed with it: its own `close` does nothing that the other's needs.
    """
    conditions: Optional[Meter] = getattr(meter, "conditions", None)
    return conditions


class Source(NamedTuple):
    """A condition that a driver reads by itself: its name, its quantity, its smallest step, how to read it."""

    name: str
    quantity: str
    resolution: float
    read: Read


def condition_channels(
    meter: str, start: str, sources: Iterable[Tuple[str, str, float]], scope: Scope, sensor: Optional[str] = None
) -> Tuple[Channel, ...]:
    """The channels of the conditions that the meter called `meter` has; their names begin with `start`.

    sources: of each condition its name, quantity and smallest step, as a `Source` begins.
    sensor: what they are all read from; each is one of its own without it.
    """
    return tuple(
        Channel(
            name=start + name,
            meter=meter,
            sensor=sensor or start + name,
            quantity=quantity,
            scope=scope,
            resolution=resolution,
        )
        for name, quantity, resolution in sources
    )
