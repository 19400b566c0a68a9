"""Keeps an optimiser going across a rebuild: it trains the new parameters, with the momentum their channels had."""

from typing import Any, Dict, Union

from torch import Tensor, nn
from torch.optim import Optimizer

from ..errors import UsageError
from ..models.units import unwrapped
from .masks import Mask
from .rebuild import ticket_plan
from .surgery import cut
from .ticket import Ticket


def carry_optimiser(optimiser: Optimizer, old: nn.Module, new: nn.Module, ticket: Union[Ticket, Mask]) -> None:
    """Point `optimiser` in place from the parameters of `old` to those of `new` = rebuild(`old`, `ticket`).

    State of a parameter's shape (momentum, Adam's moments) keeps the kept channels' entries; other state (step counts),
    the groups' settings, schedulers and parameters of other networks stay. Raises UsageError, with the optimiser
    untouched, where `new` is not the rebuilt `old`.
    """
    old, new = unwrapped(old), unwrapped(new)
    plan = ticket_plan(old, ticket)
    names = {parameter: name for name, parameter in old.named_parameters()}
    successors = dict(new.named_parameters())
    state: Dict[Tensor, Dict[str, Any]] = {}
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if parameter in names:
                name = names[parameter]
                successor, cuts = successors.get(name), plan.get(name, [])
                narrowed = _cut_shape(parameter, cuts)
                if successor is None or tuple(successor.shape) != narrowed:
                    raise UsageError(f"'{name}' is not as this ticket leaves it.", "Rebuild with the same ticket.")
                entries = optimiser.state.get(parameter, {})
                state[successor] = {
                    key: cut(value, cuts) if isinstance(value, Tensor) and value.shape == parameter.shape else value
                    for key, value in entries.items()
                }
    for group in optimiser.param_groups:
        group["params"] = [successors[names[p]] if p in names else p for p in group["params"]]
    for parameter in names:
        optimiser.state.pop(parameter, None)
    optimiser.state.update({parameter: entries for parameter, entries in state.items() if entries})


def _cut_shape(tensor: Tensor, cuts: Any) -> Any:
    shape = list(tensor.shape)
    for dimension, positions in cuts:
        shape[dimension] = positions.numel()
    return tuple(shape)
