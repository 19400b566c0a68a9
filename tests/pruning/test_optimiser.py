"""Training goes on across a rebuild: one step with carried momentum is the masked network's step on kept channels."""

import copy

import pytest
import torch
from torch import nn

from energytrain.errors import UsageError
from energytrain.pruning.masks import apply_mask, bn_scale_mask
from energytrain.pruning.optimiser import carry_optimiser
from energytrain.pruning.rebuild import rebuild, ticket_plan
from energytrain.pruning.surgery import cut

LABELS = torch.arange(16) % 5
OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=1e-3),
}


def step(model, optimiser, images):
    optimiser.zero_grad()
    nn.functional.cross_entropy(model.train()(images), LABELS).backward()
    optimiser.step()


@pytest.mark.parametrize("kind", sorted(OPTIMISERS))
def test_a_step_with_carried_momentum_is_the_masked_step(network, images, kind):
    network, images = network.double(), images.double()
    optimiser = OPTIMISERS[kind](network.parameters())
    for _ in range(2):
        step(network, optimiser, images)
    mask = bn_scale_mask(network, 0.5)
    small = rebuild(network, mask)
    carried = OPTIMISERS[kind](network.parameters())
    carried.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    carry_optimiser(carried, network, small, mask)
    apply_mask(network, mask)
    plan = ticket_plan(network, mask)
    before = {name: p.detach().clone() for name, p in small.named_parameters()}
    step(network, optimiser, images)
    step(small, carried, images)
    masked = dict(network.named_parameters())
    for name, parameter in small.named_parameters():
        assert not torch.equal(parameter, before[name])
        assert torch.allclose(parameter, cut(masked[name], plan.get(name, [])), rtol=1e-6, atol=1e-8), name


def test_without_momentum_the_step_would_differ(network_of, images):
    """What the test above would miss if nothing were carried."""
    model = network_of("vgg16")
    optimiser = OPTIMISERS["sgd"](model.parameters())
    for _ in range(2):
        step(model, optimiser, images)
    mask = bn_scale_mask(model, 0.5)
    small, fresh = rebuild(model, mask), rebuild(model, mask)
    carry_optimiser(optimiser, model, small, mask)
    step(small, optimiser, images)
    step(fresh, OPTIMISERS["sgd"](fresh.parameters()), images)
    assert (small.fc.weight - fresh.fc.weight).abs().max() > 1e-4


def test_groups_schedulers_and_strangers_stay(network_of, images):
    model, stranger = network_of("resnet18"), nn.Parameter(torch.zeros(3))
    norms = [p for name, p in model.named_parameters() if "bn" in name]
    rest = [p for name, p in model.named_parameters() if "bn" not in name]
    optimiser = torch.optim.SGD([{"params": rest}, {"params": [*norms, stranger], "weight_decay": 0.0}], 0.1, 0.9)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimiser, [1], 0.1)
    stranger.grad = torch.ones(3)
    nn.functional.cross_entropy(model(images), LABELS).backward()
    optimiser.step()
    mask = bn_scale_mask(model, 0.5)
    small = rebuild(model, mask)
    carry_optimiser(optimiser, model, small, mask)
    scheduler.step()
    assert [group["lr"] for group in optimiser.param_groups] == [pytest.approx(0.01)] * 2
    assert optimiser.param_groups[1]["weight_decay"] == 0.0
    assert optimiser.param_groups[1]["params"][-1] is stranger and stranger in optimiser.state
    held = {id(p) for group in optimiser.param_groups for p in group["params"]}
    assert held == {id(p) for p in small.parameters()} | {id(stranger)}
    assert len(optimiser.state) == len(held)
    assert all(s["momentum_buffer"].shape == p.shape for p, s in optimiser.state.items())


def test_a_fresh_optimiser_has_nothing_to_carry(network_of, images):
    model = network_of("preresnet20")
    optimiser = OPTIMISERS["adam"](model.parameters())
    mask = bn_scale_mask(model, 0.5)
    small = rebuild(model, mask)
    carry_optimiser(optimiser, model, small, mask)
    assert len(optimiser.state) == 0
    step(small, optimiser, images)


def test_another_ticket_is_refused_and_nothing_is_touched(network_of, images):
    model = network_of("vgg16")
    optimiser = OPTIMISERS["sgd"](model.parameters())
    step(model, optimiser, images)
    small = rebuild(model, bn_scale_mask(model, 0.3))
    with pytest.raises(UsageError, match="Rebuild with the same ticket"):
        carry_optimiser(optimiser, model, small, bn_scale_mask(model, 0.6))
    assert optimiser.param_groups[0]["params"][0] is next(model.parameters())
    step(model, optimiser, images)
