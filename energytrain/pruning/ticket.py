"""A ticket: which channels of a network are kept, how and when it was drawn, as one JSON file."""

import json
import math
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from ..atomic import write_json
from ..errors import RunFailed, UsageError
from .masks import Mask, kept_indices, mask_from_indices

SCHEMA_VERSION = 1
_FILE_LIMIT = 64 * 2**20
_WIDEST = 2**20  # channels; a hostile width must not ask for all of the memory
_HINT = "Give the ticket.json of a run."


@dataclass(frozen=True)
class Ticket:
    """Kept channels by prunable unit (`kept`, rising positions) of units that are `widths` wide.

    prune_ratio: the share that was asked for. draw_epoch: how many epochs were trained before the draw (None where no
    epoch was counted). criterion: what ranked the channels. distances: the mask distances between consecutive epochs up
    to the draw. align: the channel multiple that the counts were rounded to (1: the exact mask). notes: free text.
    """

    kept: Mapping[str, Tuple[int, ...]]
    widths: Mapping[str, int]
    prune_ratio: float
    draw_epoch: Optional[int] = None
    criterion: str = "bn-scale"
    distances: Tuple[float, ...] = ()
    align: int = 1
    notes: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def from_mask(mask: Mask, prune_ratio: float, **fields: Any) -> "Ticket":
        """The ticket of a mask; `fields` are the other attributes."""
        kept = {name: tuple(positions) for name, positions in kept_indices(mask).items()}
        return Ticket(kept, {name: part.numel() for name, part in mask.items()}, prune_ratio, **fields)

    def with_mask(self, mask: Mask, **fields: Any) -> "Ticket":
        """The same draw with other channels, such as an aligned or a random mask; `fields` are changed as well."""
        return replace(Ticket.from_mask(mask, self.prune_ratio), **{**self._drawn(), **fields})

    def within(self, earlier: "Ticket") -> "Ticket":
        """The same channels as a ticket of the network that `earlier` left: positions among those it kept.

        Raises UsageError where this one keeps a channel that the earlier one dropped.
        """
        kept: Dict[str, Tuple[int, ...]] = {}
        for name, positions in self.kept.items():
            place = {channel: index for index, channel in enumerate(earlier.kept[name])}
            if not place.keys() >= set(positions):
                raise UsageError(f"the ticket keeps channels of '{name}' that were pruned before.")
            kept[name] = tuple(place[channel] for channel in positions)
        return replace(self, kept=kept, widths=earlier.kept_counts)

    @property
    def mask(self) -> Mask:
        return mask_from_indices(self.kept, self.widths)

    @property
    def kept_counts(self) -> Dict[str, int]:
        return {name: len(positions) for name, positions in self.kept.items()}

    def to_json(self) -> Dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "kept": {name: list(positions) for name, positions in self.kept.items()},
            "widths": dict(self.widths),
            "prune_ratio": self.prune_ratio,
            **self._drawn(),
            "distances": list(self.distances),
            "notes": dict(self.notes),
        }

    @staticmethod
    def from_json(data: Any) -> "Ticket":
        """Read what `to_json` gave. Raises UsageError for anything that is no sound ticket."""
        _require(isinstance(data, dict), "it is no JSON object")
        version = data.get("schema_version")
        _require(_is_count(version, 1), "it has no schema version")
        if version > SCHEMA_VERSION:
            raise UsageError(f"the ticket has schema {version}, newer than {SCHEMA_VERSION}.", "Update energytrain.")
        widths, kept = data.get("widths"), data.get("kept")
        _require(isinstance(widths, dict) and isinstance(kept, dict), "kept or widths are missing")
        _require(bool(widths) and widths.keys() == kept.keys(), "kept and widths name different units")
        for name, width in widths.items():
            _require(_is_count(width, 1) and width <= _WIDEST, f"the width of '{name}' is no possible one")
            _require(_is_rising(kept[name], width), f"'{name}' does not keep rising positions below its width")
        ratio, epoch, align = data.get("prune_ratio"), data.get("draw_epoch"), data.get("align", 1)
        _require(_is_share(ratio) and 0 < ratio < 1, "its prune ratio is not between 0 and 1")
        _require(epoch is None or _is_count(epoch, 0), "its draw epoch is no count")
        _require(_is_count(align, 1), "its alignment is no positive number")
        distances, notes = data.get("distances", []), data.get("notes", {})
        _require(isinstance(distances, list) and all(map(_is_share, distances)), "its distances are not within 0 and 1")
        _require(isinstance(notes, dict) and all(isinstance(n, str) for n in notes.values()), "its notes are not text")
        criterion = data.get("criterion")
        _require(isinstance(criterion, str), "its criterion is not text")
        return Ticket(
            {name: tuple(positions) for name, positions in kept.items()},
            widths,
            float(ratio),
            epoch,
            criterion,
            tuple(map(float, distances)),
            align,
            notes,
        )

    def save(self, path: Union[str, Path]) -> None:
        """Write the file whole or not at all. Raises RunFailed where it cannot be written."""
        try:
            write_json(path, self.to_json())
        except OSError as error:
            raise RunFailed(f"cannot write the ticket {path}: {error.strerror}.") from error

    @staticmethod
    def load(path: Union[str, Path]) -> "Ticket":
        """Read a ticket's file. Raises UsageError, naming the file, for one that is missing or unsound."""
        try:
            if os.path.getsize(path) > _FILE_LIMIT:
                raise UsageError(f"{path} is too large for a ticket.", _HINT)
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"cannot read the ticket {path}: {error.strerror}.", _HINT) from error
        except (ValueError, RecursionError) as error:
            raise UsageError(f"cannot read the ticket {path}: it is no JSON.", _HINT) from error
        try:
            return Ticket.from_json(data)
        except UsageError as error:
            raise UsageError(f"cannot use {path}: {error.message}", error.hint) from error

    def _drawn(self) -> Dict[str, Any]:
        names = ("draw_epoch", "criterion", "distances", "align", "notes")
        return {name: getattr(self, name) for name in names}


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise UsageError(f"the ticket is unsound: {reason}.", _HINT)


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 1


def _is_rising(positions: Any, width: int) -> bool:
    if not (isinstance(positions, list) and positions and all(_is_count(p, 0) for p in positions)):
        return False
    return positions[-1] < width and all(a < b for a, b in zip(positions, positions[1:]))
