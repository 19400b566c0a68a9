"""Physically smaller networks: from a ticket, from channel counts, and from what `architecture` wrote of one."""

import copy
from typing import Any, Dict, Mapping, Union

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..models.units import units_of, unwrapped
from .masks import Mask, check_fits
from .surgery import Plan, narrow, plan_cuts
from .ticket import Ticket

SCHEMA_VERSION = 1


def rebuild(model: nn.Module, ticket: Union[Ticket, Mask]) -> nn.Module:
    """A new network of the ticket's channels alone, with the weights that `model` has for them.

    It computes what `model` computes when masked (`masks.apply_mask`), in evaluation and in training, but smaller and
    faster. `model` is left as it is; gradients are not carried, and `optimiser.carry_optimiser` carries momentum.
    Raises UsageError where the network declares no prunable units or the ticket is of another network.
    """
    network = unwrapped(model)
    return _narrowed(network, ticket_plan(network, ticket))


def ticket_plan(model: nn.Module, ticket: Union[Ticket, Mask]) -> Plan:
    """The cuts by which `rebuild` narrows `model`."""
    if isinstance(ticket, Ticket):
        check_fits(_widths(model), ticket.widths)
        kept = {name: torch.tensor(positions, dtype=torch.int64) for name, positions in ticket.kept.items()}
    else:
        check_fits(_widths(model), {name: part.numel() for name, part in ticket.items()})
        kept = {name: torch.nonzero(part.cpu()).flatten() for name, part in ticket.items()}
    for name, positions in kept.items():
        if positions.numel() == 0:
            raise UsageError(f"the mask keeps no channel of '{name}'.", "Keep at least one channel of each unit.")
    return plan_cuts(model, kept)


def shrink(model: nn.Module, channels: Mapping[str, int]) -> nn.Module:
    """A new network that has the first `channels[unit]` channels of each unit.

    Raises UsageError for impossible counts.
    """
    widths = _widths(unwrapped(model))
    mask = {name: torch.arange(widths.get(name, 0)) < count for name, count in channels.items()}
    for name, count in channels.items():
        if not 1 <= count <= widths.get(name, count):
            raise UsageError(f"'{name}' cannot have {count} of {widths.get(name, 0)} channels.")
    return rebuild(model, mask)


def architecture(model: nn.Module) -> Dict[str, Any]:
    """The widths of a (rebuilt) network's units and what its selections read, as JSON beside a plain state_dict."""
    units: Dict[str, Any] = {}
    for unit in units_of(model):
        units[unit.name] = {"channels": unit.channels}
        if unit.select is not None:
            index: Any = model.get_submodule(unit.select).index
            units[unit.name]["selected"] = index.tolist()
    return {"schema_version": SCHEMA_VERSION, "units": units}


def from_architecture(model: nn.Module, saved: Any) -> nn.Module:
    """`model` (as `models.catalog.build` makes it) narrowed to what `architecture` wrote; its state_dict then loads.

    Raises UsageError for anything but a sound description of a narrower `model`.
    """
    if not isinstance(saved, dict) or not isinstance(saved.get("units"), dict):
        raise UsageError("the saved widths of the network cannot be read.", "Give what was written with the weights.")
    version = saved.get("schema_version")
    if version != SCHEMA_VERSION:
        raise UsageError(f"the saved widths have schema {version}, not {SCHEMA_VERSION}.", "Update energytrain.")
    units = {unit.name: unit for unit in units_of(model)}
    mask: Mask = {}
    for name, entry in saved["units"].items():
        width = units[name].channels if name in units else 0
        mask[name] = _saved_mask(name, entry, width, name in units and units[name].select is not None)
    check_fits(_widths(model), {name: part.numel() for name, part in mask.items()})
    return rebuild(model, mask)


def _saved_mask(name: str, entry: Any, width: int, selects: bool) -> Tensor:
    count = entry.get("channels") if isinstance(entry, dict) else None
    if type(count) is not int or not 1 <= count <= width:
        raise UsageError(f"the saved widths give '{name}' {count} of {width} channels.")
    if not selects:
        return torch.arange(width) < count
    selected = entry.get("selected")
    sound = isinstance(selected, list) and all(type(i) is int and 0 <= i < width for i in selected)
    if not sound or len(selected) != count or sorted(set(selected)) != selected:
        raise UsageError(f"the saved selection of '{name}' does not name {count} rising channels below {width}.")
    mask = torch.zeros(width, dtype=torch.bool)
    mask[selected] = True
    return mask


def _widths(model: nn.Module) -> Dict[str, int]:
    return {unit.name: unit.channels for unit in units_of(model)}


def _narrowed(model: nn.Module, plan: Plan) -> nn.Module:
    smaller = copy.deepcopy(model)
    narrow(smaller, plan)
    for parameter in smaller.parameters():
        parameter.grad = None
    return smaller
