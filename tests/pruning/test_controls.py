"""The controls: random tickets of the same counts, and the uniform width of the nearest cost."""

import pytest
import torch

from energytrain.models.catalog import build
from energytrain.pruning.controls import random_mask_like, uniform_width
from energytrain.pruning.masks import bn_scale_mask, kept_counts


def test_a_random_ticket_has_the_same_counts_and_its_own_channels(network):
    mask = bn_scale_mask(network, 0.5)
    drawn = random_mask_like(mask, seed=0)
    assert list(drawn) == list(mask) and kept_counts(drawn) == kept_counts(mask)
    assert any(not torch.equal(drawn[name], mask[name]) for name in mask)


def test_the_seed_alone_decides(network_of):
    mask = bn_scale_mask(network_of("vgg16"), 0.5)
    first = random_mask_like(mask, seed=7)
    torch.manual_seed(99)
    again, other = random_mask_like(dict(reversed(list(mask.items()))), seed=7), random_mask_like(mask, seed=8)
    assert all(torch.equal(first[name], again[name]) for name in mask)
    assert any(not torch.equal(first[name], other[name]) for name in mask)


def test_every_channel_is_drawn_as_often():
    mask = {"a": torch.arange(10) < 3}
    drawn = sum(random_mask_like(mask, seed)["a"].int() for seed in range(1000))
    assert drawn.sum() == 3000
    # Binomial(1000, 0.3): six standard deviations are 87.
    assert all(abs(count - 300) < 87 for count in drawn.tolist())


@pytest.mark.parametrize("target", [1, 137, 5_000, 123_456, 999_999, 1_000_000, 5_000_000])
def test_the_nearest_width_is_found_in_few_calls(target):
    calls = []

    def macs(width):
        calls.append(width)
        return int(width * width * 1_000_000)

    width = uniform_width(macs, target)
    best = min((step / 1024 for step in range(1, 1025)), key=lambda w: abs(macs(w) - target))
    assert abs(macs(width) - target) == abs(macs(best) - target)
    assert 0 < width <= 1
    del calls[:]
    uniform_width(macs, target)
    assert len(calls) <= 14


def test_on_a_network():
    def weights(width):
        return sum(p.numel() for p in build("preresnet20", classes=10, width=width).parameters())

    width = uniform_width(weights, weights(1.0) // 2)
    assert weights(width) == pytest.approx(weights(1.0) / 2, rel=0.05)
