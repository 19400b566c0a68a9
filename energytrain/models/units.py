"""What of a network can be pruned: a model declares its units, and masks, rebuilding and counting read only these."""

from dataclasses import dataclass
from typing import Any, Optional, Tuple

from torch import nn

from ..errors import UsageError


@dataclass(frozen=True)
class Consumer:
    """A convolution or linear layer that reads a unit's channels; `repeat` inputs a channel (a flattened map)."""

    module: str
    repeat: int = 1


@dataclass(frozen=True)
class PrunableUnit:
    """Channels that are kept or dropped together, ranked by the scales of one batch normalisation.

    All names are module paths as `nn.Module.named_modules` gives them.
    name: the unit's own name (the path of its batch normalisation).
    bn: the batch normalisation whose scales rank the channels; it narrows with the unit.
    producer: the convolution whose output channels narrow with the unit; None where the unit reads a stream that
        others share (a pre-activation block's first normalisation): then `select` narrows instead.
    select: a `ChannelSelect` module in front of `bn` that picks the kept channels of the stream by index.
    consumers: the layers whose input channels narrow with the unit.
    """

    name: str
    bn: str
    channels: int
    producer: Optional[str]
    consumers: Tuple[Consumer, ...]
    select: Optional[str] = None


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside DataParallel, DistributedDataParallel or `torch.compile`, which put a prefix to its names."""
    inner: Any = model
    while True:
        if isinstance(inner, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            inner = inner.module
        elif type(inner).__name__ == "OptimizedModule":
            inner = inner._orig_mod
        else:
            break
    network: nn.Module = inner
    return network


def declares_units(model: nn.Module) -> bool:
    """Whether it is known how to make `model` physically smaller."""
    from .imagenet_resnet import is_torchvision_resnet

    return hasattr(model, "prunable_units") or is_torchvision_resnet(model)


def units_of(model: nn.Module) -> Tuple[PrunableUnit, ...]:
    """The units that `model` declares by a method `prunable_units()`, or those of a torchvision ResNet.

    Raises UsageError, naming the class, for any other network.
    """
    from .imagenet_resnet import is_torchvision_resnet, resnet_units

    if hasattr(model, "prunable_units"):
        declared: Any = model
        units: Tuple[PrunableUnit, ...] = tuple(declared.prunable_units())
        return units
    if is_torchvision_resnet(model):
        return resnet_units(model)
    raise UsageError(
        f"{type(model).__name__} does not declare what of it can be pruned.",
        "Give it a method prunable_units() that returns energytrain.models.units.PrunableUnit records.",
    )
