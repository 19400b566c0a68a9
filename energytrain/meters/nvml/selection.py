"""Which of this machine's NVIDIA GPUs a meter reads: the one that was named, else those that CUDA may use, else all."""

import os
from typing import Any, Callable, List, Optional, Sequence

from ...errors import MeterUnavailable
from .bindings import text


def uuids_of(nvml: Any) -> List[str]:
    """The UUIDs of all GPUs by index, "" for one that the driver has lost. MeterUnavailable where there is none."""
    try:
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        raise MeterUnavailable(f"the NVIDIA driver cannot count its GPUs: {error}.", "See what dmesg says.") from error
    uuids = [_uuid(nvml, index) for index in range(count)]
    if not uuids:
        raise MeterUnavailable("the NVIDIA driver finds no GPU.", "See what nvidia-smi lists.")
    return uuids


def selected(nvml: Any, uuids: Sequence[str], gpu: Optional[str]) -> List[int]:
    """Indices of the GPUs to meter: the named one, else those CUDA may use, else all.

    Unless CUDA_DEVICE_ORDER=PCI_BUS_ID, CUDA gives the fastest GPU the number 0 and NVML does not: where unlike GPUs
    are chosen by number, nobody here knows which are meant. UUIDs are always safe.
    """
    if gpu is not None:
        index = _index_of(gpu, uuids)
        if index is None:
            known = ", ".join(f"{number} ({uuid})" for number, uuid in enumerate(uuids))
            raise MeterUnavailable(f"there is no GPU '{gpu}'.", f"GPUs here: {known}.")
        return [index]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return list(range(len(uuids)))
    chosen: List[int] = []
    for name in visible.split(","):
        if name.strip().startswith("MIG-"):
            raise MeterUnavailable(
                "CUDA_VISIBLE_DEVICES names a multi-instance (MIG) slice, which has no power reading of its own.",
                "Train on a whole GPU, or meter the wall.",
            )
        index = _index_of(name.strip(), uuids)
        if index is None:  # CUDA, too, stops at the first name that it does not know
            break
        chosen.append(index)
    if not chosen:
        raise MeterUnavailable(
            f"CUDA_VISIBLE_DEVICES='{visible}' hides every GPU.", "Unset it, or name the GPU with --meter nvml:gpu=0."
        )
    by_number = any(name.strip().isdigit() for name in visible.split(","))
    if by_number and len(set(chosen)) < len(uuids) and not _numbers_agree(nvml, len(uuids)):
        raise MeterUnavailable(
            f"CUDA_VISIBLE_DEVICES='{visible}' chooses among unlike GPUs by number, and CUDA's numbers are not NVML's.",
            "Set CUDA_DEVICE_ORDER=PCI_BUS_ID, or write UUIDs (nvidia-smi -L) in place of numbers.",
        )
    return chosen


def _index_of(name: str, uuids: Sequence[str]) -> Optional[int]:
    if name.isdigit():
        return int(name) if int(name) < len(uuids) else None
    matches = [index for index, uuid in enumerate(uuids) if name and uuid.startswith(name)]
    return matches[0] if len(matches) == 1 else None


def _numbers_agree(nvml: Any, count: int) -> bool:
    alike = len({_title(nvml, index) for index in range(count)}) == 1
    return alike or os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"


def _uuid(nvml: Any, index: int) -> str:
    return _told(nvml, index, nvml.nvmlDeviceGetUUID)


def _title(nvml: Any, index: int) -> str:
    return _told(nvml, index, nvml.nvmlDeviceGetName)


def _told(nvml: Any, index: int, ask: Callable[[Any], Any]) -> str:
    """What the driver says of a GPU, "" where it has lost it."""
    try:
        return text(ask(nvml.nvmlDeviceGetHandleByIndex(index)))
    except nvml.NVMLError:
        return ""
