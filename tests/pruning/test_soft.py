"""Soft filter pruning: what is chosen, that zeroed and removed networks agree, and that filters can come back."""

import copy

import pytest
import torch
from torch import nn

from energytrain.errors import UsageError
from energytrain.models.units import units_of
from energytrain.pruning.masks import kept_counts
from energytrain.pruning.rebuild import rebuild
from energytrain.pruning.soft import soft_mask, zero_filters


def producers(model):
    return {unit.name: model.get_submodule(unit.producer) for unit in units_of(model) if unit.producer is not None}


def dropped_weights(model, mask):
    return {name: layer.weight.detach()[~mask[name]] for name, layer in producers(model).items()}


def trained(model, images, steps, momentum=0.0, optimiser=None):
    labels = torch.arange(len(images)) % 5
    optimiser = optimiser or torch.optim.SGD(model.parameters(), lr=0.01, momentum=momentum)
    model.train()
    for _ in range(steps):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimiser.step()
    return optimiser


def revived(model, mask):
    """How many of the dropped filters have a weight again."""
    return sum(int((w.flatten(1) != 0).any(1).sum()) for w in dropped_weights(model, mask).values())


def assert_removal_changes_nothing(model, mask, images):
    small = rebuild(model, mask).eval()
    model.eval()
    with torch.no_grad():
        zeroed, removed = model(images), small(images)
    assert torch.isfinite(zeroed).all()
    assert (zeroed - removed).abs().max() <= 1e-6 * max(1.0, float(zeroed.abs().max()))


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.8])
def test_the_weakest_filters_of_each_layer_go(network, ratio):
    mask = soft_mask(network, ratio)
    assert set(mask) == {unit.name for unit in units_of(network)}
    for name, layer in producers(network).items():
        norms = (layer.weight.detach().double() ** 2).flatten(1).sum(1)
        assert int((~mask[name]).sum()) == int(len(norms) * ratio + 1e-9)
        if not mask[name].all():
            assert norms[~mask[name]].max() <= norms[mask[name]].min() * (1 + 1e-6)
    assert all(mask[unit.name].all() for unit in units_of(network) if unit.producer is None)


@pytest.mark.parametrize("ratio", [0.3, 0.7])
def test_zeroed_and_removed_networks_are_one_in_evaluation(family, images, ratio):
    mask = soft_mask(family, ratio)
    with torch.no_grad():
        dense = family.eval()(images)
    zero_filters(family, mask)
    with torch.no_grad():
        assert (family(images) - dense).abs().max() > 1e-3
    assert_removal_changes_nothing(family, mask, images)


def test_they_are_one_after_training_too(network, images):
    optimiser = trained(network, images, 2, momentum=0.9)
    for _ in range(2):
        mask = soft_mask(network, 0.5)
        zero_filters(network, mask)
        assert_removal_changes_nothing(network, mask, images)
        trained(network, images, 2, optimiser=optimiser)


def test_biases_of_every_sign_and_scales_of_every_size_are_silenced(network, images):
    values = torch.tensor([0.0, -1.0, 1.0, 1e-30, -1e-30, 1e-44, 5.0])
    for unit in units_of(network):
        norm = network.get_submodule(unit.bn)
        norm.weight.data = values.repeat(norm.num_features)[: norm.num_features].clone()
        norm.bias.data = torch.tensor([0.5, 3.0, -0.5]).repeat(norm.num_features)[: norm.num_features].clone()
    mask = soft_mask(network, 0.7)
    zero_filters(network, mask)
    assert_removal_changes_nothing(network, mask, images)


def test_only_the_dropped_filters_and_their_statistics_change(network):
    before = copy.deepcopy(network.state_dict())
    mask = soft_mask(network, 0.5)
    zero_filters(network, mask)
    owner = {}
    for unit in units_of(network):
        if unit.producer is not None:
            places = [f"{unit.producer}.weight", f"{unit.producer}.bias"]
            places += [f"{unit.bn}.running_mean", f"{unit.bn}.running_var"]
            owner.update({place: unit.name for place in places})
    for key, tensor in network.state_dict().items():
        if key in owner:
            kept = mask[owner[key]]
            assert torch.equal(tensor[kept], before[key][kept])
            if not key.endswith("running_mean"):
                assert not tensor[~kept].any()
        else:
            assert torch.equal(tensor, before[key])


def test_a_zeroed_filter_stays_among_the_dropped(network):
    mask = soft_mask(network, 0.5)
    zero_filters(network, mask)
    again = soft_mask(network, 0.5)
    assert all(torch.equal(mask[name], again[name]) for name in mask)


def test_filters_regrow_by_the_gradient_alone(network, images):
    mask = soft_mask(network, 0.5)
    zero_filters(network, mask)
    total = sum(int((~kept).sum()) for kept in mask.values())
    trained(network, images, 1, momentum=0.0)
    # In these networks half of the biases are positive; the rest waits for momentum.
    assert total // 4 < revived(network, mask) < total


def test_momentum_is_kept_and_regrows_what_it_remembers(network, images):
    optimiser = trained(network, images, 3, momentum=0.9)
    remembered = {p: optimiser.state[p]["momentum_buffer"].clone() for p in network.parameters()}
    mask = soft_mask(network, 0.5)
    zero_filters(network, mask)
    assert all(torch.equal(optimiser.state[p]["momentum_buffer"], buffer) for p, buffer in remembered.items())
    trained(network, images, 1, optimiser=optimiser)
    moving = {
        name: remembered[layer.weight][~mask[name]].flatten(1).any(1) for name, layer in producers(network).items()
    }
    for name, weights in dropped_weights(network, mask).items():
        assert weights.flatten(1).any(1)[moving[name]].all()
    # All but those that no image of the batch had ever reached.
    assert sum(int(part.sum()) for part in moving.values()) > 0.9 * sum(int((~kept).sum()) for kept in mask.values())


def test_with_scale_and_bias_at_zero_nothing_would_regrow(network_of, images):
    """Why `zero_filters` leaves them alone."""
    network = network_of("vgg16")
    mask = soft_mask(network, 0.5)
    zero_filters(network, mask)
    for unit in units_of(network):
        norm = network.get_submodule(unit.bn)
        norm.weight.data[~mask[unit.name]] = 0.0
        norm.bias.data[~mask[unit.name]] = 0.0
    trained(network, images, 5, momentum=0.0)
    assert revived(network, mask) == 0


@pytest.mark.parametrize("options", [{"affine": False}, {"track_running_stats": False}])
def test_normalisations_without_scales_or_statistics(network_of, images, options):
    network = network_of("users")
    plain = nn.BatchNorm2d(8, **options)
    if plain.affine:
        plain.bias.data.uniform_(0.1, 1.0)
    network.bn = plain
    mask = soft_mask(network, 0.5)
    zero_filters(network, mask)
    assert_removal_changes_nothing(network, mask, images)


def test_a_mask_of_another_network_is_refused(network_of):
    with pytest.raises(UsageError, match="does not fit"):
        zero_filters(network_of("vgg16"), soft_mask(network_of("vgg19"), 0.5))


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_a_ratio_out_of_range_is_refused(network_of, ratio):
    with pytest.raises(UsageError, match="prune ratio"):
        soft_mask(network_of("vgg16"), ratio)


def test_counts_do_not_depend_on_the_weights(network, network_of, images):
    counts = kept_counts(soft_mask(network, 0.3))
    trained(network, images, 2)
    assert kept_counts(soft_mask(network, 0.3)) == counts
