"""A trained network in one file: its tensors, and how to build it again (widths and indices as JSON). No pickle."""

import json
from pathlib import Path
from typing import Any, Dict, Optional, Union

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from ..data.catalog import DataInfo
from ..errors import UsageError
from ..models.catalog import build
from ..pruning.rebuild import rebuild
from ..pruning.ticket import Ticket
from ..runs.spec import RunSpec

MODEL_VERSION = 1


def save_model(path: Path, model: torch.nn.Module, spec: RunSpec, data: DataInfo, ticket: Optional[Ticket]) -> None:
    """Write `model` with what `load_model` needs to build it."""
    how: Dict[str, Any] = {
        "schema_version": MODEL_VERSION,
        "model": spec.model,
        "classes": data.classes,
        "channels": data.channels,
        "size": data.size,
        "width": spec.width,
        "shortcut": spec.shortcut,
        "ticket": None if ticket is None else ticket.to_json(),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    temporary = path.with_suffix(".tmp")
    save_file(tensors, str(temporary), metadata={"energytrain": json.dumps(how)})
    temporary.replace(path)


def load_model(path: Union[str, Path]) -> torch.nn.Module:
    """The network of a run (its folder, or its `model.safetensors`), rebuilt and in eval mode, on the CPU.

    Raises UsageError where the file is missing, damaged, or of a newer version.
    """
    file = Path(path) / "model.safetensors" if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise UsageError(f"there is no trained network at '{file}'.", "Only a finished run has one.")
    try:
        with safe_open(str(file), framework="pt") as opened:
            how = json.loads((opened.metadata() or {})["energytrain"])
        tensors = load_file(str(file))
    except (SafetensorError, KeyError, ValueError) as error:
        raise UsageError(f"'{file}' is no network that energytrain wrote ({error}).") from error
    if how["schema_version"] > MODEL_VERSION:
        raise UsageError(f"'{file}' was written by a newer version of energytrain.", "Update energytrain.")
    model = build(
        how["model"],
        classes=how["classes"],
        channels=how["channels"],
        size=how["size"],
        width=how["width"],
        shortcut=how["shortcut"],
    )
    if how["ticket"] is not None:
        model = rebuild(model, Ticket.from_json(how["ticket"]))
    model.load_state_dict(tensors)
    return model.eval()
