"""Masks of single weights: exact counts over all layers, there and back as bits, and what fits which network."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from energytrain.errors import RunFailed, UsageError
from energytrain.models.catalog import build
from energytrain.pruning.masks import apply_mask, bn_scale_mask
from energytrain.pruning.weight_masks import (
    apply_weight_mask,
    channel_weight_mask,
    check_weights_fit,
    global_weight_mask,
    magnitude_mask,
    masked_counts,
    pack_mask,
    unpack_mask,
    weight_names,
)

ratios = st.floats(0.0, 1.0, exclude_min=True, exclude_max=True)
sizes_of_layers = st.lists(st.integers(1, 9), min_size=1, max_size=5)


def tensors(values, sizes):
    return dict(zip("abcdefgh", torch.tensor(values).split(sizes)))


def dropped_greedily(scores, kept_before, sizes, count):
    """By brute force, for scores that all differ: from the lowest up, but the best of each layer stays."""
    alive = [i for i, kept in enumerate(kept_before) if kept]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    layers = [[i for i in alive if start <= i < start + size] for start, size in zip(starts, sizes)]
    best = {max(layer, key=lambda i: scores[i]) for layer in layers if layer}
    gone = {i for i, kept in enumerate(kept_before) if not kept}
    for i in sorted(alive, key=lambda i: scores[i]):
        if len(gone) < count and i not in best:
            gone.add(i)
    return [i not in gone for i in range(len(scores))]


@settings(max_examples=300, deadline=None)
@given(sizes_of_layers, ratios, st.randoms(use_true_random=False), st.floats(0, 1))
def test_the_lowest_of_all_layers_go_and_what_was_gone_stays_gone(sizes, ratio, draw, share):
    total = sum(sizes)
    scores = [float(value) for value in draw.sample(range(total), total)]
    before = [draw.random() >= share for _ in range(total)]
    within = tensors(before, sizes)
    mask = global_weight_mask(tensors(scores, sizes), ratio, within)
    assert torch.cat(list(mask.values())).tolist() == dropped_greedily(scores, before, sizes, int(total * ratio))
    fresh = global_weight_mask(tensors(scores, sizes), ratio)
    assert torch.cat(list(fresh.values())).tolist() == dropped_greedily(
        scores, [True] * total, sizes, int(total * ratio)
    )


def test_among_equals_the_earlier_goes_and_the_shapes_stay():
    scores = {"a": torch.ones(2, 3), "b": torch.ones(2, 2, 1)}
    mask = global_weight_mask(scores, 0.7)
    assert mask["a"].tolist() == [[True, False, False], [False, False, False]]
    assert mask["b"].tolist() == [[[False], [False]], [[True], [True]]]


def test_position_counts_whatever_the_memory_format():
    scores = torch.arange(48.0).remainder(7).view(2, 4, 3, 2)
    plain = global_weight_mask({"a": scores}, 0.5)
    laid = global_weight_mask({"a": scores.contiguous(memory_format=torch.channels_last)}, 0.5)
    assert torch.equal(plain["a"], laid["a"])


def test_rounds_of_a_fifth_each():
    """Iterative pruning: k rounds that keep 0.8 of what is left keep 0.8^k of all."""
    scores = {"a": torch.rand(40, 50, generator=torch.Generator().manual_seed(0)), "b": torch.rand(1000)}
    mask = None
    for k in range(1, 9):
        earlier, mask = mask, global_weight_mask(scores, 1 - 0.8**k, mask)
        assert sum(kept for kept, _ in masked_counts(mask).values()) == 3000 - int(3000 * (1 - 0.8**k))
        assert earlier is None or all(torch.all(earlier[name] | ~mask[name]) for name in mask)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_scores_of_other_types(dtype):
    scores = torch.tensor([3.0, 1.0, 2.0, 4.0])
    assert global_weight_mask({"a": scores.to(dtype)}, 0.5)["a"].tolist() == [True, False, False, True]


def test_scores_are_not_touched():
    scores = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0, 4.0])}
    global_weight_mask(scores, 0.7, {"a": torch.tensor([False, True]), "b": torch.tensor([True, True])})
    assert scores["a"].tolist() == [1, 2] and scores["b"].tolist() == [3, 4]


def test_scores_that_cannot_be_ranked():
    with pytest.raises(RunFailed, match="weights cannot be ranked"):
        global_weight_mask({"a": torch.tensor([1.0, math.nan])}, 0.5)
    with pytest.raises(UsageError, match="no weights"):
        global_weight_mask({}, 0.5)
    with pytest.raises(UsageError, match="prune ratio"):
        global_weight_mask({"a": torch.ones(3)}, 1.0)


def test_a_mask_to_stay_within_is_of_the_same_layers():
    scores = {"a": torch.ones(3), "b": torch.ones(3)}
    with pytest.raises(UsageError, match="it has no 'b'"):
        global_weight_mask(scores, 0.5, {"a": torch.ones(3, dtype=torch.bool)})
    with pytest.raises(UsageError, match="no such weights"):
        global_weight_mask(scores, 0.5, {name: torch.ones(3, dtype=torch.bool) for name in "abc"})
    with pytest.raises(UsageError, match="at 'b' the network has weights of shape"):
        global_weight_mask(scores, 0.5, {"a": torch.ones(3).bool(), "b": torch.ones(4).bool()})


def test_which_weights_there_are():
    vgg = build("vgg16", classes=3, width=0.05)
    convolutions = [f"features.{i}.weight" for i, m in enumerate(vgg.features) if isinstance(m, nn.Conv2d)]
    assert list(weight_names(vgg)) == convolutions and len(convolutions) == 13
    assert list(weight_names(vgg, linear=True)) == [*convolutions, "fc.weight"]
    assert list(weight_names(vgg, skip_ends=True)) == convolutions[1:]
    assert list(weight_names(vgg, linear=True, skip_ends=True)) == convolutions[1:]
    assert weight_names(nn.DataParallel(vgg)) == tuple(convolutions)


def test_the_ends_of_a_residual_network_and_of_one_without_a_classifier():
    resnet = build("resnet20", classes=3, width=0.25, shortcut="projection")
    names = weight_names(resnet, linear=True)
    assert len(names) == 22 and names[0] == "stem.weight" and names[-1] == "fc.weight"
    assert weight_names(resnet, linear=True, skip_ends=True) == names[1:-1]
    convolutional = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 5, 1))
    assert weight_names(convolutional, skip_ends=True) == ("1.weight",)
    assert weight_names(nn.Conv2d(3, 4, 1)) == ("weight",)
    assert weight_names(nn.Sequential(nn.BatchNorm2d(3)), skip_ends=True) == ()


def test_magnitudes_of_convolutions(network):
    mask = magnitude_mask(network, 0.6)
    assert tuple(mask) == weight_names(network)
    dropped = torch.cat([network.get_parameter(name)[~kept].abs() for name, kept in mask.items()])
    kept = torch.cat([network.get_parameter(name)[kept].abs() for name, kept in mask.items()])
    assert dropped.numel() == int(0.6 * (dropped.numel() + kept.numel()))
    assert dropped.max() <= kept.min()
    assert not any(part.requires_grad for part in mask.values())


def test_magnitudes_of_named_weights_alone(network):
    mask = magnitude_mask(network, 0.5, names=["fc.weight"])
    total = network.fc.weight.numel()
    assert masked_counts(mask) == {"fc.weight": (total - total // 2, total)}
    with pytest.raises(UsageError, match="no weights 'fx.weight'"):
        magnitude_mask(network, 0.5, names=["fx.weight"])


def test_masking_zeroes_what_is_dropped_and_nothing_else(network):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    mask = magnitude_mask(network, 0.5)
    first = next(iter(mask))
    mask[first][0, 0, 0, 0] = False
    network.get_parameter(first).data[0, 0, 0, 0] = math.nan  # what is dropped goes, whatever it was
    apply_weight_mask(network, mask)
    for name, tensor in network.state_dict().items():
        if name in mask:
            assert torch.all(tensor[~mask[name]] == 0) and torch.equal(tensor[mask[name]], before[name][mask[name]])
        else:
            assert torch.equal(tensor, before[name])


def test_channels_as_weights_of_their_normalisations(network, network_of, images):
    mask = bn_scale_mask(network, 0.5)
    weights = channel_weight_mask(network, mask)
    assert set(weights) == {f"{name}.{leaf}" for name in mask for leaf in ("weight", "bias")}
    apply_weight_mask(network, weights)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    apply_mask(network, mask)
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    with pytest.raises(UsageError, match="does not fit"):
        channel_weight_mask(network_of("vgg19"), mask)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), max_size=4), st.integers(0, 1000))
def test_bits_there_and_back(shapes, seed):
    generator = torch.Generator().manual_seed(seed)
    mask = {str(i): torch.rand(shape, generator=generator) < 0.5 for i, shape in enumerate(shapes)}
    bits, described = pack_mask(mask)
    assert sum(part.numel() for part in bits.values()) == sum(math.ceil(math.prod(shape) / 8) for shape in shapes)
    again = unpack_mask(bits, described)
    assert again.keys() == mask.keys()
    assert all(again[name].dtype == torch.bool and torch.equal(again[name], mask[name]) for name in mask)


def test_bits_in_a_file(tmp_path, network_of):
    mask = magnitude_mask(network_of("preresnet20"), 0.7)
    bits, shapes = pack_mask(mask)
    save_file(bits, str(tmp_path / "mask.safetensors"))
    again = unpack_mask(load_file(str(tmp_path / "mask.safetensors")), shapes)
    assert all(torch.equal(again[name], mask[name]) for name in mask)
    check_weights_fit(network_of("preresnet20"), again)


@pytest.mark.parametrize(
    "bits, shapes, said",
    [
        ({"a": torch.zeros(2, dtype=torch.uint8)}, {"a": [9], "b": [1]}, "other layers"),
        ({"a": torch.zeros(2, dtype=torch.uint8)}, {}, "other layers"),
        ({"a": torch.zeros(2, dtype=torch.uint8)}, None, "other layers"),
        ({"a": torch.zeros(2, dtype=torch.uint8)}, {"a": [17]}, "not 17 packed bits"),
        ({"a": torch.zeros(2, dtype=torch.uint8)}, {"a": [10**9, 10**9]}, "packed bits"),
        ({"a": torch.zeros(2, dtype=torch.int8)}, {"a": [9]}, "not 9 packed bits"),
        ({"a": torch.full((2,), 255, dtype=torch.uint8)}, {"a": [3, 5]}, "more than 15 bits"),
        ({"a": torch.zeros(2, dtype=torch.uint8)}, {"a": [-3, -3]}, "the shape"),
        ({"a": torch.zeros(2, dtype=torch.uint8)}, {"a": "9"}, "the shape"),
    ],
)
def test_bits_that_are_unsound(bits, shapes, said):
    with pytest.raises(UsageError, match=f"weight mask is unsound.*{said}"):
        unpack_mask(bits, shapes)


def test_a_mask_of_another_network_is_refused(network_of):
    model = network_of("vgg16")
    with pytest.raises(UsageError, match="at 'features.0.weight' the network has weights of shape"):
        apply_weight_mask(model, magnitude_mask(network_of("vgg19"), 0.5))
    with pytest.raises(UsageError, match="no such weights"):
        check_weights_fit(model, magnitude_mask(network_of("users"), 0.5))
    name = "features.3.weight"
    with pytest.raises(UsageError, match="the mask torch.float32"):
        check_weights_fit(model, {name: torch.ones_like(model.get_parameter(name))})
