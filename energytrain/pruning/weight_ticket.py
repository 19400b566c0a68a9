"""A ticket of single weights: which of them are kept, as a JSON file and a file of bits beside it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Union

from safetensors import SafetensorError
from safetensors.torch import load, save

from ..atomic import write_bytes, write_json
from ..errors import UsageError
from .weight_masks import WeightMask, masked_counts, pack_mask, unpack_mask

SCHEMA_VERSION = 1
KIND = "weights"
_HINT = "Give the ticket.json of a run."


@dataclass(frozen=True)
class WeightTicket:
    """`mask`: kept weights by parameter. prune_ratio: of all weights in question. draw_epoch: epochs trained before."""

    mask: WeightMask
    prune_ratio: float
    criterion: str
    draw_epoch: Optional[int] = None

    def facts(self) -> Dict[str, Any]:
        """What the marks and people need of it: kept and all weights, in sum and by layer."""
        counts = masked_counts(self.mask)
        return {
            "unit": KIND,
            "criterion": self.criterion,
            "prune_ratio": self.prune_ratio,
            "draw_epoch": self.draw_epoch,
            "kept": sum(kept for kept, _ in counts.values()),
            "total": sum(total for _, total in counts.values()),
            "widths": {name: list(pair) for name, pair in counts.items()},
        }

    def save(self, path: Union[str, Path]) -> None:
        """Write `path` and, before it, the bits beside it."""
        bits, shapes = pack_mask(self.mask)
        data = save(bits)
        write_bytes(mask_file(path), data)
        record = {"schema_version": SCHEMA_VERSION, **self.facts(), "shapes": shapes}
        write_json(Path(path), {**record, "mask_sha256": hashlib.sha256(data).hexdigest()})

    @staticmethod
    def load(path: Union[str, Path]) -> "WeightTicket":
        """Raises UsageError where either file is missing, damaged, newer, or not of the other."""
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
            data = mask_file(path).read_bytes()
            if record.get("unit") != KIND:
                raise UsageError(f"{path} is a ticket of channels, not of weights.", _HINT)
            if record["schema_version"] > SCHEMA_VERSION:
                raise UsageError(f"{path} was written by a newer energytrain.", "Update energytrain.")
            if hashlib.sha256(data).hexdigest() != record["mask_sha256"]:
                raise UsageError(f"{mask_file(path)} is not the mask that {path} was written with.", _HINT)
            mask = unpack_mask(load(data), record["shapes"])
            return WeightTicket(mask, record["prune_ratio"], record["criterion"], record["draw_epoch"])
        except OSError as error:
            raise UsageError(f"cannot read the ticket {path}: {error.strerror}.", _HINT) from error
        except (ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
            raise UsageError(f"cannot read the ticket {path}: it is no ticket of weights.", _HINT) from error


def mask_file(path: Union[str, Path]) -> Path:
    """Where the bits of the ticket in `path` lie."""
    return Path(path).with_name(Path(path).stem + "-mask.safetensors")


def is_weight_ticket(path: Union[str, Path]) -> bool:
    """Whether the file says that it is a ticket of weights; False for whatever else it may be."""
    try:
        return bool(json.loads(Path(path).read_text(encoding="utf-8")).get("unit") == KIND)
    except (OSError, ValueError, AttributeError):
        return False
