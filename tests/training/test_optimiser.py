"""The optimiser's form per device and version, and that every form is the same SGD."""

import pytest
import torch

from energytrain.training.optimiser import make_sgd, set_lr, torch_version, update_flags


@pytest.mark.parametrize(
    ("device", "version", "flags"),
    [
        ("cpu", (1, 13), {}),
        ("cpu", (2, 3), {}),
        ("cpu", (2, 4), {"fused": True}),
        ("cuda", (1, 13), {"foreach": True}),
        ("cuda", (2, 3), {"fused": True}),
        ("meta", (2, 13), {}),
    ],
)
def test_the_fastest_form_that_a_torch_has(device: str, version: "tuple[int, int]", flags: "dict[str, bool]") -> None:
    assert update_flags(device, version) == flags


@pytest.mark.parametrize("nesterov", [False, True])
def test_it_is_the_sgd_of_the_book(nesterov: bool) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(5, 3)
    weights = [p.detach().clone().double() for p in model.parameters()]
    velocity = [torch.zeros_like(w) for w in weights]
    optimiser = make_sgd(model, lr=0.3, momentum=0.9, weight_decay=0.01, nesterov=nesterov)
    for step in range(4):
        rate = 0.3 / (step + 1)
        set_lr(optimiser, rate)
        for index, parameter in enumerate(model.parameters()):
            gradient = torch.randn(parameter.shape)
            parameter.grad = gradient.clone()
            total = gradient.double() + 0.01 * weights[index]
            velocity[index] = 0.9 * velocity[index] + total
            weights[index] -= rate * (total + 0.9 * velocity[index] if nesterov else velocity[index])
        optimiser.step()
    for parameter, expected in zip(model.parameters(), weights):
        assert torch.allclose(parameter.double(), expected, atol=1e-6)


def test_frozen_weights_are_left_out() -> None:
    model = torch.nn.Linear(5, 3)
    model.weight.requires_grad_(False)
    optimiser = make_sgd(model, lr=0.1)
    assert [id(p) for group in optimiser.param_groups for p in group["params"]] == [id(model.bias)]
    model.bias.requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter"):
        make_sgd(model, lr=0.1)


def test_the_version_is_this_torch() -> None:
    assert torch.__version__.startswith("{}.{}.".format(*torch_version()))
