"""Aligned tickets: every count a multiple, the cost held, and what moves is what matters least."""

import pytest
import torch
from torch import nn

from energytrain.errors import UsageError
from energytrain.models.catalog import build
from energytrain.models.units import units_of
from energytrain.pruning.align import align_mask
from energytrain.pruning.distance import mask_distance
from energytrain.pruning.masks import bn_scale_mask, bn_scores, kept_counts, kept_indices


def cost_of(model):
    """Multiply-adds by kept counts, for 32 px images."""
    areas = {}
    layers = {n: m for n, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))}
    for name, layer in layers.items():
        layer.register_forward_hook(lambda _, __, out, name=name: areas.update({name: out[0, 0].numel()}))
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, 32, 32))
    sizes = {name: (*layer.weight.shape[:2], layer.weight[0, 0].numel()) for name, layer in layers.items()}

    def cost(counts):
        current = dict(sizes)
        for unit in units_of(model):
            kept = counts[unit.name]
            if unit.producer:
                current[unit.producer] = (kept, *current[unit.producer][1:])
            for consumer in unit.consumers:
                outputs, _, kernel = current[consumer.module]
                current[consumer.module] = (outputs, kept * consumer.repeat, kernel)
        return sum(o * i * k * areas[name] for name, (o, i, k) in current.items())

    return cost


def trained_like(name, seed, **options):
    """Scales that differ by channel and, as after training, by layer."""
    model = build(name, classes=10, **options)
    generator = torch.Generator().manual_seed(seed)
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        level = 0.3 + torch.rand((), generator=generator)
        norm.weight.data = level * (1 + 0.3 * torch.randn(norm.num_features, generator=generator)).abs()
    return model


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.7])
@pytest.mark.parametrize(
    "name, options", [("vgg16", {}), ("vgg16", {"width": 0.25}), ("preresnet20", {"width": 2.0}), ("resnet18", {})]
)
def test_counts_are_multiples_at_the_same_cost(name, options, ratio):
    for seed in (0, 1):
        model = trained_like(name, seed, **options)
        mask, cost = bn_scale_mask(model, ratio), cost_of(model)
        aligned = align_mask(mask, bn_scores(model), 8, cost)
        for unit, kept in kept_counts(aligned).items():
            assert kept % 8 == 0 or kept == mask[unit].numel()
        assert 0.99 <= cost(kept_counts(aligned)) / cost(kept_counts(mask)) <= 1.01
        assert mask_distance(mask, aligned) < 0.25


def test_aligned_stays_as_it_is():
    model = trained_like("vgg16", 0, width=0.25)
    mask, cost = bn_scale_mask(model, 0.5), cost_of(model)
    once = align_mask(mask, bn_scores(model), 8, cost)
    assert mask_distance(once, mask) > 0
    assert mask_distance(once, align_mask(once, bn_scores(model), 8, cost)) == 0
    assert mask_distance(mask, align_mask(mask, bn_scores(model), 1, cost)) == 0


@pytest.mark.parametrize("ratio", [0.5, 0.7, 0.9])
def test_narrow_networks_keep_their_cost_too(ratio):
    """Where even one multiple a unit costs more than the ticket, narrow units stay as the ticket has them."""
    model = trained_like("vgg16", 0, width=0.125)
    mask, cost = bn_scale_mask(model, ratio), cost_of(model)
    aligned, exact = kept_counts(align_mask(mask, bn_scores(model), 8, cost)), kept_counts(mask)
    assert cost(aligned) <= 1.01 * cost(exact)
    for unit, kept in aligned.items():
        assert kept % 8 == 0 or kept == mask[unit].numel() or kept == exact[unit] < 8


def masks(*counts, width=20):
    return {str(i): torch.arange(width) >= width - count for i, count in enumerate(counts)}


def flat_cost(counts):
    return sum(counts.values())


def test_the_best_dropped_come_back_and_the_worst_kept_go():
    scores = torch.tensor([5.0, 6.0, 7.0, 1.0, 2.0, 9.0, 8.0, 3.0, 4.0, 0.0])
    mask = {"a": torch.tensor([1, 0, 1, 0, 0, 1, 1, 0, 1, 1]).bool()}
    down = align_mask(mask, {"a": scores}, 5, lambda counts: counts["a"])
    assert kept_indices(down) == {"a": [0, 2, 5, 6, 8]}
    up = align_mask({"a": mask["a"] & (scores > 4)}, {"a": scores}, 5, lambda counts: 10)
    assert kept_indices(up) == {"a": [0, 1, 2, 5, 6]}


def test_the_units_that_matter_least_move():
    """Both round to 8 and one step too many is saved: the unit with the better dropped channels gets it."""
    mask = masks(11, 11, width=32)
    scores = {"0": torch.linspace(0, 1, 32), "1": torch.linspace(0, 2, 32)}
    aligned = align_mask(mask, scores, 8, flat_cost)
    assert kept_counts(aligned) == {"0": 8, "1": 16} or flat_cost(kept_counts(aligned)) <= 22
    dearer = align_mask(masks(12, 12, width=32), scores, 8, flat_cost)
    assert kept_counts(dearer) == {"0": 8, "1": 16}


def test_a_width_that_is_no_multiple_may_be_kept_whole():
    mask = masks(19, 9, 3)
    aligned = align_mask(mask, {name: torch.arange(20.0) for name in mask}, 8, lambda counts: 1)
    assert kept_counts(aligned) == {"0": 20, "1": 8, "2": 8}
    narrow = {"a": torch.tensor([True, False, False, True])}
    assert kept_counts(align_mask(narrow, {"a": torch.ones(4)}, 8, lambda counts: 1)) == {"a": 4}


def test_a_multiple_below_one():
    with pytest.raises(UsageError, match="aligned to 0"):
        align_mask(masks(3), {"0": torch.ones(20)}, 0, flat_cost)
