"""VGG with batch normalisation for small images: 13 or 16 convolutions, one classifier (Early-Bird's VGG16)."""

from typing import List, Tuple, Union

from torch import Tensor, nn
from torch.nn import functional

from ..errors import UsageError
from .layers import conv3x3, initialise, scaled
from .units import Consumer, PrunableUnit

_POOL = "pool"
_PLANS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)
MIN_SIZE = 16


class VGG(nn.Module):
    """(N, `channels`, `size`, `size`) -> (N, `classes`) logits, for sizes of 16 px and up.

    Four poolings between the five groups; what is left of the map (2x2 at 32 px, 1x1 at 16 px) is averaged.
    `width` scales every convolution (`layers.scaled`). Raises UsageError for images below 16 px.
    """

    def __init__(
        self, depth: int, classes: int, channels: int = 3, size: int = 32, width: float = 1.0, bn_start: float = 0.5
    ) -> None:
        super().__init__()
        if size < MIN_SIZE:
            raise UsageError(f"VGG needs images of at least {MIN_SIZE} px, not {size}.", "Scale the images up.")
        layers: List[nn.Module] = []
        inputs = channels
        for step in _plan(depth):
            if isinstance(step, str):
                layers.append(nn.MaxPool2d(2))
            else:
                outputs = scaled(step, width)
                layers += [conv3x3(inputs, outputs), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
                inputs = outputs
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(inputs, classes)
        initialise(self, bn_start)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.features(images)
        pooled = functional.avg_pool2d(maps, (maps.shape[2], maps.shape[3]))
        logits: Tensor = self.fc(pooled.flatten(1))
        return logits

    def prunable_units(self) -> Tuple[PrunableUnit, ...]:
        """One unit a convolution: its normalisation ranks it, the next convolution or the classifier reads it."""
        convs = [f"features.{i}" for i, layer in enumerate(self.features) if isinstance(layer, nn.Conv2d)]
        norms = [(f"features.{i}", n) for i, n in enumerate(self.features) if isinstance(n, nn.BatchNorm2d)]
        readers = convs[1:] + ["fc"]
        return tuple(
            PrunableUnit(name, name, norm.num_features, conv, (Consumer(reader),))
            for conv, (name, norm), reader in zip(convs, norms, readers)
        )


def _plan(depth: int) -> List[Union[int, str]]:
    groups: List[Union[int, str]] = []
    for convolutions, width in zip(_PLANS[depth], _WIDTHS):
        groups += [width] * convolutions + [_POOL]
    return groups[:-1]  # the last pooling is the average over the whole map
