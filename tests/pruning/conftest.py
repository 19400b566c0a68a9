"""Small networks of every family, with normalisations that are all different, so that a mix-up shows."""

from typing import Callable, Dict, Tuple

import pytest
import torch
from torch import nn

from energytrain.models.catalog import build
from energytrain.models.units import Consumer, PrunableUnit


class UsersNet(nn.Module):
    """A user's own network: convolutions with biases, a flattened 2x2 map, a BatchNorm1d, two readers of one unit."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.left, self.right = nn.Conv2d(8, 3, 1), nn.Conv2d(8, 3, 1)
        self.deep = nn.Conv2d(3, 6, 3, stride=8, padding=1, bias=False)
        self.deep_bn = nn.BatchNorm2d(6)
        self.hidden = nn.Linear(6 * 4, 10)
        self.hidden_bn = nn.BatchNorm1d(10)
        self.fc = nn.Linear(10, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.bn(self.conv(images)).relu()
        maps = self.deep_bn(self.deep(self.left(maps) + self.right(maps))).relu()
        return self.fc(self.hidden_bn(self.hidden(maps.flatten(1))).relu())

    def prunable_units(self) -> Tuple[PrunableUnit, ...]:
        return (
            PrunableUnit("bn", "bn", self.bn.num_features, "conv", (Consumer("left"), Consumer("right"))),
            PrunableUnit("deep_bn", "deep_bn", self.deep_bn.num_features, "deep", (Consumer("hidden", 4),)),
            PrunableUnit("hidden_bn", "hidden_bn", self.hidden_bn.num_features, "hidden", (Consumer("fc"),)),
        )


FAMILIES: Dict[str, Callable[[], nn.Module]] = {
    "vgg16": lambda: build("vgg16", classes=5, size=16, width=0.125),
    "vgg19": lambda: build("vgg19", classes=5, size=16, width=0.1),
    "preresnet20": lambda: build("preresnet20", classes=5, width=0.5),
    "preresnet56": lambda: build("preresnet56", classes=5, width=0.25),
    "resnet20-A": lambda: build("resnet20", classes=5, width=0.5),
    "resnet20-projection": lambda: build("resnet20", classes=5, width=0.5, shortcut="projection"),
    "resnet18": lambda: build("resnet18", classes=5, width=0.125),
    "resnet34": lambda: build("resnet34", classes=5, width=0.1),
    "resnet50": lambda: build("resnet50", classes=5, width=0.125),
    "users": UsersNet,
}


def shaken(model: nn.Module, seed: int = 0) -> nn.Module:
    """Scales, biases and running statistics of a network in mid-training, and logits of the order of 1."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for tensor, low, high in (
                (module.weight, 0.1, 1.0),
                (module.bias, -0.3, 0.3),
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 1.5),
            ):
                tensor.data.uniform_(low, high, generator=generator)
            module.weight.data *= (torch.rand(module.num_features, generator=generator) < 0.8).float() * 2 - 1
        elif isinstance(module, nn.Linear):
            module.weight.data.normal_(0.0, module.in_features**-0.5, generator=generator)
    return model


def make_family(name: str) -> nn.Module:
    torch.manual_seed(0)
    return shaken(FAMILIES[name]())


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> nn.Module:
    """A small network of each family in turn, for (N, 3, 32, 32) images and 5 classes."""
    return make_family(request.param)


@pytest.fixture(params=["vgg16", "preresnet20", "resnet20-projection", "resnet50", "users"])
def network(request: pytest.FixtureRequest) -> nn.Module:
    """One network of each structure, where the depth makes no difference."""
    return make_family(request.param)


@pytest.fixture
def network_of() -> Callable[[str], nn.Module]:
    """A small network by the family's name."""
    return make_family


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(1))
