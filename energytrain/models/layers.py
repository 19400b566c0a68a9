"""What every network here is built from: scaled widths, 3x3 and 1x1 convolutions, and one initialisation."""

import math

from torch import Tensor, nn
from torch.nn import functional


def scaled(channels: int, width: float) -> int:
    """`channels` times the width multiplier, rounded to the nearest (halves up), at least 1."""
    return max(1, math.floor(channels * width + 0.5))


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)


def conv1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False)


def pool_whole_map(maps: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C), the mean of each map."""
    return functional.adaptive_avg_pool2d(maps, 1).flatten(1)


def initialise(model: nn.Module, bn_start: float) -> None:
    """Fresh weights in place: convolutions He normal (fan out), classifiers N(0, 0.01), BN scales `bn_start`, biases 0.

    The Early-Bird release starts BN scales at 0.5 on CIFAR and at 1 on ImageNet. It works on a rebuilt network too:
    there it draws for the narrow shapes, as a ticket that is initialised anew needs.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            nn.init.constant_(module.weight, bn_start)
            nn.init.zeros_(module.bias)
