"""FP8 on a GPU that has it gives what the same code gives on the CPU; run by `make test-gpu`."""

from typing import Any, Dict, List

import pytest
import torch
from fakes import fp8_arithmetic as by_hand
from torch.nn import functional

from energytrain.models.catalog import build
from energytrain.precision.fp8 import fp8_unavailable, native_fp8
from energytrain.precision.fp8_convolution import Geometry, fp8_conv2d
from energytrain.precision.fp8_matmul import E4M3, E5M2, to_fp8

pytestmark = pytest.mark.gpu
GPU = torch.device("cuda")


@pytest.fixture(autouse=True)
def needs_native_fp8() -> None:
    reason = "there is no GPU" if not torch.cuda.is_available() else fp8_unavailable(GPU) or by_hand.missing()
    if reason is not None:
        pytest.skip(reason)


@pytest.mark.parametrize("form", [E4M3, E5M2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_tensor_has_the_same_codes_and_scale(form: Any, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    values = (torch.randn(100, 37) * torch.exp2(torch.empty(100, 37).uniform_(-30, 0))).to(dtype)
    margins = ((0, 12), (0, 11))
    here, there = to_fp8(values, form, margins), to_fp8(values.to(GPU), form, margins)
    assert torch.equal(here.codes, there.codes.cpu()) and here.scale.item() == there.scale.item()


@pytest.mark.parametrize(
    ("inputs", "outputs", "kernel", "geometry"),
    [
        (64, 128, 3, Geometry(padding=((1, 1), (1, 1)))),
        (37, 50, 3, Geometry(padding=((1, 1), (1, 1)))),
        (32, 64, 3, Geometry((2, 2), ((1, 1), (1, 1)))),
        (32, 64, 1, Geometry((2, 2))),
        (64, 10, 1, Geometry()),
    ],
)
def test_a_convolution_is_the_cpus(inputs: int, outputs: int, kernel: int, geometry: Geometry) -> None:
    """The operands are the same; only the order and the width of the sums differ."""
    torch.manual_seed(0)
    images, weight = torch.randn(5, inputs, 9, 9), 0.1 * torch.randn(outputs, inputs, kernel, kernel)
    results: Dict[str, List[torch.Tensor]] = {}
    for device in ("cpu", "cuda"):
        x, w = (tensor.detach().to(device).requires_grad_() for tensor in (images, weight))
        y = fp8_conv2d(x, w, None, geometry, torch.float32)
        y.backward(torch.linspace(-1, 1, y.numel(), device="cpu").view(y.shape).to(device))
        assert x.grad is not None and w.grad is not None
        results[device] = [tensor.detach().cpu().double() for tensor in (y, x.grad, w.grad)]
    for here, there in zip(results["cpu"], results["cuda"]):
        assert (here - there).norm() <= 1e-3 * here.norm()


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_what_is_not_finite_shows(bad: float) -> None:
    images = torch.ones(2, 16, 4, 4, device=GPU)
    images[0, 3, 1, 1] = bad
    result = fp8_conv2d(images, torch.ones(16, 16, 1, 1, device=GPU), None, Geometry(), torch.float32)
    assert torch.isnan(result).any()


def test_a_network_trains() -> None:
    torch.manual_seed(0)
    model = build("vgg16", classes=10, width=0.5).to(GPU, memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    images, labels = torch.randn(64, 3, 32, 32, device=GPU), torch.arange(64, device=GPU) % 10
    forward, losses = native_fp8(model, GPU), []
    for _ in range(30):
        optimiser.zero_grad(set_to_none=True)
        with forward:
            logits = model(images)
        loss = functional.cross_entropy(logits.float(), labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
