"""ResNet18/34/50 as torchvision defines and publishes them, at any width, and what of one can be pruned."""

import contextlib
import inspect
import sys
from typing import Any, Dict, List, Tuple

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..torchvision_bridge import load_resnets, load_torchvision
from .layers import initialise, scaled
from .units import Consumer, PrunableUnit

_PLANES = (64, 128, 256, 512)
_DEPTHS = {"resnet18": 18, "resnet34": 34, "resnet50": 50}
_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


def build_resnet(depth: int, classes: int, channels: int = 3, width: float = 1.0, bn_start: float = 1.0) -> nn.Module:
    """torchvision's own ResNet of `depth` 18, 34 or 50: (N, `channels`, H, W) -> (N, `classes`) logits.

    `width` scales the stem and every stage (`layers.scaled`); at 1 the state_dict is torchvision's.
    """
    resnets = load_resnets()
    model: Any = getattr(resnets, f"resnet{depth}")(num_classes=classes)
    if width != 1.0 or channels != 3:
        stem = scaled(_PLANES[0], width)
        model.inplanes = stem
        model.conv1 = nn.Conv2d(channels, stem, kernel_size=7, stride=2, padding=3, bias=False)
        model.bn1 = nn.BatchNorm2d(stem)
        block = resnets.BasicBlock if depth < 50 else resnets.Bottleneck
        for number, (base, blocks) in enumerate(zip(_PLANES, _BLOCKS[depth])):
            stage = model._make_layer(block, scaled(base, width), blocks, stride=1 if number == 0 else 2)
            setattr(model, f"layer{number + 1}", stage)
        model.fc = nn.Linear(model.inplanes, classes)
    initialise(model, bn_start)
    resnet: nn.Module = model
    return resnet


def pretrained_weights(name: str) -> Dict[str, Tensor]:
    """The state_dict that torchvision publishes for `name` (1000 classes), from torch's download folder or the network.

    It is read with weights alone allowed, so that the file executes nothing. Raises UsageError for a network without
    published weights here, one that cannot be fetched, and a torch that cannot read weights alone.
    """
    if name not in _DEPTHS:
        raise UsageError(f"there are no pretrained weights for '{name}'.", f"Only {', '.join(_DEPTHS)} have some.")
    if "weights_only" not in inspect.signature(torch.hub.load_state_dict_from_url).parameters:
        raise UsageError(
            f"torch {torch.__version__} cannot download weights without executing what the file says.",
            "Convert the weights to .safetensors elsewhere and give --init that file.",
        )
    published = load_torchvision().models.get_model_weights(name).DEFAULT
    try:
        # torch announces a download on standard output, which may be promised to JSON.
        with contextlib.redirect_stdout(sys.stderr):
            weights: Dict[str, Tensor] = published.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise UsageError(
            f"the pretrained weights of {name} cannot be had: {error}.", f"Download {published.url} and try again."
        ) from error
    return weights


def is_torchvision_resnet(model: nn.Module) -> bool:
    """Whether `model` is torchvision's ResNet or derives from it; does not import torchvision."""
    return any(c.__module__ == "torchvision.models.resnet" and c.__name__ == "ResNet" for c in type(model).__mro__)


def resnet_units(model: nn.Module) -> Tuple[PrunableUnit, ...]:
    """The inner normalisations of every block of a torchvision ResNet.

    The stem, the last normalisation of a block and its shortcut write into the residual stream, which the add ties
    together, and a mask of them would not be exact behind the add. Grouped convolutions (ResNeXt) are left out.
    """
    units: List[PrunableUnit] = []
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        for path, block in model.get_submodule(stage).named_children():
            convs = ["conv1", "conv2", "conv3"] if hasattr(block, "conv3") else ["conv1", "conv2"]
            for number, (producer, reader) in enumerate(zip(convs, convs[1:]), start=1):
                if getattr(block, producer).groups == 1 and getattr(block, reader).groups == 1:
                    name = f"{stage}.{path}.bn{number}"
                    channels = getattr(block, f"bn{number}").num_features
                    consumer = Consumer(f"{stage}.{path}.{reader}")
                    units.append(PrunableUnit(name, name, channels, f"{stage}.{path}.{producer}", (consumer,)))
    return tuple(units)
