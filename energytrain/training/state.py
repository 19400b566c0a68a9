"""All that a training needs to go on to the bit: network, optimiser buffers, random generators; as tensors and JSON.

Tensors are named `model.<name in state_dict>`, `optimiser.<key>.<parameter name>` and `rng.<generator>`. Buffers that
a module registers as not persistent are not in its state_dict and so not here. Hyper-parameters are not stored: they
come from the run's specification, and the rate from the schedule.
"""

import random
from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np
import torch

from ..errors import UsageError

Tensors = Dict[str, torch.Tensor]


def pack(model: torch.nn.Module, optimiser: Optional[torch.optim.Optimizer] = None) -> Tuple[Tensors, Dict[str, Any]]:
    """The present state as (tensors, JSON). The tensors share memory with the network: store them before it trains on.

    TypeError for state that is neither tensor nor plain number; ValueError for an optimiser of other parameters.
    """
    tensors: Tensors = {}
    for name, value in model.state_dict().items():
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"the state '{name}' of the model is not a tensor")
        tensors[f"model.{name}"] = value
    scalars: Dict[str, Any] = {}
    if optimiser is not None:
        for name, parameter in _named(optimiser, model).items():
            for key, value in optimiser.state.get(parameter, {}).items():
                if isinstance(value, torch.Tensor):
                    tensors[f"optimiser.{key}.{name}"] = value
                elif _is_scalar(value):
                    scalars.setdefault(name, {})[key] = value
                else:
                    raise TypeError(f"the optimiser's '{key}' of '{name}' is neither a tensor nor a number")
    rng_tensors, rng = pack_rng()
    tensors.update(rng_tensors)
    return tensors, {"optimiser": scalars, "rng": rng}


def unpack(
    tensors: Mapping[str, torch.Tensor],
    state: Mapping[str, Any],
    model: torch.nn.Module,
    optimiser: Optional[torch.optim.Optimizer] = None,
) -> None:
    """Put what `pack` gave back, in place; whatever else lies in `tensors` and `state` is left alone.

    Raises UsageError before anything is changed where names, shapes or types do not fit. Generators of GPUs that are
    not here (a run that moved to another device) are passed over.
    """
    own = model.state_dict()
    stored = _under(tensors, "model.")
    _must_fit(stored, own)
    buffers = _optimiser_state(tensors, state, model, optimiser) if optimiser is not None else {}
    restore_rng = _rng_restorer(tensors, state)
    with torch.no_grad():
        for name, value in stored.items():
            own[name].copy_(value)
    if optimiser is not None:
        for parameter in _named(optimiser, model).values():
            optimiser.state.pop(parameter, None)
        optimiser.state.update(buffers)
    restore_rng()


def pack_rng() -> Tuple[Tensors, Dict[str, Any]]:
    """The states of the generators of torch (CUDA's too, once it is in use), numpy and Python."""
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state()
    if kind != "MT19937":
        raise TypeError(f"numpy's global generator is {kind}; only its default, MT19937, can be stored")
    tensors = {
        "rng.torch": torch.get_rng_state(),
        "rng.python": torch.tensor(words, dtype=torch.int64),
        "rng.numpy": torch.from_numpy(np.asarray(keys).astype(np.int64)),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        for index, value in enumerate(torch.cuda.get_rng_state_all()):
            tensors[f"rng.cuda.{index}"] = value
    return tensors, {
        "python": {"version": version, "gauss": gauss},
        "numpy": {"position": int(position), "has_gauss": int(has_gauss), "cached": float(cached)},
    }


def _named(optimiser: torch.optim.Optimizer, model: torch.nn.Module) -> Dict[str, torch.nn.Parameter]:
    """The optimiser's parameters by their names in the model."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    named: Dict[str, torch.nn.Parameter] = {}
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if id(parameter) not in names:
                raise ValueError("the optimiser holds a parameter that is not the model's")
            named[names[id(parameter)]] = parameter
    return named


def _optimiser_state(
    tensors: Mapping[str, torch.Tensor],
    state: Mapping[str, Any],
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
) -> Dict[torch.Tensor, Dict[str, Any]]:
    named = _named(optimiser, model)
    found: Dict[torch.Tensor, Dict[str, Any]] = {}
    for path, value in _under(tensors, "optimiser.").items():
        key, _, name = path.partition(".")
        if name not in named:
            raise _misfit(f"it has '{key}' for '{name}', which is not trained here")
        parameter = named[name]
        if value.dim() and value.shape != parameter.shape:
            raise _misfit(f"'{key}' of '{name}' has the shape {tuple(value.shape)}, not {tuple(parameter.shape)}")
        # As the parameter lies in memory: an update walks both side by side.
        where = torch.empty_like(parameter.detach(), dtype=value.dtype) if value.dim() else torch.empty_like(value)
        found.setdefault(parameter, {})[key] = where.copy_(value)
    scalars = state.get("optimiser")
    if not isinstance(scalars, dict):
        raise _misfit("it lacks the optimiser's state")
    for name, values in scalars.items():
        if name not in named or not isinstance(values, dict) or not all(map(_is_scalar, values.values())):
            raise _misfit(f"its state for '{name}' is not that of a parameter trained here")
        found.setdefault(named[name], {}).update(values)
    return found


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float))


def _rng_restorer(tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> Any:
    """A function that sets every generator. All of it is tried on generators of its own first."""
    try:
        rng = state["rng"]
        python = (
            rng["python"]["version"],
            tuple(tensors["rng.python"].tolist()),
            rng["python"]["gauss"],
        )
        random.Random().setstate(python)
        keys = tensors["rng.numpy"].numpy().astype(np.uint32)
        at = rng["numpy"]
        numpy = ("MT19937", keys, int(at["position"]), int(at["has_gauss"]), float(at["cached"]))
        np.random.RandomState().set_state(numpy)
        torch.Generator().set_state(tensors["rng.torch"])
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise _misfit(f"its random generators cannot be restored ({error})") from error
    cuda: List[torch.Tensor] = [value for _, value in sorted(_under(tensors, "rng.cuda.").items(), key=_index)]

    def restore() -> None:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(tensors["rng.torch"])
        if torch.cuda.is_available() and len(cuda) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(cuda)

    return restore


def _index(item: Tuple[str, Any]) -> Tuple[int, str]:
    return len(item[0]), item[0]


def _must_fit(stored: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> None:
    lacking, foreign = sorted(set(own) - set(stored)), sorted(set(stored) - set(own))
    if lacking or foreign:
        raise _misfit(f"it lacks '{lacking[0]}'" if lacking else f"it has '{foreign[0]}', which the network has not")
    for name, value in stored.items():
        if value.shape != own[name].shape or value.dtype != own[name].dtype:
            raise _misfit(
                f"'{name}' is {tuple(value.shape)} {value.dtype}, not {tuple(own[name].shape)} {own[name].dtype}"
            )


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> Tensors:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def _misfit(why: str) -> UsageError:
    return UsageError(f"the checkpoint does not fit this training: {why}.", "Start anew with --fresh.")
