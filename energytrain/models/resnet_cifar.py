"""ResNet-20/56/110 for small images (He et al. 2016, section 4.2): post-activation, two convolutions a block."""

from typing import List, Optional, Tuple

from torch import Tensor, nn
from torch.nn import functional

from ..errors import UsageError
from .layers import conv1x1, conv3x3, initialise, pool_whole_map, scaled
from .units import Consumer, PrunableUnit

_PLANES = (16, 32, 64)


class BasicBlock(nn.Module):
    """relu(shortcut + bn2(conv2(relu(bn1(conv1(.)))))).

    Where the stream changes shape, shortcut "A" takes every second pixel and fills the new channels with zeros (no
    parameters); "projection" is a 1x1 convolution with a normalisation.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = conv3x3(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.new_channels = outputs - inputs
        self.projection: Optional[nn.Sequential] = None
        if shortcut == "projection" and (stride != 1 or inputs != outputs):
            self.projection = nn.Sequential(conv1x1(inputs, outputs, stride), nn.BatchNorm2d(outputs))

    def forward(self, stream: Tensor) -> Tensor:
        maps = functional.relu(self.bn1(self.conv1(stream)), inplace=True)
        maps = self.bn2(self.conv2(maps))
        return functional.relu(maps + self._carried(stream), inplace=True)

    def _carried(self, stream: Tensor) -> Tensor:
        if self.projection is not None:
            projected: Tensor = self.projection(stream)
            return projected
        if self.stride != 1:
            stream = stream[:, :, :: self.stride, :: self.stride]
        if self.new_channels:
            stream = functional.pad(stream, (0, 0, 0, 0, 0, self.new_channels))
        return stream


class CifarResNet(nn.Module):
    """(N, `channels`, `size`, `size`) -> (N, `classes`) logits; 3 stages of n blocks, depth 6n + 2.

    `width` scales the stem and every stage (`layers.scaled`).
    """

    def __init__(
        self,
        depth: int,
        classes: int,
        channels: int = 3,
        width: float = 1.0,
        bn_start: float = 0.5,
        shortcut: str = "A",
    ) -> None:
        super().__init__()
        if depth < 8 or (depth - 2) % 6:
            raise UsageError(f"a ResNet for small images has depth 6n + 2, not {depth}.", "Take 20, 56 or 110.")
        inputs = scaled(_PLANES[0], width)
        self.stem = conv3x3(channels, inputs)
        self.stem_bn = nn.BatchNorm2d(inputs)
        blocks: List[nn.Module] = []
        for stage, base in enumerate(_PLANES):
            outputs = scaled(base, width)
            for block in range((depth - 2) // 6):
                blocks.append(BasicBlock(inputs, outputs, 2 if stage > 0 and block == 0 else 1, shortcut))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(inputs, classes)
        initialise(self, bn_start)

    def forward(self, images: Tensor) -> Tensor:
        stream = functional.relu(self.stem_bn(self.stem(images)), inplace=True)
        logits: Tensor = self.fc(pool_whole_map(self.blocks(stream)))
        return logits

    def prunable_units(self) -> Tuple[PrunableUnit, ...]:
        """The inner normalisation of each block. The stem and the last one of a block write into the shared stream."""
        return tuple(
            PrunableUnit(
                f"blocks.{i}.bn1",
                f"blocks.{i}.bn1",
                block.bn1.num_features,  # type: ignore[union-attr, arg-type]
                f"blocks.{i}.conv1",
                (Consumer(f"blocks.{i}.conv2"),),
            )
            for i, block in enumerate(self.blocks)
        )
