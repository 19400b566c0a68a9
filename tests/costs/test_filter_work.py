"""The work of ranking and zeroing filters, by hand and against what the ranking really touches."""

import math

import pytest
import torch

from energytrain.costs.filter_work import filter_ranking_work, zeroing_work
from energytrain.models.catalog import build
from energytrain.models.units import units_of
from energytrain.pruning.filters import per_layer_counts
from energytrain.pruning.soft import soft_mask, zero_filters
from energytrain.quantities.ledger import spend


def sizes_of(model):
    layers = {unit.name: model.get_submodule(unit.producer) for unit in units_of(model) if unit.producer is not None}
    return {name: (layer.weight.shape[0], layer.weight[0].numel()) for name, layer in layers.items()}


def test_one_layer_by_hand():
    (item,) = filter_ranking_work({"a": (8, 27)})
    assert item.flops_per_step == 8 * (27 + 27) + 8 * 3
    assert item.bytes_per_step == 8 * 27 * 4 + 8 * 4 + 3 * 8 * 8 + 8
    assert (item.layer, item.kind, item.stage, item.flops_per_image) == ("a", "mask", "mask", 0)


@pytest.mark.parametrize("filters", [1, 2, 3, 64, 65, 512])
def test_sorting_takes_whole_levels(filters):
    (item,) = filter_ranking_work({"a": (filters, 9)})
    assert item.flops_per_step == 18 * filters + filters * math.ceil(math.log2(filters))


def test_a_network_is_the_sum_of_its_layers():
    model = build("preresnet20", classes=10)
    items = filter_ranking_work(sizes_of(model))
    weights = sum(model.get_submodule(u.producer).weight.numel() for u in units_of(model) if u.producer)
    comparisons = sum(n * math.ceil(math.log2(n)) for n, _ in sizes_of(model).values())
    assert spend(items, "train", 0, 3).flops() == 3 * (2 * weights + comparisons)
    assert len(items) == 12


def test_zeroing_writes_what_zero_filters_changes():
    torch.manual_seed(0)
    model = build("resnet20", classes=10, width=0.5)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.fill_(0.1)
            module.bias.data.fill_(0.2)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    zero_filters(model, soft_mask(model, 0.3))
    written = sum(int((tensor != before[key]).sum()) for key, tensor in model.state_dict().items())
    items = zeroing_work(sizes_of(model), per_layer_counts(model, 0.3))
    ledger = spend(items, "train", 0, 1)
    assert ledger.flops() == 0
    assert sum(entry.bytes for entry in ledger) == 4 * written + sum(n for n, _ in sizes_of(model).values())


def test_layers_kept_whole_cost_no_zeroing():
    assert zeroing_work({"a": (8, 27), "b": (4, 72)}, {"a": 8}) == ()
    (item,) = zeroing_work({"a": (8, 27), "b": (4, 72)}, {"b": 1})
    assert (item.layer, item.bytes_per_step) == ("b", 4 + 3 * 74 * 4)
