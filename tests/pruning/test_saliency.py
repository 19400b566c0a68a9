"""SNIP: sensitivities against their definition, by weight and by channel, and a model that is left as it was."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from energytrain.errors import RunFailed, UsageError
from energytrain.models.units import units_of
from energytrain.pruning.saliency import snip_channel_scores, snip_scores
from energytrain.pruning.weight_masks import weight_names

LABELS = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0])


def loss_of(model, images):
    return nn.functional.cross_entropy(model(images), LABELS)


def gradients_in_training(model, images):
    """Gradients by parameter, on the model itself."""
    model.train()
    names, parameters = zip(*model.named_parameters())
    return dict(zip(names, torch.autograd.grad(loss_of(model, images), parameters)))


def test_one_linear_layer_by_hand():
    torch.manual_seed(0)
    model, inputs = nn.Sequential(nn.Linear(4, 5)), torch.randn(16, 4)
    weights, x = model[0].weight.detach().numpy().astype(float), inputs.numpy().astype(float)
    logits = x @ weights.T + model[0].bias.detach().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    gradient = (shares - np.eye(5)[LABELS.numpy()]).T @ x / 16
    expected = np.abs(gradient * weights) / np.abs(gradient * weights).sum()
    (scores,) = snip_scores(model, inputs, LABELS).values()
    assert scores.numpy() == pytest.approx(expected, rel=1e-4, abs=1e-8)


def test_a_score_is_what_the_loss_loses_with_the_connection(network_of, images):
    """The definition: the slope of the loss along a factor at the weight, by finite differences in double precision."""
    model, images = network_of("users").double().train(), images.double()
    scores = snip_scores(model, images, LABELS)
    slopes, found = [], []
    with torch.no_grad():
        for name in ("conv.weight", "left.weight", "deep.weight", "hidden.weight", "fc.weight"):
            flat = model.get_parameter(name).data.view(-1)
            for position in range(0, flat.numel(), max(1, flat.numel() // 6)):
                before = float(flat[position])
                losses = []
                for factor in (1 + 1e-4, 1 - 1e-4):
                    flat[position] = factor * before
                    losses.append(float(loss_of(model, images)))
                flat[position] = before
                slopes.append(abs(losses[0] - losses[1]) / 2e-4)
                found.append(float(scores[name].reshape(-1)[position]))
    total = np.dot(slopes, slopes) / np.dot(slopes, found)
    assert np.array(found) * total == pytest.approx(slopes, rel=1e-3, abs=1e-3 * max(slopes))


@pytest.mark.parametrize("linear, skip_ends", [(True, False), (False, False), (True, True)])
def test_they_sum_to_one_and_are_of_the_weights_asked_for(network, images, linear, skip_ends):
    scores = snip_scores(network, images, LABELS, linear=linear, skip_ends=skip_ends)
    assert tuple(scores) == weight_names(network, linear=linear, skip_ends=skip_ends)
    assert math.fsum(float(values.double().sum()) for values in scores.values()) == pytest.approx(1, abs=1e-5)
    for name, values in scores.items():
        assert values.shape == network.get_parameter(name).shape and not values.requires_grad
        assert values.min() >= 0


def test_they_are_the_magnitudes_of_gradient_times_weight(network, images):
    scores = snip_scores(network, images, LABELS)
    gradients = gradients_in_training(network, images)
    products = {name: (gradients[name] * network.get_parameter(name)).detach().abs() for name in scores}
    total = sum(float(product.double().sum()) for product in products.values())
    for name, values in scores.items():
        torch.testing.assert_close(values, (products[name] / total).float(), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("scores_of", [snip_scores, snip_channel_scores])
def test_the_model_is_left_as_it_was(network, images, scores_of):
    network.eval()
    next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d)).train()
    next(network.parameters()).requires_grad_(False)
    for number, parameter in enumerate(network.parameters()):
        parameter.grad = torch.full_like(parameter, float(number)) if number % 2 else None
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    wanted = [parameter.requires_grad for parameter in network.parameters()]
    with torch.no_grad():
        scores_of(network, images, LABELS)
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
    assert [parameter.requires_grad for parameter in network.parameters()] == wanted
    for number, parameter in enumerate(network.parameters()):
        assert torch.all(parameter.grad == number) if number % 2 else parameter.grad is None


def test_mode_does_not_matter_the_batch_statistics_count(network, images):
    first = snip_scores(network.train(), images, LABELS)
    second = snip_scores(network.eval(), images, LABELS)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_channel_is_its_filter_or_what_is_read_of_it(network, images):
    weights = {name: values.double().numpy() for name, values in snip_scores(network, images, LABELS).items()}
    expected = {}
    for unit in units_of(network):
        if unit.producer is not None:
            filters = weights[f"{unit.producer}.weight"]
            expected[unit.name] = [filters[channel].sum() for channel in range(unit.channels)]
        else:
            (reader,) = unit.consumers
            slices = weights[f"{reader.module}.weight"]
            expected[unit.name] = [slices[:, channel].sum() for channel in range(unit.channels)]
    total = sum(map(sum, expected.values()))
    scores = snip_channel_scores(network, images, LABELS)
    assert sum(float(values.double().sum()) for values in scores.values()) == pytest.approx(1, abs=1e-5)
    assert list(scores) == [unit.name for unit in units_of(network)]
    for name, values in scores.items():
        assert values.tolist() == pytest.approx([value / total for value in expected[name]], rel=1e-3)


def test_in_front_of_a_normalisation_the_signed_sum_says_nothing(network_of, images):
    """The loss does not change with a filter's scale there: sum of g w is 0, the sum of |g w| is not."""
    network = network_of("vgg16")
    gradients = gradients_in_training(network, images)
    signed = plain = 0.0
    for unit in units_of(network):
        product = (gradients[f"{unit.producer}.weight"] * network.get_submodule(unit.producer).weight).detach()
        signed += float(product.flatten(1).sum(1).abs().sum())
        plain += float(product.abs().sum())
    assert signed < 1e-3 * plain
    assert min(float(values.max()) for values in snip_channel_scores(network, images, LABELS).values()) > 1e-4


def test_a_filter_in_front_of_a_normalisation_matters_as_much_at_ten_times_its_size(network_of, images):
    network = network_of("vgg16")
    before = snip_channel_scores(network, images, LABELS)
    network.features[3].weight.data *= 10
    after = snip_channel_scores(network, images, LABELS)
    for name in before:
        torch.testing.assert_close(after[name], before[name], rtol=2e-2, atol=1e-5)


def test_nothing_to_rank_by(network_of, images):
    network = network_of("vgg16")
    nn.init.zeros_(network.fc.weight)
    with pytest.raises(RunFailed, match="hangs on none"):
        snip_scores(network, images, LABELS)
    with pytest.raises(RunFailed, match="not finite"):
        snip_scores(network_of("vgg16"), images * math.inf, LABELS)


def test_channels_need_units(images):
    model = nn.Sequential(nn.Conv2d(3, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(UsageError, match="does not declare"):
        snip_channel_scores(model, images, LABELS)


def test_a_weight_that_the_loss_does_not_reach_scores_nothing(images):
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.idle = nn.Conv2d(3, 5, 1), nn.Conv2d(3, 5, 1)

        def forward(self, maps):
            return self.conv(maps).mean((2, 3))

    scores = snip_scores(Idle(), images, LABELS)
    assert torch.all(scores["idle.weight"] == 0) and scores["conv.weight"].sum() > 0.99
