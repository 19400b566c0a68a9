"""What a meter is: a source of readings with one or more channels. A driver knows its hardware and no time.

A driver module in this room offers `open_meter(options) -> Meter`; it raises `MeterUnavailable` with the reason and
the fix where the hardware is not there. A reading is a value or an error, never a made-up number.
"""

from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Mapping, Optional, Protocol, Tuple

from ..quantities.energy import Scope


@dataclass(frozen=True)
class Channel:
    """One rail or counter of a meter.

    quantity: "joules" (a counter that only grows) or "watts" (a power reading).
    sensor: identity of the physical sensor; its gain and offset errors are correlated over all its windows.
    gain_error: relative half width (95 %); offset_watts: half width in watts (95 %).
    resolution: smallest step of a reading, in joules or watts.
    update_seconds: how often the value changes, None while unknown (the recorder probes it).
    averaging_seconds: the span a power reading averages over, 0 for instantaneous, None if unknown.
    idle_watts, max_watts: what the load cannot go below or above; they bound a gap.
    wraps_at: joules at which a counter starts again at zero, None for never.
    part_of: a channel of the same meter that already contains this one.
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
    idle_watts: float = 0.0
    max_watts: Optional[float] = None
    wraps_at: Optional[float] = None
    part_of: Optional[str] = None

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
