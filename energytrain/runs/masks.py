"""The masks that a run saw: after each epoch of its search, and the one it kept; as arrays of marks, torch-free."""

import base64
import json
from pathlib import Path
from typing import Dict, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from .events import read_events
from .folder import RunFolder
from .timeline import build_timeline

Marks = npt.NDArray[np.bool_]
"""One bool a channel or weight, all layers one after the other; True is kept."""


def encode(kept: Sequence[Marks]) -> str:
    """The marks of all layers as text for a mark: eight to a byte, base64."""
    return base64.b64encode(np.packbits(np.concatenate(kept)).tobytes()).decode()


def decode(text: str, count: int) -> Marks:
    bits: Marks = np.unpackbits(np.frombuffer(base64.b64decode(text), dtype=np.uint8))[:count].astype(bool)
    return bits


def search_masks(path: Path) -> Dict[int, Marks]:
    """The mask after each epoch of the run's search, by epochs trained; empty where it had none."""
    folder = RunFolder.open(path)
    if not folder.events.exists():
        raise UsageError(f"the marks of '{path}' are gone, and with them its masks.")
    found = {}
    for span in build_timeline(read_events(folder.events)).useful():
        if "mask" in span.marks and span.epoch is not None:
            found[span.epoch + 1] = decode(span.marks["mask"], span.marks["channels"])
    return found


def ticket_mask(path: Path) -> Marks:
    """The mask of the run's ticket. Raises UsageError where it has none."""
    file = path / "ticket.json"
    if not file.is_file():
        raise UsageError(f"'{path}' has no ticket.", "Name runs that drew one.")
    ticket = json.loads(file.read_text(encoding="utf-8"))
    if ticket.get("unit") == "weights":
        return _weights(path / "ticket-mask.safetensors", ticket["shapes"])
    parts = []
    for name, width in ticket["widths"].items():
        kept = np.zeros(width, dtype=bool)
        kept[ticket["kept"][name]] = True
        parts.append(kept)
    return np.concatenate(parts)


def distance(first: Marks, second: Marks) -> float:
    """Share of marks that differ (Hamming). Raises UsageError for masks of different networks."""
    if first.shape != second.shape:
        raise UsageError(f"masks of {first.size} and {second.size} marks are of different networks.")
    return float(np.mean(first != second))


def _weights(file: Path, shapes: Mapping[str, Sequence[int]]) -> Marks:
    from safetensors.numpy import load_file

    bits = load_file(str(file))
    return np.concatenate([np.unpackbits(bits[name])[: int(np.prod(shapes[name]))].astype(bool) for name in shapes])
