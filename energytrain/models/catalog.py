"""The networks by name. Importing this costs no torch; `build` imports what the name needs."""

import math
from typing import TYPE_CHECKING, Optional

from ..errors import UsageError, unknown

if TYPE_CHECKING:
    from torch import nn

SHORTCUTS = ("A", "projection")
_VGG = {"vgg16": 16, "vgg19": 19}
_PRERESNET = {"preresnet20": 20, "preresnet56": 56, "preresnet101": 101, "preresnet110": 110, "preresnet164": 164}
_CIFAR_RESNET = {"resnet20": 20, "resnet56": 56, "resnet110": 110}
_IMAGENET_RESNET = {"resnet18": 18, "resnet34": 34, "resnet50": 50}
MODELS = (*_VGG, *_PRERESNET, *_CIFAR_RESNET, *_IMAGENET_RESNET)


def default_bn_start(name: str) -> float:
    """Where BN scales start in the Early-Bird release: 0.5 in the networks for CIFAR, 1 in those for ImageNet."""
    return 1.0 if name in _IMAGENET_RESNET else 0.5


def build(
    name: str,
    *,
    classes: int,
    channels: int = 3,
    size: int = 32,
    width: float = 1.0,
    bn_start: Optional[float] = None,
    shortcut: str = "A",
) -> "nn.Module":
    """The network `name` with fresh weights: (N, `channels`, `size`, `size`) float -> (N, `classes`) logits.

    width: multiplies every width, rounded to the nearest (halves up), at least 1.
    bn_start: the first value of every BN scale; None for the family's own (`default_bn_start`).
    shortcut: "A" or "projection", of resnet20, resnet56 and resnet110.
    Raises UsageError for an unknown name or a value that the network cannot have. Draws from torch's random state.
    """
    _check(name, classes, channels, size, width, shortcut)
    start = default_bn_start(name) if bn_start is None else bn_start
    if name in _VGG:
        from .vgg import VGG

        return VGG(_VGG[name], classes, channels, size, width, start)
    if name in _PRERESNET:
        from .preresnet import PreResNet

        return PreResNet(_PRERESNET[name], classes, channels, width, start)
    if name in _CIFAR_RESNET:
        from .resnet_cifar import CifarResNet

        return CifarResNet(_CIFAR_RESNET[name], classes, channels, width, start, shortcut)
    from .imagenet_resnet import build_resnet

    return build_resnet(_IMAGENET_RESNET[name], classes, channels, width, start)


def _check(name: str, classes: int, channels: int, size: int, width: float, shortcut: str) -> None:
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    if min(classes, channels, size) < 1:
        raise UsageError(
            f"{name} cannot have {classes} classes, {channels} channels and {size} px.", "Each must be at least 1."
        )
    if not (math.isfinite(width) and width > 0):
        raise UsageError(f"the width multiplier is {width}.", "Give a number above 0, such as 0.25.")
    if shortcut not in SHORTCUTS:
        raise unknown("shortcut", shortcut, SHORTCUTS)
    if shortcut != "A" and name not in _CIFAR_RESNET:
        raise UsageError(f"{name} has no choice of shortcuts.", f"Only {', '.join(_CIFAR_RESNET)} have one.")
