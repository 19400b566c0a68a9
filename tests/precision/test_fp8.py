"""Native FP8 of a network: which layers run in it, what is left behind, that it trains; and which devices have it."""

import copy
from typing import Any, Dict, List, Tuple

import pytest
import torch
from fakes import fp8_arithmetic as by_hand
from fakes.fp8_arithmetic import needs_fp8
from torch import nn
from torch.nn import functional

from energytrain.costs.fp8_bill import fp8_bill, fp8_share
from energytrain.errors import UsageError
from energytrain.models.catalog import build
from energytrain.precision.autocast import autocast
from energytrain.precision.block_float import quantise
from energytrain.precision.fp8 import fp8_layers, fp8_unavailable, native_fp8
from energytrain.quantities.ledger import MATRIX_KINDS, spend

CPU = torch.device("cpu")
GPU = torch.device("cuda:0")
IMAGE = (3, 16, 16)


def test_there_are_products_to_test_with_in_the_torch_that_this_is_developed_on() -> None:
    """Else every test of native FP8 would be passed over unseen."""
    version = tuple(int(part) for part in str(torch.__version__).split(".")[:2])
    assert version < (2, 13) or by_hand.missing() is None


def entered(model: nn.Module) -> Any:
    return native_fp8(model, CPU, allow_cpu=True)


def conv_types(model: nn.Module, images: torch.Tensor) -> Dict[str, torch.dtype]:
    """What each layer returns, by its name."""
    types: Dict[str, torch.dtype] = {}
    handles = [
        layer.register_forward_hook(lambda layer, inputs, output, name=name: types.update({name: output.dtype}))
        for name, layer in model.named_modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear, nn.BatchNorm2d))
    ]
    with entered(model):
        model(images)
    for handle in handles:
        handle.remove()
    return types


def attributes(model: nn.Module) -> List[Tuple[type, Tuple[str, ...]]]:
    return [(type(module), tuple(vars(module))) for module in model.modules()]


@needs_fp8
def test_the_layers_that_can_run_in_fp8_and_the_rest_in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = by_hand.strict(monkeypatch)
    model = build("vgg16", classes=10, width=0.25, size=16)
    layers = fp8_layers(model)
    assert [name for name, reason in layers.items() if reason is not None] == ["features.0"]
    assert "3 channels in and 16 out" in str(layers["features.0"]) and "5.3 times the work" in str(layers["features.0"])
    assert set(conv_types(model, torch.randn(4, *IMAGE)).values()) == {torch.bfloat16}
    assert len(noted) == len(layers) - 1 == 13


@needs_fp8
def test_a_layer_that_falls_back_computes_as_with_bf16() -> None:
    torch.manual_seed(0)
    model = nn.Conv2d(3, 8, 3)
    images = torch.randn(2, *IMAGE)
    with entered(model):
        found = model(images)
    with autocast("bf16", CPU):
        assert torch.equal(found, model(images))


class OwnForward(nn.Linear):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return functional.linear(inputs, self.weight * 2, self.bias)


class Renamed(nn.Conv2d):
    pass


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (nn.Conv2d(16, 16, 3), None),
        (Renamed(16, 16, 3, padding="same", dilation=2, stride=1), None),
        (nn.Conv2d(8, 16, 3), None),  # twice the work at twice the rate
        (nn.Linear(512, 10), None),
        (nn.Conv2d(32, 32, 3, groups=32), "32 groups"),
        (nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect"), "'reflect'"),
        (nn.ConvTranspose2d(16, 16, 3), "ConvTranspose2d has no FP8 form"),
        (nn.Conv1d(16, 16, 3), "Conv1d has no FP8 form"),
        (OwnForward(16, 16), "OwnForward has a forward of its own"),
        (nn.Linear(16, 7), "2.3 times the work"),
    ],
)
def test_why_a_layer_does_not_run_in_fp8(layer: nn.Module, why: Any) -> None:
    (reason,) = fp8_layers(layer).values()
    assert reason is None if why is None else why in str(reason)


@needs_fp8
@pytest.mark.parametrize(
    "options",
    [
        {"padding": "same", "dilation": 2, "kernel_size": 3},
        {"padding": "same", "kernel_size": 4},
        {"padding": "valid", "kernel_size": 3, "stride": 2},
        {"padding": (2, 1), "kernel_size": (5, 3), "bias": False},
    ],
)
def test_every_way_to_write_a_convolution(options: Dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 16, **options)
    images = torch.randn(2, 16, 9, 10)
    with entered(layer):
        found, alone = layer(images), layer(images[0])
    exact = copy.deepcopy(layer)
    with torch.no_grad():
        exact.weight.copy_(by_hand.rounded(layer.weight, "e4m3"))
    expected = exact(by_hand.rounded(images, "e4m3").float())
    torch.testing.assert_close(found.float(), expected, atol=2e-2, rtol=2.0**-7)
    assert alone.shape == found[0].shape


@needs_fp8
def test_nothing_is_left_on_the_network() -> None:
    model = build("preresnet20", classes=10, width=0.5)
    before, keys, parameters = attributes(model), list(model.state_dict()), list(model.parameters())
    context = entered(model)
    assert attributes(model) == before
    for _ in range(2):  # entered once a step
        with context:
            assert attributes(model) != before
            assert list(model.state_dict()) == keys
        assert attributes(model) == before
    with pytest.raises(ZeroDivisionError), context:
        raise ZeroDivisionError
    assert attributes(model) == before
    assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype is torch.float32
    with context, context:
        assert attributes(model) != before
    assert attributes(model) == before
    assert all(a is b for a, b in zip(model.parameters(), parameters))


@needs_fp8
def test_a_forward_that_was_there_before_comes_back() -> None:
    layer = nn.Linear(16, 16)
    context = entered(layer)
    own = layer.forward
    layer.__dict__["forward"] = own
    with context:
        assert vars(layer)["forward"] is not own
    assert vars(layer)["forward"] is own
    assert "forward of its own" in str(fp8_layers(layer)[""])


@needs_fp8
def test_a_copy_made_meanwhile_computes_with_its_own_weights() -> None:
    layer = nn.Linear(16, 16, bias=False)
    with entered(layer):
        copied = copy.deepcopy(layer)
        with torch.no_grad():
            copied.weight.zero_()
        assert not copied(torch.ones(2, 16)).any() and layer(torch.ones(2, 16)).any()


@needs_fp8
def test_weights_gradients_and_momentum_stay_float32() -> None:
    model = build("vgg16", classes=10, width=0.125, size=16)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    with entered(model):
        logits = model(torch.randn(4, *IMAGE))
    functional.cross_entropy(logits.float(), torch.tensor([1, 2, 3, 4])).backward()
    optimiser.step()
    for parameter in model.parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0
        assert parameter.dtype is parameter.grad.dtype is torch.float32
        assert optimiser.state[parameter]["momentum_buffer"].dtype is torch.float32


@needs_fp8
def test_the_share_on_the_bill_is_what_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    """With widths that are multiples of 16 padding adds nothing, so the products themselves can be counted."""
    noted = by_hand.strict(monkeypatch)
    for name, classes in (("vgg16", 16), ("resnet18", 16)):
        noted.clear()
        model = build(name, classes=classes, width=0.25, size=32)
        bill = fp8_bill(model, (3, 32, 32), fp8_layers(model))
        with entered(model):
            logits = model(torch.randn(16, 3, 32, 32))
        functional.cross_entropy(logits.float(), torch.arange(16)).backward()
        ledger = spend(bill.training, "train", images=16, steps=1)
        for precision, other in (("fp8_e4m3", torch.float8_e4m3fn), ("fp8_e5m2", torch.float8_e5m2)):
            ran = sum(product.flops for product in noted if product.types[0] is other)
            assert ledger.flops(precision=precision) == ran
        share = fp8_share(bill, fp8_layers(model))
        total = ledger.flops(kinds=MATRIX_KINDS)
        assert share.total == pytest.approx(sum(product.flops for product in noted) / total)


def losses(model: nn.Module, precision: str, steps: int) -> List[float]:
    """A few steps on digits-like images: a class is a pattern, an image one of them with noise."""
    torch.manual_seed(3)
    patterns = torch.randn(10, *IMAGE)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    context = entered(model) if precision == "fp8" else autocast(precision, CPU)
    seen = []
    for _ in range(steps):
        labels = torch.randint(0, 10, (32,))
        images = patterns[labels] + 0.5 * torch.randn(32, *IMAGE)
        optimiser.zero_grad(set_to_none=True)
        with context:
            logits = model(images)
        loss = functional.cross_entropy(logits.float(), labels)
        loss.backward()
        optimiser.step()
        seen.append(loss.item())
    return seen


@needs_fp8
def test_a_small_network_learns_as_it_does_in_float32() -> None:
    torch.manual_seed(0)
    model = build("vgg16", classes=10, width=0.125, size=16)
    twin = copy.deepcopy(model)
    fp8, fp32 = losses(model, "fp8", 25), losses(twin, "fp32", 25)
    assert fp8[0] == pytest.approx(fp32[0], rel=0.02)
    last = sum(fp8[-5:]) / 5
    assert last < 0.6 * fp8[0]
    assert last == pytest.approx(sum(fp32[-5:]) / 5, abs=0.3)
    with entered(model.eval()), torch.no_grad():
        assert torch.isfinite(model(torch.randn(4, *IMAGE))).all()


@needs_fp8
def test_the_same_step_twice_is_the_same_to_the_bit() -> None:
    torch.manual_seed(0)
    model = build("vgg16", classes=10, width=0.125, size=16)
    assert losses(copy.deepcopy(model), "fp8", 3) == losses(copy.deepcopy(model), "fp8", 3)


@needs_fp8
def test_a_layers_error_is_of_the_order_of_block_floating_points() -> None:
    """8 bits of block floating point have one exponent and 6 bits behind it, e4m3 4 bits of exponent and 3."""
    torch.manual_seed(0)
    layer = nn.Conv2d(32, 32, 3, padding=1, bias=False)
    images = torch.randn(4, 32, 8, 8)
    exact = layer(images).double()
    with entered(layer):
        fp8 = layer(images).double()
    weight = quantise(layer.weight, 8, rounding="nearest")
    block = functional.conv2d(quantise(images, 8, rounding="nearest"), weight, padding=1).double()
    ratio = ((fp8 - exact).norm() / (block - exact).norm()).item()
    assert 0.25 < ratio < 4.0


def test_a_cpu_has_no_native_fp8() -> None:
    assert "'cpu' has no FP8 arithmetic" in str(fp8_unavailable(CPU))
    with pytest.raises(UsageError, match="Use --precision bf16"):
        native_fp8(nn.Linear(16, 16), CPU)


@pytest.mark.parametrize(("capability", "has"), [((7, 5), False), ((8, 6), False), ((8, 9), True), ((9, 0), True)])
def test_fp8_begins_with_ada(monkeypatch: pytest.MonkeyPatch, capability: "tuple[int, int]", has: bool) -> None:
    monkeypatch.setattr(torch, "__version__", "2.9.1+cu128")
    monkeypatch.setattr(torch, "_scaled_mm", None, raising=False)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    reason = fp8_unavailable(GPU)
    assert (
        reason is None
        if has
        else f"Some GPU has no FP8 arithmetic: its compute capability is {capability[0]}." in (reason or "")
    )


def test_an_old_torch_and_another_makers_gpu_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch, "__version__", "1.13.1")
    assert "this torch (1.13.1) has no FP8 matrix products" in str(fp8_unavailable(GPU))
    with pytest.raises(UsageError, match="1.13.1"):
        entered(nn.Linear(16, 16))
    monkeypatch.setattr(torch, "__version__", "2.9.0+rocm6.4")
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert "AMD" in str(fp8_unavailable(GPU))
