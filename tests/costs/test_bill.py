"""The training bill: against torch's own counter, by hand for each kind of layer, for pruned networks, precisions."""

import math

import pytest
import torch
from torch import nn

from energytrain.costs.bill import mask_work, network_bill, ranked_channels
from energytrain.costs.layers import layer_shapes
from energytrain.errors import UsageError
from energytrain.models.catalog import build
from energytrain.models.units import units_of
from energytrain.pruning.masks import bn_scale_mask
from energytrain.pruning.rebuild import rebuild, shrink
from energytrain.quantities.ledger import PRECISIONS, NetworkBill, spend

IMAGE = (3, 32, 32)


def items_of(bill, **wanted):
    return [i for i in bill.training if all(getattr(i, name) == value for name, value in wanted.items())]


def counted_by_torch(model, shape, images=2):
    """Forward and backward FLOPs of one image, by torch's dispatch-level counter: nothing in common with a trace."""
    try:
        from torch.utils.flop_counter import FlopCounterMode
    except ImportError:  # before torch 2.1
        return counted_by_hooks(model, shape)
    with FlopCounterMode(display=False) as mode:
        model.train()(torch.zeros(images, *shape)).sum().backward()
    return mode.get_total_flops() // images


def counted_by_hooks(model, shape):
    """The same from the shapes that the modules see."""
    macs = []

    def note(module, inputs, output):
        macs.append(output.numel() * module.weight.numel() // module.weight.shape[0])

    layers = [module for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    handles = [layer.register_forward_hook(note) for layer in layers]
    with torch.no_grad():
        model.eval()(torch.zeros(1, *shape))
    for handle in handles:
        handle.remove()
    return 6 * sum(macs) - 2 * macs[0]


def test_both_independent_counts_agree():
    model = build("preresnet20", classes=10)
    assert counted_by_hooks(model, IMAGE) == counted_by_torch(model, IMAGE)


@pytest.mark.parametrize(
    "name, classes, size, flops",
    [
        ("vgg16", 10, 32, 1_875_671_040),
        ("preresnet101", 10, 32, 923_483_136),
        ("resnet18", 1000, 224, 10_648_412_160),
        ("resnet50", 1000, 224, 24_299_077_632),
    ],
)
def test_published_forward_and_backward_flops(name, classes, size, flops):
    bill = network_bill(build(name, classes=classes, size=size), (3, size, size))
    assert bill.training_flops_per_image == flops
    first = items_of(bill, stage="forward")[0].flops_per_image
    assert flops == 6 * bill.macs - first  # all but the first layer's input gradient


@pytest.mark.parametrize(
    "name, options",
    [
        ("vgg16", {"width": 0.5}),
        ("vgg16", {"size": 16, "channels": 1, "width": 0.25}),
        ("vgg19", {"width": 0.25}),
        ("preresnet20", {}),
        ("preresnet56", {"width": 0.5}),
        ("resnet20", {}),
        ("resnet20", {"shortcut": "projection"}),
        ("resnet56", {"width": 0.5, "shortcut": "projection"}),
        ("resnet18", {"width": 0.25}),
        ("resnet50", {"width": 0.25}),
    ],
)
def test_torch_counts_the_same(name, options):
    model = build(name, classes=10, **options)
    shape = (options.get("channels", 3), options.get("size", 32), options.get("size", 32))
    assert network_bill(model, shape).training_flops_per_image == counted_by_torch(model, shape)


@pytest.mark.parametrize("name", ["vgg16", "preresnet20", "resnet20", "resnet18"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_rebuilt_networks_are_billed_like_any_other(name, channels_last):
    torch.manual_seed(0)
    dense = build(name, classes=10, width=0.5)
    for module in dense.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.1, 1.0)
    small = rebuild(dense, bn_scale_mask(dense, 0.6))
    if channels_last:
        small = small.to(memory_format=torch.channels_last)
    bill = network_bill(small, IMAGE)
    assert bill.training_flops_per_image == counted_by_torch(small, IMAGE)
    assert bill.macs < 0.75 * network_bill(dense, IMAGE).macs
    assert bill.parameters == sum(parameter.numel() for parameter in small.parameters())


def test_a_pruned_preresnet_pays_for_its_selections():
    dense = build("preresnet20", classes=10)
    counts = {unit.name: unit.channels // 2 for unit in units_of(dense)}
    small = shrink(dense, counts)
    selections = [unit.select for unit in units_of(small) if unit.select is not None]
    bill = network_bill(small, IMAGE)
    assert selections and len(items_of(network_bill(dense, IMAGE), layer=selections[0])) == 0
    forward, backward = items_of(bill, layer=selections[0])
    elements = next(shape.outputs for shape in layer_shapes(small, IMAGE) if shape.name == selections[0])
    assert forward.kind == "elementwise" and forward.flops_per_image == 0
    assert forward.bytes_per_image == 4 * 2 * elements
    assert backward.stage == "input_grad" and backward.flops_per_image == elements


@pytest.mark.parametrize(
    "name, share, parameters, macs",
    [
        ("vgg16", 0.5, 3_684_842, 78_744_064),
        ("vgg16", 0.7, 7_198_872, 152_402_956),
        ("vgg16", 0.3, 1_315_333, 28_106_118),
    ],
)
def test_published_sizes_of_rebuilt_networks(name, share, parameters, macs):
    model = build(name, classes=10)
    small = shrink(model, {unit.name: int(share * unit.channels) for unit in units_of(model)})
    bill = network_bill(small, IMAGE)
    assert (bill.parameters, bill.macs) == (parameters, macs)


def test_half_of_the_inner_channels_of_preresnet101():
    model = build("preresnet101", classes=10)
    inner = ("bn2", "bn3")
    counts = {u.name: u.channels // 2 if u.name.split(".")[-1] in inner else u.channels for u in units_of(model)}
    assert network_bill(shrink(model, counts), IMAGE).macs == 60_410_368


def test_masked_and_dense_cost_the_same():
    model = build("vgg16", classes=10, width=0.25)
    before = network_bill(model, IMAGE)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight[::2] = 0
    assert network_bill(model, IMAGE) == before


def test_every_figure_is_a_whole_number_and_survives_json():
    bill = network_bill(build("resnet20", classes=10), IMAGE, precision="bf16", l1=True)
    fields = ("flops_per_image", "bytes_per_image", "flops_per_step", "bytes_per_step", "launches_per_step")
    assert all(type(getattr(item, f)) is int and getattr(item, f) >= 0 for item in bill.training for f in fields)
    assert NetworkBill.from_json(bill.to_json()) == bill
    assert network_bill(build("resnet20", classes=10), IMAGE, precision="bf16", l1=True) == bill


def test_a_convolution_by_hand():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1))
    forward, input_grad, weight_grad = items_of(network_bill(model, (3, 8, 8)), layer="1")
    flops, elements, weights = 2 * 64 * 5 * 4 * 9, 64 * (4 + 5), 5 * 4 * 9 + 5
    for item in (forward, input_grad, weight_grad):
        assert (item.flops_per_image, item.bytes_per_image, item.bytes_per_step) == (flops, 4 * elements, 4 * weights)
    assert [i.stage for i in (forward, input_grad, weight_grad)] == ["forward", "input_grad", "weight_grad"]
    assert [i.stage for i in items_of(network_bill(model, (3, 8, 8)), layer="0")] == ["forward", "weight_grad"]


def test_batch_normalisation_by_hand():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    bill = network_bill(model, (3, 8, 8))
    forward, weight_grad, input_grad = items_of(bill, layer="1")
    n = 4 * 64
    assert (forward.flops_per_image, forward.bytes_per_image) == (8 * n, 4 * 3 * n)  # reads twice, writes once
    assert forward.bytes_per_step == 4 * (2 * 4 + 2 * 2 * 4)  # scale, bias; statistics read and written
    assert (weight_grad.flops_per_image, weight_grad.bytes_per_image) == (5 * n, 4 * 2 * n)
    assert (input_grad.flops_per_image, input_grad.bytes_per_image) == (6 * n, 4 * 3 * n)
    evaluation = [item for item in bill.evaluation if item.layer == "1"]
    assert [(item.flops_per_image, item.bytes_per_image) for item in evaluation] == [(2 * n, 4 * 2 * n)]


@pytest.mark.parametrize(
    "layer, forward, backward",
    [
        # (FLOPs, elements moved, index bytes) of a map of 4 x 8 x 8 = 256 elements
        (nn.ReLU(), (256, 512, 0), (256, 768, 0)),
        (nn.MaxPool2d(2), (64 * 3, 256 + 64, 8 * 64), (64, 64 + 256, 8 * 64)),
        (nn.AvgPool2d(2), (64 * 4, 256 + 64, 0), (256, 64 + 256, 0)),
        (nn.AdaptiveAvgPool2d(1), (256, 256 + 4, 0), (256, 4 + 256, 0)),
        (nn.ZeroPad2d(1), (0, 256 + 400, 0), (0, 2 * 256, 0)),
    ],
)
def test_layers_without_matrix_work_by_hand(layer, forward, backward):
    bill = network_bill(nn.Sequential(nn.Conv2d(3, 4, 1), layer), (3, 8, 8))
    items = [item for item in items_of(bill, layer="1")]
    for item, (flops, elements, index_bytes) in zip(items, (forward, backward)):
        assert (item.flops_per_image, item.bytes_per_image) == (flops, 4 * elements + index_bytes)
    assert [item.stage for item in items] == ["forward", "input_grad"]


def test_a_residual_sum_charges_the_fork_once():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.body = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)

        def forward(self, x):
            x = self.stem(x)
            return x + self.body(x)

    forward, backward = items_of(network_bill(Residual(), (3, 8, 8)), layer="add")
    assert (forward.flops_per_image, forward.bytes_per_image) == (256, 4 * 3 * 256)
    assert (backward.flops_per_image, backward.bytes_per_image) == (256, 4 * 3 * 256)


def test_dropout_is_part_of_training_only():
    bill = network_bill(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Dropout(0.5)), (3, 8, 8))
    assert [item.stage for item in items_of(bill, layer="1")] == ["forward", "input_grad"]
    assert [item.layer for item in bill.evaluation] == ["0"]


def test_evaluation_is_one_forward_pass():
    bill = network_bill(build("preresnet20", classes=10), IMAGE)
    assert {item.stage for item in bill.evaluation} == {"forward"}
    matrix = [item for item in bill.evaluation if item.kind in ("conv", "linear")]
    assert sum(item.flops_per_image for item in matrix) == 2 * bill.macs
    assert sum(i.flops_per_image for i in bill.evaluation) < sum(
        i.flops_per_image for i in bill.training if i.stage == "forward"
    )


def test_the_update_counts_trained_parameters_only():
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(4, 5, 1, bias=False))
    model[0].requires_grad_(False)
    bill = network_bill(model, (3, 8, 8))
    (update,) = items_of(bill, kind="optimiser")
    assert (update.flops_per_step, update.bytes_per_step) == (6 * 20, 5 * 4 * 20)
    assert bill.parameters == 12 + 20 and items_of(bill, layer="0", stage="weight_grad") == []


def test_the_penalty_touches_the_ranked_scales_once_a_step():
    model = build("resnet18", classes=10, width=0.25)
    ranked = sum(unit.channels for unit in units_of(model))
    assert items_of(network_bill(model, IMAGE), kind="l1") == []
    (penalty,) = items_of(network_bill(model, IMAGE, l1=True), kind="l1")
    assert (penalty.flops_per_step, penalty.bytes_per_step) == (3 * ranked, 3 * 4 * ranked)


def test_a_network_without_declared_units_is_ranked_by_all_its_scales():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False), nn.BatchNorm2d(4))
    assert ranked_channels(model) == (4, 4)


def test_the_work_of_a_mask_is_sorting_and_comparing():
    model = build("vgg16", classes=10)
    item = mask_work(model)
    assert item.flops_per_step == 4224 * (math.ceil(math.log2(4224)) + 2) and item.flops_per_image == 0
    epoch = spend(network_bill(model, IMAGE).training, "search", 50_000, 196).flops()
    assert spend([item], "search", 0, 1).flops() < 1e-8 * epoch


def test_bf16_halves_the_traffic_of_activations_and_keeps_the_flops():
    model = build("vgg16", classes=10, width=0.25)
    full, half = network_bill(model, IMAGE), network_bill(model, IMAGE, precision="bf16")
    assert half.training_flops_per_image == full.training_flops_per_image and half.macs == full.macs
    for a, b in zip(full.training, half.training):
        assert (a.layer, a.stage) == (b.layer, b.stage)
        assert (a.flops_per_image, a.flops_per_step) == (b.flops_per_image, b.flops_per_step)
        index_bytes = 2 * b.bytes_per_image - a.bytes_per_image
        assert index_bytes == 0 or (a.kind == "pool" and index_bytes > 0)
    by_kind = {kind: {item.precision for item in half.training if item.kind == kind} for kind in ("conv", "norm")}
    assert by_kind == {"conv": {"bf16"}, "norm": {"fp32"}}
    assert {item.precision for item in half.training if item.kind == "optimiser"} == {"fp32"}


def test_bf16_narrows_weights_from_an_fp32_master_and_widens_their_gradients():
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(4, 5, 1, bias=False))
    forward, input_grad, weight_grad = items_of(network_bill(model, (3, 8, 8), precision="bf16"), layer="1")
    weights = 20
    assert forward.bytes_per_step == (4 + 2 + 2) * weights and forward.launches_per_step == 2
    assert input_grad.bytes_per_step == 2 * weights
    assert weight_grad.bytes_per_step == (2 + 2 + 4) * weights and weight_grad.launches_per_step == 2


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_of_a_ledger_is_billed(precision):
    bill = network_bill(build("vgg16", classes=10, width=0.125), IMAGE, precision=precision)
    assert spend(bill.training, "train", 1, 1).flops(precision=precision, kinds=("conv", "linear")) > 0


def test_an_unknown_precision_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'bf16'"):
        network_bill(nn.Linear(2, 2), (2,), precision="bf61")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["vgg19", "preresnet101", "preresnet110", "preresnet164", "resnet110", "resnet34", "resnet50"]
)
def test_torch_counts_the_same_at_full_size(name):
    size = 64 if name in ("resnet34", "resnet50") else 32
    model = build(name, classes=10, size=size)
    expected = counted_by_torch(model, (3, size, size))
    assert network_bill(model, (3, size, size)).training_flops_per_image == expected
