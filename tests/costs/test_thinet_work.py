"""What ThiNet's work is said to be, against hooks on a real call, torch's own counter and arithmetic by hand."""

import pytest
import torch
from torch import nn

from energytrain.costs.thinet_work import thinet_work
from energytrain.models.catalog import build
from energytrain.models.units import Consumer, PrunableUnit
from energytrain.pruning.thinet import layer_counts, thinet
from energytrain.quantities.ledger import spend

IMAGE = (3, 32, 32)
NETWORKS = ["vgg16", "preresnet20", "resnet20", "resnet18", "resnet50"]


def layers_of(model):
    return [(name, layer) for name, layer in model.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]


@pytest.mark.parametrize("name", NETWORKS)
def test_passes_are_those_that_are_run(name):
    model = build(name, classes=10, width=0.125)
    counts = layer_counts(model, 0.5)
    calls = {name: [] for name, _ in layers_of(model)}
    for path, layer in layers_of(model):
        layer.register_forward_hook(
            lambda layer, _, out, path=path: calls[path].append(
                2 * layer.weight.numel() * (out.numel() // out.shape[1])
            )
        )
    thinet(model, torch.randn(7, *IMAGE), counts, locations=2, batch_size=3, seed=0)
    work = thinet_work(build(name, classes=10, width=0.125), IMAGE, counts, images=7, locations=2, batch_size=3)
    booked = {item.layer: item for item in work if item.kind in ("conv", "linear")}
    for path, flops in calls.items():
        assert sum(flops) == (booked[path].flops_per_step if path in booked else 0)
        if path in booked:
            assert len(flops) == booked[path].launches_per_step
    norms = sum(item.flops_per_step for item in work if item.kind == "norm")
    assert norms > 0 and all(item.precision == "fp32" for item in work)


@pytest.mark.parametrize("name", ["vgg16", "preresnet20", "resnet18"])
def test_torch_counts_the_same_matrix_work(name):
    counter = pytest.importorskip("torch.utils.flop_counter")
    model = build(name, classes=10, width=0.125)
    counts = layer_counts(model, 0.3)
    with counter.FlopCounterMode(display=False) as mode:
        thinet(model, torch.randn(6, *IMAGE), counts, locations=3, batch_size=4, seed=0)
    work = thinet_work(model, IMAGE, counts, images=6, locations=3, batch_size=4)
    ours = [item for item in work if item.kind in ("conv", "linear") or item.layer.endswith(".gram")]
    assert sum(item.flops_per_step for item in ours) == mode.get_total_flops()


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.deep, self.deep_bn = nn.Conv2d(8, 10, (3, 5)), nn.BatchNorm2d(10)
        self.fc = nn.Linear(40, 7)

    def forward(self, images):
        maps = self.deep_bn(self.deep(self.bn(self.conv(images)).relu())).relu()
        return self.fc(nn.functional.adaptive_avg_pool2d(maps, 2).flatten(1))

    def prunable_units(self):
        return (
            PrunableUnit("bn", "bn", 8, "conv", (Consumer("deep"),)),
            PrunableUnit("deep_bn", "deep_bn", 10, "deep", (Consumer("fc", 4),)),
        )


def test_by_hand():
    """8 channels of which 5 stay, a consumer of 10 filters of 3x5; 10 of which 9 stay, a consumer of 7 x 4 inputs."""
    work = thinet_work(Pair(), (3, 12, 12), {"bn": 5, "deep_bn": 9}, images=20, locations=6, batch_size=8)
    flops = {item.layer: item.flops_per_step for item in work}
    first_map, second_map = 8 * 10 * 10, 10 * 8 * 6
    assert flops == {
        "conv": 2 * 20 * 2 * 3 * 9 * first_map,  # two passes of 20 images, the second goes on to the classifier
        "bn": 2 * 20 * 2 * first_map,
        "relu": 2 * 20 * first_map,
        "deep": 20 * 2 * 8 * 15 * second_map,
        "deep_bn": 20 * 2 * second_map,
        "relu#2": 20 * second_map,
        "adaptive_avg_pool2d": 20 * second_map,
        "bn.products": 2 * 120 * 8 * 15,
        "bn.gram": 2 * 120 * 8 * 8,
        "bn.greedy": 3 * 8 * 3,
        "bn.scales": 5 * 3 + 9 * 125 + 4 * 25 + 2 * 5,
        "bn.rescale": 10 * 8 * 15,
        "deep_bn.products": 2 * 120 * 10 * 4,
        "deep_bn.gram": 2 * 120 * 10 * 10,
        "deep_bn.greedy": 3 * 10 * 1,
        "deep_bn.scales": 9 * 1 + 9 * 729 + 4 * 81 + 2 * 9,
        "deep_bn.rescale": 7 * 10 * 4,
    }
    launches = {item.layer: item.launches_per_step for item in work}
    assert launches["conv"] == 2 * 3 and launches["deep"] == 3  # batches of 8, 8 and 4
    moved = {item.layer: item.bytes_per_step for item in work}
    weights, image = 4 * (8 * 3 * 9 + 8), 4 * (3 * 144 + first_map)
    assert moved["conv"] == 2 * (20 * image + 3 * weights)
    assert all(item.flops_per_image == item.bytes_per_image == 0 for item in work)
    assert all(item.bytes_per_step > 0 and item.launches_per_step > 0 for item in work)
    assert spend(work, "prune", 0, 1).flops() == sum(flops.values())


def test_units_kept_whole_cost_nothing():
    sizes = {"images": 20, "locations": 6, "batch_size": 8}
    assert thinet_work(Pair(), (3, 12, 12), {"bn": 8, "deep_bn": 10}, **sizes) == ()
    assert thinet_work(Pair(), (3, 12, 12), {}, **sizes) == ()
    alone = thinet_work(Pair(), (3, 12, 12), {"bn": 5}, **sizes)
    assert {item.layer for item in alone if item.kind != "mask"} == {"conv", "bn", "relu"}


def test_weights_make_no_difference():
    counts = layer_counts(build("preresnet20", classes=10, width=0.5), 0.4)
    first, second = (build("preresnet20", classes=10, width=0.5) for _ in range(2))
    sizes = {"images": 30, "locations": 10, "batch_size": 16}
    assert thinet_work(first, IMAGE, counts, **sizes) == thinet_work(nn.DataParallel(second), IMAGE, counts, **sizes)
