"""What jtop says of a Jetson beside its power: temperatures, clocks, loads, fan, power mode.

"power mode" is nvpmodel's number, "jetson_clocks" 1 where that tool holds the clocks at their maximum.
"""

from typing import Any, Dict, Iterator, List, Optional, Tuple

from ...quantities.energy import Scope
from ..base import Reading, condition_channels
from .jtop_client import JtopConnection

KILO = 1e3
_RESOLUTION = {"celsius": 0.5, "hertz": KILO, "percent": 0.1, "state": 1.0}


class JtopConditions:
    """The conditions behind a connection that another meter keeps open; closing it does nothing.

    Which there are is what the board told when it was opened.
    """

    name = "jtop conditions"

    def __init__(self, connection: JtopConnection) -> None:
        self._connection = connection
        self._names = {name: quantity for name, quantity, _ in _told(connection.client)}
        kinds = ((name, quantity, _RESOLUTION[quantity]) for name, quantity in self._names.items())
        self.channels = condition_channels(self.name, "jtop:", kinds, Scope.MODULE)

    def read(self) -> List[Reading]:
        fresh, why = self._connection.power()
        if fresh is None:
            return [Reading(None, why)] * len(self.channels)
        told: Dict[str, Optional[float]] = {name: value for name, _, value in _told(self._connection.client)}
        return [
            Reading(told[name]) if told.get(name) is not None else Reading(None, f"jtop does not tell the {name} now")
            for name in self._names
        ]

    def close(self) -> None:
        pass


def _told(client: Any) -> Iterator[Tuple[str, str, float]]:
    """(name, quantity, value) of all that the client knows now; what is off line is left out."""
    for name, sensor in client.temperature.items():
        if sensor.get("online", True):
            yield f"{name} temperature", "celsius", float(sensor["temp"])
    for number, (own_name, gpu) in enumerate(client.gpu.items()):
        name = own_name if number else "gpu"
        if "cur" in gpu.get("freq", {}):
            yield f"{name} clock", "hertz", gpu["freq"]["cur"] * KILO
        if "load" in gpu.get("status", {}):
            yield f"{name} utilisation", "percent", float(gpu["status"]["load"])
    cores = client.cpu.get("cpu", ())
    for number, core in enumerate(cores):
        if core.get("online") and "cur" in core.get("freq", {}):
            yield f"cpu{number} clock", "hertz", core["freq"]["cur"] * KILO
    # Not jtop's own total: it takes the difference from the last difference, not from the last count.
    idle = [core["idle"] for core in cores if core.get("online") and "idle" in core]
    if idle:
        yield "cpu utilisation", "percent", 100.0 - sum(idle) / len(idle)
    if client.memory.get("EMC", {}).get("cur"):
        yield "memory clock", "hertz", client.memory["EMC"]["cur"] * KILO
    for name, fan in client.fan.items():
        for number, speed in enumerate(fan.get("speed", ())):
            yield f"{name}{number or ''} speed", "percent", float(speed)
    if client.nvpmodel is not None:
        yield "power mode", "state", float(client.nvpmodel.id)
    if client.jetson_clocks is not None:
        yield "jetson_clocks", "state", float(client.jetson_clocks.get_enable())
