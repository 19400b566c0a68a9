"""What a recorder is told when it starts: the first line of its standard input, as JSON."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Tuple

from ...meters.catalog import MeterSpec

DEFAULT_HZ = 100.0


@dataclass(frozen=True)
class RecorderConfig:
    """trace: the file to create; hz: reads a second that are asked for; parent: the process to end with."""

    trace: Path
    attempt: int
    meters: Tuple[MeterSpec, ...]
    hz: float
    parent: int

    def to_line(self) -> bytes:
        data = {
            "trace": str(self.trace),
            "attempt": self.attempt,
            "meters": [meter.to_json() for meter in self.meters],
            "hz": self.hz,
            "parent": self.parent,
        }
        return json.dumps(data).encode() + b"\n"

    @staticmethod
    def from_line(line: bytes) -> "RecorderConfig":
        """ValueError where the line is no configuration."""
        try:
            data = json.loads(line)
            config = RecorderConfig(
                trace=Path(data["trace"]),
                attempt=int(data["attempt"]),
                meters=tuple(MeterSpec.from_json(meter) for meter in data["meters"]),
                hz=float(data["hz"]),
                parent=int(data["parent"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"the recorder's configuration lacks or garbles {error}") from error
        if not (math.isfinite(config.hz) and config.hz > 0):
            raise ValueError(f"a sampling rate of {config.hz} Hz is not possible")
        return config
