"""Training in block floating point: what is rounded, in which order, and that nothing of it stays."""

import copy
from typing import Any, List, Tuple

import numpy as np
import pytest
import torch
from torch import nn

import energytrain
from energytrain.data.catalog import load
from energytrain.errors import UsageError
from energytrain.models.catalog import build
from energytrain.models.matrix_layers import matrix_layers
from energytrain.precision.arithmetic import evaluating_in
from energytrain.precision.block_float import quantise_all
from energytrain.precision.low_precision import LowPrecision
from energytrain.training.evaluate import evaluate
from energytrain.training.loop import train_epoch
from energytrain.training.optimiser import make_sgd
from energytrain.training.schedule import Schedule


def on_grid(tensor: torch.Tensor, bits: int = 8) -> bool:
    """Whether every number is a whole multiple of its block's step; blocks are the indices of dimension 0."""
    for block in tensor.detach().double().numpy().reshape(tensor.shape[0], -1):
        largest = np.abs(block).max()
        if largest == 0:
            continue
        step = 2.0 ** (np.floor(np.log2(largest)) - (bits - 2))
        whole = block / step
        if not (np.array_equal(whole, np.round(whole)) and np.abs(whole).max() <= 2 ** (bits - 1) - 1):
            return False
    return True


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


def batch(images: int = 8) -> Tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(images, 1, 6, 6, generator=generator), torch.randint(0, 3, (images,), generator=generator)


def take_steps(low: LowPrecision, model: nn.Module, count: int) -> None:
    images, labels = batch()
    for _ in range(count):
        model.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        low.step()


class Watched(torch.optim.SGD):
    """Keeps what the optimiser was given."""

    def step(self, closure: Any = None) -> None:
        self.gradients: List[torch.Tensor] = [p.grad.clone() for p in self.param_groups[0]["params"]]
        self.weights: List[torch.Tensor] = [p.detach().clone() for p in self.param_groups[0]["params"]]
        super().step(closure)


def test_gradients_weights_and_momentum_lie_on_the_grid() -> None:
    model = network()
    optimiser = Watched(model.parameters(), lr=0.1, momentum=0.9)
    with LowPrecision(model, optimiser) as low:
        assert all(on_grid(parameter) for parameter in model.parameters()), "before the first step"
        take_steps(low, model, 3)
        assert all(on_grid(gradient) for gradient in optimiser.gradients)
        assert all(on_grid(parameter) for parameter in model.parameters())
        assert all(on_grid(optimiser.state[parameter]["momentum_buffer"]) for parameter in model.parameters())


def test_a_step_rounds_gradients_then_updates_then_rounds_weights_then_momentum() -> None:
    """Replayed by hand with the same random numbers, parameter after parameter."""
    model = network()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    with LowPrecision(model, optimiser) as low:
        take_steps(low, model, 1)
        images, labels = batch()
        model.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        before = [
            (p.detach().clone(), p.grad.clone(), optimiser.state[p]["momentum_buffer"].clone())
            for p in low.model.parameters()
        ]  # type: ignore[union-attr]
        state = torch.get_rng_state()
        low.step()
    torch.set_rng_state(state)
    gradients = [gradient for _, gradient, _ in before]
    quantise_all(gradients)
    momenta = [0.9 * momentum + (g + 0.01 * weight) for (weight, _, momentum), g in zip(before, gradients)]
    weights = [weight - 0.1 * momentum for (weight, _, _), momentum in zip(before, momenta)]
    quantise_all(weights)
    quantise_all(momenta)
    for parameter, weight, momentum in zip(model.parameters(), weights, momenta):
        torch.testing.assert_close(parameter.detach(), weight, rtol=0, atol=1e-7)
        torch.testing.assert_close(optimiser.state[parameter]["momentum_buffer"], momentum, rtol=0, atol=1e-7)


def test_outputs_of_layers_are_rounded_by_sample_but_not_the_last_one_nor_what_lies_between() -> None:
    model = network()
    seen = {}
    with LowPrecision(model):
        for index in (0, 1, 3, 7):
            model[index].register_forward_hook(lambda layer, inputs, output, index=index: seen.update({index: output}))
        model(batch()[0])
    assert on_grid(seen[0]) and on_grid(seen[3])
    assert not on_grid(seen[1]) and not on_grid(seen[7])


def test_errors_are_rounded_by_sample_where_a_layer_ends() -> None:
    """With the identity as input, the weight's gradient is the error itself, a column for each sample."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4, bias=False), nn.Linear(4, 3, bias=False))
    with LowPrecision(model):
        nn.functional.cross_entropy(model(torch.eye(5)), torch.tensor([0, 1, 2, 0, 1])).backward()
    assert on_grid(model[0].weight.grad.T) and not on_grid(model[0].weight.grad)
    assert not on_grid(model[1].weight.grad.T)


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_stays_on_the_network(fails: bool) -> None:
    model = network()
    plain = copy.deepcopy(model)
    try:
        with LowPrecision(model, make_sgd(model, 0.1)) as low:
            take_steps(low, model, 1)
            if fails:
                raise RuntimeError("stop")
    except RuntimeError:
        assert fails
    plain.load_state_dict(model.state_dict())
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(model.eval()(batch()[0]), plain.eval()(batch()[0]))


def test_entering_again_changes_no_weight() -> None:
    model = network()
    with LowPrecision(model, make_sgd(model, 0.1)) as low:
        take_steps(low, model, 2)
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    state = torch.get_rng_state()
    with LowPrecision(model):
        pass
    assert all(torch.equal(now, then) for now, then in zip(model.parameters(), weights))
    assert torch.equal(torch.get_rng_state(), state), "resuming draws no random numbers of its own"


def test_master_weights_are_fp32_outside_and_rounded_inside() -> None:
    model = network()
    optimiser = Watched(model.parameters(), lr=0.01, momentum=0.9)
    start = [parameter.detach().clone() for parameter in model.parameters()]
    with LowPrecision(model, optimiser, master_weights=True) as low:
        assert all(on_grid(parameter) for parameter in model.parameters())
        take_steps(low, model, 1)
        assert all(torch.equal(now, then) for now, then in zip(optimiser.weights, start)), "the update sees the masters"
        assert all(on_grid(parameter) for parameter in model.parameters())
    assert not on_grid(model[0].weight)
    expected = start[0] - 0.01 * optimiser.gradients[0]
    torch.testing.assert_close(model[0].weight.detach(), expected, rtol=0, atol=1e-8)


def test_updates_too_small_for_the_grid_add_up_in_master_weights() -> None:
    """A gradient of 1 at a rate of a hundredth of a step: a hundred of them move a master by one step."""
    layer = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        layer[0].weight.fill_(1.0)
    step = 2.0**-6
    optimiser = torch.optim.SGD([layer[0].weight], lr=step / 100)
    with LowPrecision(layer, optimiser, master_weights=True) as low:
        for _ in range(100):
            layer[0].weight.grad = torch.ones(1, 1)
            low.step()
    assert float(layer[0].weight.detach()) == pytest.approx(1.0 - step, abs=1e-5)


def test_judging_rounds_a_copy_and_draws_nothing() -> None:
    model = network().eval()
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    state = torch.get_rng_state()
    with evaluating_in("bfp8", model), torch.no_grad():
        first, second = model(batch()[0]), model(batch()[0])
    assert torch.equal(first, second) and not torch.equal(first, model(batch()[0]))
    assert all(torch.equal(now, then) for now, then in zip(model.parameters(), weights))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_word_length_outside_4_to_16_is_refused() -> None:
    with pytest.raises(UsageError, match="4"):
        with LowPrecision(network(), bits=3):
            pass


@pytest.mark.parametrize("bits", [4, 12, 16])
def test_other_word_lengths(bits: int) -> None:
    model = network()
    with LowPrecision(model, make_sgd(model, 0.1), bits=bits) as low:
        take_steps(low, model, 2)
    assert all(on_grid(parameter, bits) for parameter in model.parameters())


class Own(nn.Module):
    """A network of a user's: other layers, one used twice, no sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(2, 4, 3, padding=1)
        self.again = nn.Conv1d(4, 4, 3, padding=1)
        self.last = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.again(torch.relu(self.first(x)))
        return self.last(torch.relu(self.again(x)).mean(dim=2))


def test_a_network_of_a_users_own() -> None:
    torch.manual_seed(0)
    model = Own()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    labels = torch.arange(64) % 2
    images = torch.randn(64, 2, 10) + 2.0 * labels[:, None, None]
    with energytrain.LowPrecision(model, optimiser) as low:
        losses = []
        for _ in range(100):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            low.step()
            losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("name", ["vgg16", "preresnet20", "resnet20", "resnet18"])
def test_every_network_of_the_catalog(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, classes=10, width=0.125)
    assert list(matrix_layers(model))[-1] == [n for n, m in model.named_modules() if isinstance(m, nn.Linear)][-1]
    with LowPrecision(model, make_sgd(model, 0.1)) as low:
        images, labels = torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 3])
        nn.functional.cross_entropy(model(images), labels).backward()
        low.step()
    assert all(on_grid(parameter) for parameter in model.parameters())


def test_the_training_loop_learns_in_eight_bits() -> None:
    """Digits, some steps: the loss falls about as far as in fp32."""
    data, losses = load("digits", limit=512), {}
    for precision in ("fp32", "bfp8"):
        torch.manual_seed(0)
        model = build("vgg16", classes=10, channels=data.info.channels, size=data.info.size, width=0.125)
        optimiser = make_sgd(model, 0.05)
        for epoch in range(4):
            batches = data.train.batches(epoch, 64)
            stats = train_epoch(model, batches, optimiser, Schedule(0.05, 4), epoch, steps=8, precision=precision)
        losses[precision] = stats.loss
        assert evaluate(model, data.train.batches(0, 64), precision=precision).loss is not None
    assert losses["bfp8"] < 2.0 and losses["bfp8"] == pytest.approx(losses["fp32"], abs=0.4)
