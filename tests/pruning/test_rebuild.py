"""Rebuilt networks: the published sizes, the same function as the masked ones, saved and loaded as plain data."""

import copy
import json

import pytest
import torch
from torch import nn

from energytrain.errors import UsageError
from energytrain.models.catalog import build
from energytrain.models.layers import initialise
from energytrain.models.units import Consumer, PrunableUnit, units_of
from energytrain.pruning.controls import random_mask_like
from energytrain.pruning.masks import apply_mask, bn_scale_mask, kept_counts
from energytrain.pruning.rebuild import architecture, from_architecture, rebuild, shrink
from energytrain.pruning.ticket import Ticket


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def conv_fc_macs(model, size=32):
    macs = []
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(
                lambda layer, _, out: macs.append(layer.weight.numel() * (out[0].numel() // out.shape[1]))
            )
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, size, size))
    return sum(macs)


@pytest.mark.parametrize(
    "share, expected_parameters, expected_macs",
    [(0.5, 3_684_842, 78_744_064), (0.7, 7_198_872, 152_402_956), (0.3, 1_315_333, 28_106_118)],
)
def test_narrowed_vgg16_has_the_published_size(share, expected_parameters, expected_macs):
    model = build("vgg16", classes=10)
    small = shrink(model, {unit.name: int(share * unit.channels) for unit in units_of(model)})
    assert parameters(small) == expected_parameters
    assert conv_fc_macs(small) == expected_macs


def test_preresnet101_with_half_of_its_inner_channels():
    model = build("preresnet101", classes=10)
    inner = {u.name: u.channels // 2 if u.producer else u.channels for u in units_of(model)}
    assert conv_fc_macs(shrink(model, inner)) == 60_410_368


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("drawn", ["scales", "random"])
def test_masked_and_rebuilt_compute_the_same(family, images, ratio, drawn):
    mask = bn_scale_mask(family, ratio)
    if drawn == "random":
        mask = random_mask_like(mask, seed=5)
    dense = family.eval()(images)
    small = rebuild(family, Ticket.from_mask(mask, ratio))
    assert torch.equal(family(images), dense)
    apply_mask(family, mask)
    with torch.no_grad():
        masked, rebuilt = family(images), small.eval()(images)
        assert (masked - dense).abs().max() > 1e-3
        assert (masked - rebuilt).abs().max() <= 1e-6 * max(1.0, masked.abs().max())
        masked, rebuilt = family.train()(images), small.train()(images)
        assert (masked - rebuilt).abs().max() <= 1e-5 * max(1.0, masked.abs().max())
    assert parameters(small) < parameters(family)
    assert kept_counts(mask) == {unit.name: unit.channels for unit in units_of(small)}


def test_down_to_one_channel_everywhere(network, images):
    mask = bn_scale_mask(network, 0.999)
    assert set(kept_counts(mask).values()) == {1}
    small = rebuild(network, mask).eval()
    apply_mask(network, mask)
    assert torch.allclose(small(images), network.eval()(images), atol=1e-6)


def test_training_statistics_follow_the_masked_network(network, images):
    mask = bn_scale_mask(network, 0.5)
    small = rebuild(network, mask).train()
    apply_mask(network, mask)
    with torch.no_grad():
        network.train()(images), small(images)
    for name, kept in mask.items():
        for leaf in ("running_mean", "running_var"):
            ours, theirs = (getattr(net.get_submodule(name), leaf) for net in (small, network))
            assert torch.allclose(ours, theirs[kept], atol=1e-5)


def test_a_rebuilt_network_can_be_pruned_again(network, images):
    first = rebuild(network, bn_scale_mask(network, 0.3))
    second_mask = bn_scale_mask(first, 0.4)
    second = rebuild(first, second_mask).eval()
    apply_mask(first, second_mask)
    assert torch.allclose(second(images), first.eval()(images), atol=1e-5)


def test_the_network_itself_is_left_alone_and_gradients_do_not_travel(network, images):
    network(images).sum().backward()
    before = copy.deepcopy(network.state_dict())
    small = rebuild(network, bn_scale_mask(network, 0.5))
    for parameter in small.parameters():
        assert parameter.grad is None and parameter.requires_grad
        parameter.data.add_(1.0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(p.grad is not None for p in network.parameters())


def test_frozen_parameters_types_and_memory_format_stay(network_of):
    model = network_of("vgg16").to(torch.float64).to(memory_format=torch.channels_last)
    model.features[0].weight.requires_grad_(False)
    small = rebuild(model, bn_scale_mask(model, 0.5))
    assert not small.features[0].weight.requires_grad and small.features[1].weight.requires_grad
    assert small.features[3].weight.dtype == torch.float64
    assert small.features[3].weight.is_contiguous(memory_format=torch.channels_last)


def test_layers_know_their_new_sizes(network):
    small = rebuild(network, bn_scale_mask(network, 0.5))
    for layer in small.modules():
        if isinstance(layer, nn.Conv2d):
            assert (layer.out_channels, layer.in_channels) == tuple(layer.weight.shape[:2])
        elif isinstance(layer, nn.Linear):
            assert (layer.out_features, layer.in_features) == tuple(layer.weight.shape)
        elif isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            assert layer.num_features == len(layer.weight) == len(layer.bias) == len(layer.running_var)


def test_saved_widths_and_a_plain_state_bring_a_network_back(network, images):
    dense = copy.deepcopy(network)
    small = rebuild(network, bn_scale_mask(network, 0.6))
    saved = json.loads(json.dumps(architecture(small)))
    initialise(dense, 0.5)
    again = from_architecture(dense, saved)
    for key, tensor in again.state_dict().items():
        assert not key.endswith(".index") or torch.equal(tensor, small.state_dict()[key])
    again.load_state_dict(small.state_dict())
    assert torch.equal(again.eval()(images), small.eval()(images))


def test_unsound_saved_widths_are_refused(network_of):
    sound = architecture(rebuild(network_of("preresnet20"), bn_scale_mask(network_of("preresnet20"), 0.5)))
    name, inner = "blocks.0.bn1", "blocks.0.bn2"
    for place, value in [
        ((), []),
        (("schema_version",), 2),
        (("units",), None),
        (("units", name, "channels"), 0),
        (("units", name, "channels"), 10**9),
        (("units", name, "channels"), True),
        (("units", name, "selected"), [0]),
        (("units", name, "selected"), None),
        (("units", name, "selected"), [10**9] * sound["units"][name]["channels"]),
        (("units", inner), 4),
        (("units", inner, "channels"), 9),
        (("units", "other"), {"channels": 1}),
    ]:
        data = copy.deepcopy(sound)
        if place:
            target = data
            for key in place[:-1]:
                target = target[key]
            target[place[-1]] = value
        else:
            data = value
        with pytest.raises(UsageError):
            from_architecture(network_of("preresnet20"), data)
    from_architecture(network_of("preresnet20"), sound)


def test_impossible_counts_and_empty_masks(network_of):
    model = network_of("vgg16")
    counts = {unit.name: unit.channels for unit in units_of(model)}
    for wrong in (0, -1, counts["features.1"] + 1):
        with pytest.raises(UsageError, match="'features.1' cannot have"):
            shrink(model, {**counts, "features.1": wrong})
    mask = bn_scale_mask(model, 0.5)
    mask["features.1"][:] = False
    with pytest.raises(UsageError, match="keeps no channel of 'features.1'"):
        rebuild(model, mask)


def test_the_network_inside_a_wrapper_is_rebuilt(network_of, images):
    model = network_of("resnet20-A")
    mask = bn_scale_mask(model, 0.5)
    wrapped = rebuild(nn.DataParallel(model), mask).eval()
    assert torch.equal(wrapped(images), rebuild(model, mask).eval()(images))


class Declaring(nn.Module):
    def __init__(self, groups=1, declared=4):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.reader = nn.Conv2d(4, 4, 3, groups=groups)
        self.declared = declared

    def prunable_units(self):
        return (PrunableUnit("bn", "bn", self.declared, "conv", (Consumer("reader"),)),)


def test_a_declaration_that_cannot_be_carried_out_is_named():
    keep = {"bn": torch.tensor([True, False, True, False])}
    with pytest.raises(UsageError, match="'reader' is a grouped convolution"):
        rebuild(Declaring(groups=2), keep)
    with pytest.raises(UsageError, match="declares 5 channels, but 'bn' has 4"):
        rebuild(Declaring(declared=5), {"bn": torch.tensor([True, False, True, False, True])})


@pytest.mark.gpu
def test_on_a_gpu(network, images):
    """In double precision, where TF32 has no part."""
    network, images = network.double().cuda(), images.double().cuda()
    mask = bn_scale_mask(network, 0.5)
    small = rebuild(network, mask)
    apply_mask(network, mask)
    for training in (False, True):
        assert torch.allclose(small.train(training)(images), network.train(training)(images), atol=1e-9)


def test_shapes_alone_are_enough(network_of):
    """A plan needs no weights: on the meta device a network is narrowed without memory."""
    model = network_of("preresnet20").to("meta")
    small = shrink(model, {unit.name: 1 for unit in units_of(model)})
    assert small.fc.weight.is_meta and small.fc.weight.shape == (5, 1)
