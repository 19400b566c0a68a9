"""The Early-Bird search: both stopping rules on known drifts, the penalty, a user's loop on real images, resuming."""

import json
import warnings

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from energytrain.errors import UsageError
from energytrain.pruning.distance import mask_distance
from energytrain.pruning.early_bird import EarlyBird
from energytrain.pruning.masks import bn_scale_mask, kept_indices
from energytrain.pruning.rebuild import rebuild


class Drifting(nn.Module):
    """1000 channels; `drift(epoch)` keeps the mask's distance between consecutive epochs at 2 * step / 1000."""

    def __init__(self, step):
        super().__init__()
        self.bn = nn.BatchNorm1d(1000)
        self.step = step

    def drift(self, epoch):
        self.bn.weight.data.fill_(0.5)
        self.bn.weight.data[self.step * epoch : self.step * epoch + 500] = 1.0


def epochs_to_draw(model, **settings):
    search = EarlyBird(model, **settings)
    for epoch in range(10):
        model.drift(epoch)
        if search.update():
            return epoch + 1, search
    return None, search


def test_the_papers_rule_fires_at_the_fifth_small_distance():
    epochs, search = epochs_to_draw(Drifting(15))
    assert epochs == search.epoch == search.ticket.draw_epoch == 6
    assert search.distances == [0.03] * 5 == list(search.ticket.distances)
    assert kept_indices(search.mask)["bn"] == list(search.ticket.kept["bn"]) == list(range(75, 575))
    assert (search.ticket.prune_ratio, search.ticket.criterion, search.ticket.align) == (0.5, "bn-scale", 1)


def test_the_released_rule_never_fires_on_a_slow_drift():
    """0.03 an epoch is 0.12 over the four epochs that the released code looks back."""
    assert epochs_to_draw(Drifting(15), rule="released")[0] is None
    assert epochs_to_draw(Drifting(12), rule="released")[0] == 5


@pytest.mark.parametrize("queue, rule, expected", [(1, "paper", 2), (3, "paper", 4), (3, "released", 3)])
def test_the_queue_must_be_full(queue, rule, expected):
    assert epochs_to_draw(Drifting(0), queue=queue, rule=rule)[0] == expected


def test_a_distance_of_eps_is_not_below_it():
    assert epochs_to_draw(Drifting(50), eps=0.1)[0] is None
    assert epochs_to_draw(Drifting(50), eps=0.1001)[0] == 6


def test_one_jump_starts_the_wait_again():
    model = Drifting(15)
    search = EarlyBird(model)
    drawn = []
    for epoch in range(12):
        model.drift(epoch if epoch < 4 else epoch + 10)
        drawn.append(search.update())
    assert search.distances[3] > 0.1
    assert drawn.index(True) + 1 == search.epoch == 10
    assert drawn[9:] == [True] * 3


def test_the_penalty_is_the_subgradient_of_the_l1_norm(network_of, images):
    model = network_of("preresnet20")
    search = EarlyBird(model, l1=0.01)
    model(images).square().mean().backward()
    plain = {name: p.grad.clone() for name, p in model.named_parameters()}
    scales = {f"{name}.weight" for name in bn_scale_mask(model, 0.5)}
    search.penalise()
    for name, parameter in model.named_parameters():
        extra = 0.01 * parameter.detach().sign() if name in scales else torch.zeros_like(parameter)
        assert torch.equal(parameter.grad, plain[name] + extra)


def test_no_penalty_where_none_is_asked_and_none_before_backward(network_of):
    model = network_of("vgg16")
    EarlyBird(model, l1=0.0).penalise()
    assert all(p.grad is None for p in model.parameters())
    with pytest.raises(UsageError, match="after backward"):
        EarlyBird(model).penalise()


def test_a_frozen_scale_is_left_alone(network_of, images):
    model = network_of("vgg16")
    model.features[1].requires_grad_(False)
    model(images).sum().backward()
    EarlyBird(model).penalise()
    assert model.features[1].weight.grad is None


def users_network():
    torch.manual_seed(0)
    hidden = [nn.Linear(64, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Linear(48, 24), nn.BatchNorm1d(24), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(24, 10))


def train_epoch(model, optimiser, search):
    digits = load_digits()
    images, labels = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
    for batch in range(0, 1024, 64):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(images[batch : batch + 64]), labels[batch : batch + 64]).backward()
        search.penalise()
        optimiser.step()


def test_any_loop_on_a_users_own_network_draws_and_resumes_bit_for_bit():
    """Real digits; stopped after three epochs and gone on with from JSON, the same masks, distances and ticket."""
    runs = []
    for stop in (None, 3):
        model = users_network()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        search = EarlyBird(model, ratio=0.4, l1=1e-3)
        for epoch in range(40):
            if epoch == stop:
                saved = json.loads(json.dumps(search.state_dict()))
                search = EarlyBird(model, ratio=0.4, l1=1e-3)
                search.load_state_dict(saved)
            train_epoch(model, optimiser, search)
            if search.update():
                break
        runs.append(search)
    first, second = runs
    assert first.ticket is not None and 6 <= first.epoch < 40
    assert first.ticket == second.ticket and first.distances == second.distances
    assert max(first.distances[-5:]) < 0.1
    assert sum(first.ticket.kept_counts.values()) == 72 - int(72 * 0.4)
    assert first.ticket.widths == {"1": 48, "4": 24}
    with pytest.raises(UsageError, match="Sequential does not declare"):
        rebuild(model, first.ticket)


@pytest.mark.parametrize("rule", ["paper", "released"])
def test_every_state_can_be_saved(rule):
    model = Drifting(12)
    whole, pieces = EarlyBird(model, rule=rule), EarlyBird(model, rule=rule)
    for epoch in range(8):
        model.drift(epoch)
        resumed = EarlyBird(model, rule=rule)
        resumed.load_state_dict(json.loads(json.dumps(pieces.state_dict())))
        pieces = resumed
        assert whole.update() == pieces.update()
        assert json.dumps(whole.state_dict()) == json.dumps(pieces.state_dict())
    assert whole.ticket is not None


def test_a_state_of_other_settings_or_networks_is_refused(network_of):
    state = EarlyBird(network_of("vgg16")).state_dict()
    for other in (EarlyBird(network_of("vgg19")), EarlyBird(network_of("vgg16"), ratio=0.3)):
        with pytest.raises(UsageError, match="another network or of other settings"):
            other.load_state_dict(state)


def test_the_mask_is_the_networks_and_a_wrapper_does_not_matter(network_of):
    model = network_of("resnet18")
    search = EarlyBird(nn.DataParallel(model), ratio=0.3)
    assert search.mask is None
    search.update()
    assert mask_distance(search.mask, bn_scale_mask(model, 0.3)) == 0.0


@pytest.mark.parametrize("ratio, eps, loose", [(0.1, 0.1, True), (0.9, 0.1, True), (0.3, 0.1, False), (0.3, 0.3, True)])
def test_a_loose_eps_is_said(network_of, ratio, eps, loose):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        EarlyBird(network_of("vgg16"), ratio=ratio, eps=eps)
    assert [f"eps = {eps} is loose" in str(w.message) for w in caught] == [True] * loose


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"ratio": 1.0}, "prune ratio"),
        ({"eps": 0.0}, "eps is 0.0"),
        ({"eps": 1.1}, "eps is 1.1"),
        ({"l1": -1.0}, "L1 weight"),
        ({"queue": 0}, "queue is 0"),
        ({"queue": 1, "rule": "released"}, "queue is 1"),
        ({"rule": "relased"}, "Did you mean 'released'"),
    ],
)
def test_arguments_out_of_range(network_of, settings, words):
    with pytest.raises(UsageError, match=words):
        EarlyBird(network_of("vgg16"), **settings)


def test_a_network_without_batch_normalisation_is_refused():
    with pytest.raises(UsageError, match="Linear has no batch normalisation"):
        EarlyBird(nn.Linear(2, 2))
