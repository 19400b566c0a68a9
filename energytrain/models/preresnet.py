"""Pre-activation bottleneck ResNet of depth 9n + 2 for small images, as network slimming prunes it."""

from typing import List, Optional, Tuple

from torch import Tensor, nn
from torch.nn import functional

from ..errors import UsageError
from .channel_select import ChannelSelect
from .layers import conv1x1, conv3x3, initialise, pool_whole_map, scaled
from .units import Consumer, PrunableUnit

_EXPANSION = 4
_PLANES = (16, 32, 64)
_PARTS = (("bn1", None, "conv1"), ("bn2", "conv1", "conv2"), ("bn3", "conv2", "conv3"))  # norm, producer, reader


class PreActBottleneck(nn.Module):
    """stream -> stream + conv1x1(conv3x3(conv1x1(.))), each convolution behind a normalisation and a ReLU.

    `select` picks what `bn1` reads of the stream. Where the stream changes shape, `shortcut` (a bare 1x1 convolution
    on the stream as it is) carries it over.
    """

    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        outputs = planes * _EXPANSION
        self.select = ChannelSelect(inputs)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = conv1x1(inputs, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes, stride)
        self.bn3 = nn.BatchNorm2d(planes)
        self.conv3 = conv1x1(planes, outputs)
        self.shortcut: Optional[nn.Conv2d] = None
        if stride != 1 or inputs != outputs:
            self.shortcut = conv1x1(inputs, outputs, stride)

    def forward(self, stream: Tensor) -> Tensor:
        maps = self.conv1(functional.relu(self.bn1(self.select(stream)), inplace=True))
        maps = self.conv2(functional.relu(self.bn2(maps), inplace=True))
        maps = self.conv3(functional.relu(self.bn3(maps), inplace=True))
        carried = stream if self.shortcut is None else self.shortcut(stream)
        added: Tensor = carried + maps
        return added


class PreResNet(nn.Module):
    """(N, `channels`, `size`, `size`) -> (N, `classes`) logits; 3 stages of n blocks, depth 9n + 2.

    `width` scales the stem and the planes of every stage (`layers.scaled`); streams are 4 planes wide.
    """

    def __init__(self, depth: int, classes: int, channels: int = 3, width: float = 1.0, bn_start: float = 0.5) -> None:
        super().__init__()
        if depth < 11 or (depth - 2) % 9:
            raise UsageError(f"a bottleneck PreResNet has depth 9n + 2, not {depth}.", "Take 20, 56, 101, 110 or 164.")
        inputs = scaled(_PLANES[0], width)
        self.stem = conv3x3(channels, inputs)
        blocks: List[nn.Module] = []
        for stage, base in enumerate(_PLANES):
            planes = scaled(base, width)
            for block in range((depth - 2) // 9):
                blocks.append(PreActBottleneck(inputs, planes, stride=2 if stage > 0 and block == 0 else 1))
                inputs = planes * _EXPANSION
        self.blocks = nn.Sequential(*blocks)
        self.select = ChannelSelect(inputs)
        self.bn = nn.BatchNorm2d(inputs)
        self.fc = nn.Linear(inputs, classes)
        initialise(self, bn_start)

    def forward(self, images: Tensor) -> Tensor:
        stream = self.blocks(self.stem(images))
        maps = functional.relu(self.bn(self.select(stream)), inplace=True)
        logits: Tensor = self.fc(pool_whole_map(maps))
        return logits

    def prunable_units(self) -> Tuple[PrunableUnit, ...]:
        """Every normalisation: the first of a block and the last one select from the stream, the others narrow."""
        units: List[PrunableUnit] = []
        for number, block in enumerate(self.blocks):
            path = f"blocks.{number}"
            for norm, producer, reader in _PARTS:
                units.append(
                    PrunableUnit(
                        name=f"{path}.{norm}",
                        bn=f"{path}.{norm}",
                        channels=getattr(block, norm).num_features,
                        producer=None if producer is None else f"{path}.{producer}",
                        consumers=(Consumer(f"{path}.{reader}"),),
                        select=f"{path}.select" if producer is None else None,
                    )
                )
        units.append(PrunableUnit("bn", "bn", self.bn.num_features, None, (Consumer("fc"),), "select"))
        return tuple(units)
