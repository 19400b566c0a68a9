"""The controls' size: a width, or a number of epochs, that costs what another run cost."""

import dataclasses
from typing import Any, Mapping, Optional

from torch import nn

from ..costs.layers import layer_shapes
from ..errors import UsageError
from ..methods.network import counted_network, data_info
from ..methods.phases import schedule
from ..pruning.controls import uniform_width
from ..runs.spec import RunSpec


def match_run(spec: RunSpec, other: Mapping[str, Any], what: str, data_dir: Optional[str]) -> RunSpec:
    """`spec` at the width whose multiply-adds equal the other run's ticket, or at the epochs that its FLOPs buy.

    Raises UsageError where the other run is not finished, drew no ticket, or is of another model or data set.
    """
    for name in ("model", "dataset", "limit", "protocol"):
        if other["spec"][name] != getattr(spec, name):
            raise UsageError(f"the run to match has another {name}: {other['spec'][name]}, not {getattr(spec, name)}.")
    if other["status"] != "done" or other["ticket"] is None:
        raise UsageError(f"'{other['name']}' is no finished run that drew a ticket.")
    if what == "ticket":
        target = int(other["network"]["after"]["macs"])
        return dataclasses.replace(spec, width=_width(spec, target, data_dir), match=f"macs:{target}")
    if other["dense"] is None:
        raise UsageError(f"'{other['name']}' says nothing of what a dense epoch costs.", "Name an eb-ff run.")
    # FLOPs of 8 bits are not added to those of fp32: there, multiplications are matched.
    eight_bits = any(name.startswith(("bfp8", "fp8")) for name in other["useful"]["flops_by_precision"])
    counted = "matrix_flops" if eight_bits else "flops"
    target = int(other["useful"][counted])
    epoch_flops = other["dense"][counted] / other["dense"]["epochs"]
    epochs = max(1, int(target / epoch_flops))
    milestones = schedule(spec).compressed(epochs).milestones
    return dataclasses.replace(
        spec, epochs=epochs, milestones=milestones, search_milestones=milestones, match=f"{counted}:{target}"
    )


def _width(spec: RunSpec, target: int, data_dir: Optional[str]) -> float:
    """Every layer is used at as many places of an image whatever the width, so one network is counted for all."""
    data = data_info(spec, data_dir)
    whole = counted_network(spec, data)
    done = [
        (shape.name.split("#")[0], shape.macs) for shape in layer_shapes(whole, (data.channels, data.size, data.size))
    ]
    places = [(name, macs // _elements(whole, name)) for name, macs in done if macs]

    def macs(width: float) -> int:
        model = counted_network(dataclasses.replace(spec, width=width), data)
        return sum(count * _elements(model, name) for name, count in places)

    return uniform_width(macs, target)


def _elements(model: nn.Module, name: str) -> int:
    """Weights of a layer without its biases, of which each is multiplied at every place once."""
    weight: Any = model.get_submodule(name).weight
    return int(weight.numel())
