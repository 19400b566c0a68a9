"""A fake service of jtop, the meter that is connected to it, and how tests wait for what it says."""

import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from energytrain.meters.base import Reading
from energytrain.meters.catalog import open_meter, parse_meter
from energytrain.meters.jetson import jtop

from .jtop_server import FakeJtop

INTERVAL = 0.2
Open = Callable[..., jtop.JtopMeter]


@pytest.fixture
def fake_jtop(tmp_path: Path) -> Iterator[FakeJtop]:
    """A service on a TX2 whose module draws a constant 9 W."""
    service = FakeJtop(tmp_path)
    yield service
    service.close()


@pytest.fixture
def open_jtop(fake_jtop: FakeJtop) -> Iterator[Open]:
    """Opens the meter on the fake, with further options; closes it at the end."""
    meters: List[Any] = []

    def open_it(**options: Any) -> Any:
        text = ",".join(f"{key}={value}" for key, value in {**options_of(fake_jtop), **options}.items())
        meters.append(open_meter(parse_meter(f"jtop:{text}")))
        return meters[-1]

    yield open_it
    for meter in meters:
        meter.close()


def options_of(fake: FakeJtop) -> Dict[str, Any]:
    return {"socket": fake.socket, "board": "tx2", "interval": INTERVAL}


def until(read: Callable[[], Any], good: Callable[[Any], bool], seconds: float = 20.0) -> Any:
    """What `read` gives once it is `good`."""
    end = time.monotonic() + seconds
    while not good(value := read()):
        assert time.monotonic() < end, f"still {value}"
        time.sleep(0.01)
    return value


def by_name(meter: Any) -> Dict[str, Reading]:
    return {channel.name: reading for channel, reading in zip(meter.channels, meter.read())}


def whole(readings: Dict[str, Reading]) -> bool:
    return all(reading.value is not None for reading in readings.values())


def failed(readings: Dict[str, Reading]) -> bool:
    return all(reading.value is None and reading.error for reading in readings.values())
