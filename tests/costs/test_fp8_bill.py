"""The bill of native FP8: the same FLOPs as in bf16 under other names, and bytes by hand."""

from dataclasses import replace
from typing import Dict, List, Optional

import pytest
import torch
from torch import nn

from energytrain.costs.bill import network_bill
from energytrain.costs.fp8_bill import fp8_bill, fp8_share
from energytrain.models.catalog import build
from energytrain.precision.fp8 import fp8_layers
from energytrain.quantities.ledger import MATRIX_KINDS, NetworkBill, WorkItem, spend

IMAGE = (3, 32, 32)


def flops(items: "tuple[WorkItem, ...]") -> Dict[str, int]:
    found: Dict[str, int] = {}
    for item in items:
        if item.kind in MATRIX_KINDS:
            found[item.precision] = found.get(item.precision, 0) + item.flops_per_image
    return found


def of(bill: NetworkBill, layer: str, stage: str) -> List[WorkItem]:
    return [item for item in bill.training if (item.layer, item.stage) == (layer, stage)]


@pytest.mark.parametrize("name", ["vgg16", "preresnet20", "resnet18"])
def test_flops_are_those_of_bf16_and_only_layers_that_run_in_fp8_are_renamed(name: str) -> None:
    model = build(name, classes=10, width=0.5)
    layers = fp8_layers(model)
    bill, plain = fp8_bill(model, IMAGE, layers), network_bill(model, IMAGE, precision="bf16")
    assert bill.training_flops_per_image == plain.training_flops_per_image
    assert (bill.macs, bill.parameters) == (plain.macs, plain.parameters)
    for item in bill.training:
        if item.kind in MATRIX_KINDS:
            expected = "bf16" if layers[item.layer] else "fp8_e4m3" if item.stage == "forward" else "fp8_e5m2"
            assert item.precision == expected
    others = [item for item in bill.training if item.kind not in (*MATRIX_KINDS, "cast")]
    assert others == [item for item in plain.training if item.kind not in MATRIX_KINDS]
    assert sum(flops(bill.evaluation).values()) == sum(flops(plain.evaluation).values())
    assert set(flops(bill.evaluation)) == {"fp8_e4m3", "bf16"}


def test_of_vgg16_nearly_everything_runs_in_fp8() -> None:
    model = build("vgg16", classes=10)
    layers = fp8_layers(model)
    share = fp8_share(fp8_bill(model, IMAGE, layers), layers)
    # Forward and backward FLOPs of an image by torch's own counter; the first layer has no input gradient.
    total, first = 1_875_671_040, 2 * 3 * 64 * 9 * 32 * 32
    assert share.e4m3 == pytest.approx((2 * 313_201_664 - first) / total)
    assert share.total == pytest.approx(1 - 2 * first / total)
    assert share.native and "99.6%" in str(share) and str(share).endswith("native")
    ((layer, part, why),) = share.rest
    assert layer == "features.0" and part == pytest.approx(2 * first / total) and "3 channels" in why


@pytest.mark.parametrize(
    ("name", "width", "total"),
    [("vgg16", 0.25, 0.985), ("vgg16", 0.125, 0.853), ("preresnet20", 1.0, 0.991), ("resnet18", 1.0, 0.956)],
)
def test_the_shares_that_the_page_on_precision_has(name: str, width: float, total: float) -> None:
    model = build(name, classes=10, width=width)
    layers = fp8_layers(model)
    share = fp8_share(fp8_bill(model, IMAGE, layers), layers)
    assert share.total == pytest.approx(total, abs=0.0005)
    assert share.native == (total >= 0.9) and ("not native" in str(share)) == (total < 0.9)
    assert share.total + sum(part for _, part, _ in share.rest) == pytest.approx(1.0)


class Loose(nn.Module):
    """Multiplies once by a layer, twice over, and once without a layer's own forward."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 64)
        self.weight = nn.Parameter(torch.ones(64, 64))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(self.layer(self.layer(images.flatten(1))), self.weight)


def test_what_no_layer_multiplies_is_not_counted_as_fp8() -> None:
    model = Loose()
    layers = fp8_layers(model)
    share = fp8_share(fp8_bill(model, (1, 8, 8), layers), layers)
    # Three products forward, three of weights; the image needs no gradient, so two of inputs.
    assert share.e4m3 == pytest.approx(2 / 8) and share.e5m2 == pytest.approx(3 / 8)
    ((name, part, why),) = share.rest
    assert part == pytest.approx(3 / 8) and "outside of any layer" in why and name != "layer"


@pytest.mark.parametrize("stride", [1, 2])
def test_bytes_of_a_convolution_by_hand(stride: int) -> None:
    """First a layer that needs no input gradient, behind it one of 32 -> 48 channels, 3x3, on maps of 8x8."""
    model = nn.Sequential(nn.Conv2d(16, 32, 1, bias=False), nn.Conv2d(32, 48, 3, stride, padding=1, bias=False))
    bill = fp8_bill(model, (16, 8, 8), fp8_layers(model))
    size = 8 // stride
    read, written, weights = 32 * 64, 48 * size * size, 32 * 48 * 9
    patches = size * size * 9 * 32
    casting = 2 + 4 + 3  # bf16 read; read and written; read and written as a byte
    cast, product = of(bill, "1", "forward")
    assert (cast.kind, product.kind) == ("cast", "conv")
    assert cast.bytes_per_image == casting * read + read + patches
    assert cast.bytes_per_step == (4 + 8 + 5) * weights and cast.flops_per_step == 3 * weights
    assert product.bytes_per_image == patches + 2 * written and product.bytes_per_step == weights
    assert product.flops_per_image == 2 * patches * 48
    cast, product = of(bill, "1", "weight_grad")
    assert cast.bytes_per_image == casting * written + read + patches + 2 * patches + 2 * written
    assert product.bytes_per_image == patches + written and product.bytes_per_step == 4 * weights
    cast, product = of(bill, "1", "input_grad")
    assert product.flops_per_image == 2 * patches * 48 and cast.bytes_per_step == 2 * weights
    if stride == 1:
        errors = 64 * 9 * 48
        assert cast.bytes_per_image == written + errors
        assert product.bytes_per_image == errors + 2 * read
    else:
        assert cast.bytes_per_image == (4 + 4 + 4) * patches + (4 + 2) * read
        assert product.bytes_per_image == written + 4 * patches
    assert not of(bill, "0", "input_grad")
    ((cast, product),) = [of(bill, "0", "forward")]
    assert cast.bytes_per_image == casting * 16 * 64 and product.bytes_per_image == 16 * 64 + 2 * read


def test_a_bill_without_a_native_layer_is_that_of_bf16() -> None:
    model = build("resnet20", classes=10)
    layers: Dict[str, Optional[str]] = dict.fromkeys(fp8_layers(model), "because")
    bill = fp8_bill(model, IMAGE, layers, l1=True)
    assert bill == network_bill(model, IMAGE, precision="bf16", l1=True)
    assert fp8_share(bill, layers).total == 0


def test_it_is_stored_and_spent_like_any_bill() -> None:
    model = build("vgg16", classes=10, width=0.25)
    bill = fp8_bill(model, IMAGE, fp8_layers(model))
    assert NetworkBill.from_json(bill.to_json()) == bill
    ledger = spend(bill.training, "train", images=7, steps=2)
    assert ledger.flops(kinds=MATRIX_KINDS) == 7 * bill.training_flops_per_image
    assert set(ledger.by_precision()) == {"fp32", "bf16", "fp8_e4m3", "fp8_e5m2"}
    assert replace(bill, training=()) != bill
