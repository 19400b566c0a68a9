"""Pruned weights stay at exactly zero through many steps of every optimiser, and nothing else is held."""

import copy

import pytest
import torch
from torch import nn

from energytrain.errors import UsageError
from energytrain.precision.memory_format import lay_out
from energytrain.pruning.masks import bn_scale_mask
from energytrain.pruning.rebuild import rebuild
from energytrain.pruning.weight_masks import (
    GradientMask,
    apply_weight_mask,
    channel_weight_mask,
    clear_momentum,
    magnitude_mask,
)
from energytrain.training.loop import train_epoch
from energytrain.training.optimiser import make_sgd, torch_version, update_flags
from energytrain.training.schedule import Schedule

LABELS = torch.arange(8) % 5
FORMS = [{"fused": True}] if update_flags("cpu", torch_version()) else []
FORMS += [{"foreach": True}, {"foreach": False}]


def small():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 7, 3), nn.BatchNorm2d(7)]
    return nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, 5))


def batches(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randn(8, 3, 16, 16, generator=generator), LABELS) for _ in range(count)]


def train(model, optimiser, steps, after_backward=None, channels_last=False, seed=0):
    schedule = Schedule(optimiser.param_groups[0]["lr"], 1)
    options = {"steps": steps, "channels_last": channels_last, "after_backward": after_backward}
    train_epoch(model, batches(steps, seed), optimiser, schedule, 0, **options)


def dropped(model, mask):
    return torch.cat([model.get_parameter(name).detach()[~kept] for name, kept in mask.items()])


def remembered(model, optimiser, mask):
    """What the optimiser remembers of dropped weights."""
    values = [
        value[~kept]
        for name, kept in mask.items()
        for value in optimiser.state[model.get_parameter(name)].values()
        if isinstance(value, torch.Tensor) and value.shape == kept.shape
    ]
    return torch.cat(values)


def prune(model, optimiser, ratio=0.6):
    mask = magnitude_mask(model, ratio)
    apply_weight_mask(model, mask)
    clear_momentum(optimiser, model, mask)
    return mask


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_momentum_and_weight_decay_never_revive_a_pruned_weight(form, nesterov, channels_last):
    model = small()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-3, nesterov=nesterov, **form)
    train(model, optimiser, 4, channels_last=channels_last)
    mask = prune(model, optimiser)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    train(model, optimiser, 60, GradientMask(model, mask), channels_last, seed=1)
    assert torch.all(dropped(model, mask) == 0.0) and torch.all(remembered(model, optimiser, mask) == 0.0)
    for name, kept in mask.items():
        weights = model.get_parameter(name).detach()
        assert torch.count_nonzero(weights) == kept.sum()
        assert (weights[kept] != before[name][kept]).float().mean() > 0.99


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_nor_do_the_moments_of_adam(kind):
    model = small()
    optimiser = kind(model.parameters(), lr=1e-3, weight_decay=1e-2, amsgrad=True)
    train(model, optimiser, 4)
    mask = prune(model, optimiser)
    train(model, optimiser, 30, GradientMask(model, mask), seed=1)
    assert torch.all(dropped(model, mask) == 0.0) and torch.all(remembered(model, optimiser, mask) == 0.0)


def test_without_either_half_they_come_back():
    model = small()
    optimiser = make_sgd(model, 0.05)
    train(model, optimiser, 4)
    mask = magnitude_mask(model, 0.6)
    apply_weight_mask(model, mask)
    remembering, forgetting = (copy.deepcopy((model, optimiser)) for _ in range(2))
    train(*remembering, 1, GradientMask(remembering[0], mask))
    assert torch.count_nonzero(dropped(remembering[0], mask)) > 0
    clear_momentum(forgetting[1], forgetting[0], mask)
    train(*forgetting, 1)
    assert torch.count_nonzero(dropped(forgetting[0], mask)) > 0


def test_a_kept_weight_moves_as_it_would_without_the_mask():
    model = small()
    plain = copy.deepcopy(model)
    mask = magnitude_mask(model, 0.6)
    for network in (model, plain):
        apply_weight_mask(network, mask)
    train(model, make_sgd(model, 0.1), 1, GradientMask(model, mask))
    train(plain, make_sgd(plain, 0.1), 1)
    for name, parameter in model.named_parameters():
        kept = mask.get(name, torch.ones_like(parameter, dtype=torch.bool))
        assert torch.equal(parameter[kept], plain.get_parameter(name)[kept])


def test_only_dropped_weights_are_forgotten():
    model = small()
    optimiser = make_sgd(model, 0.1)
    train(model, optimiser, 2)
    before = copy.deepcopy([dict(optimiser.state[parameter]) for parameter in model.parameters()])
    mask = magnitude_mask(model, 0.5)
    clear_momentum(optimiser, model, mask)
    for (name, parameter), entries in zip(model.named_parameters(), before):
        old, new = entries["momentum_buffer"], optimiser.state[parameter]["momentum_buffer"]
        kept = mask.get(name, torch.ones_like(old, dtype=torch.bool))
        assert torch.equal(new[kept], old[kept]) and torch.all(new[~kept] == 0)


def test_an_optimiser_that_has_not_stepped_remembers_nothing():
    model = small()
    optimiser = make_sgd(model, 0.1)
    clear_momentum(optimiser, model, magnitude_mask(model, 0.5))
    assert not optimiser.state


def test_the_mask_follows_a_network_that_is_laid_out_anew():
    model = small()
    mask = magnitude_mask(model, 0.5)
    hold = GradientMask(model, mask)
    apply_weight_mask(model, mask)
    lay_out(model, channels_last=True)
    train(model, make_sgd(model, 0.1), 3, hold, channels_last=True)
    assert torch.all(dropped(model, mask) == 0.0)
    model.double()
    nn.functional.cross_entropy(model(batches(1)[0][0].double()), LABELS).backward()
    hold()
    assert all(torch.all(model.get_parameter(name).grad[~kept] == 0) for name, kept in mask.items())


def test_factors_lie_as_the_gradients_do():
    """A product of two layouts costs several times one of the same."""
    model = small()
    lay_out(model, channels_last=True)
    hold = GradientMask(model, magnitude_mask(model, 0.5))
    nn.functional.cross_entropy(
        model(batches(1)[0][0].contiguous(memory_format=torch.channels_last)), LABELS
    ).backward()
    hold()
    for parameter, factor in zip(hold._parameters, hold._factors):
        assert factor.stride() == parameter.grad.stride() and factor.dtype == parameter.dtype


def test_weights_without_a_gradient_are_passed_over_but_not_all_of_them():
    model = small()
    mask = magnitude_mask(model, 0.5)
    hold = GradientMask(model, mask)
    with pytest.raises(UsageError, match="after backward"):
        hold()
    only = model[3].weight
    only.grad = torch.ones_like(only)
    hold()
    assert torch.equal(only.grad, mask["3.weight"].float())
    GradientMask(model, {})()


def test_masks_of_other_networks_are_refused():
    model = small()
    mask = magnitude_mask(nn.Sequential(nn.Conv2d(3, 5, 3)), 0.5)
    with pytest.raises(UsageError, match="does not fit"):
        GradientMask(model, mask)
    with pytest.raises(UsageError, match="does not fit"):
        clear_momentum(make_sgd(model, 0.1), model, mask)


def test_channels_held_at_zero_stay_silent_and_the_rebuilt_network_computes_the_same(network, images):
    mask = bn_scale_mask(network, 0.5)
    weights = channel_weight_mask(network, mask)
    optimiser = make_sgd(network, 0.01, weight_decay=5e-3)
    apply_weight_mask(network, weights)
    hold = GradientMask(network, weights)
    data = [(images, torch.arange(16) % 5)] * 8
    train_epoch(network, data, optimiser, Schedule(0.01, 1), 0, steps=8, after_backward=hold)
    assert torch.all(dropped(network, weights) == 0.0)
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(rebuild(network, mask)(images), network(images), rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("channels_last", [False, True])
def test_on_a_gpu_too_and_without_waiting_for_it(channels_last):
    model = small().cuda()
    optimiser = make_sgd(model, 0.05, weight_decay=5e-3, nesterov=True)
    train(model, optimiser, 4, channels_last=channels_last)
    mask = prune(model, optimiser)
    hold = GradientMask(model, mask)

    def hold_without_waiting():
        torch.cuda.set_sync_debug_mode("error")
        try:
            hold()
        finally:
            torch.cuda.set_sync_debug_mode("default")

    train(model, optimiser, 60, hold_without_waiting, channels_last, seed=1)
    assert torch.all(dropped(model, {name: kept.cuda() for name, kept in mask.items()}) == 0.0)
