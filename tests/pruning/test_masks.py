"""The mask over the whole network: exact counts, ties by position, the guard, and masking in place."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from energytrain.errors import RunFailed, UsageError
from energytrain.models.catalog import build
from energytrain.pruning.masks import (
    apply_mask,
    bn_scale_mask,
    bn_scores,
    global_mask,
    kept_counts,
    kept_indices,
    mask_from_indices,
)

SCALES = torch.tensor([0.9, 0.1, 0.5, 0.3, 0.7, 0.2, 0.8, 0.4, 0.6, 0.05])
ratios = st.floats(0.0, 1.0, exclude_min=True, exclude_max=True)
layers = st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=9), min_size=1, max_size=6)


def pruned(scores, mask):
    return sorted(round(float(s), 4) for name in scores for s in scores[name][~mask[name]])


@pytest.mark.parametrize("ratio, expected", [(0.3, [0.05, 0.1, 0.2]), (0.5, [0.05, 0.1, 0.2, 0.3, 0.4])])
def test_the_smallest_scales_go(ratio, expected):
    assert pruned({"a": SCALES}, global_mask({"a": SCALES}, ratio)) == expected
    split = {"a": SCALES[:4], "b": SCALES[4:]}
    assert pruned(split, global_mask(split, ratio)) == expected


def test_a_negative_scale_counts_by_its_magnitude():
    model = build("vgg16", classes=3, width=0.05)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    norms[0].weight.data = -torch.arange(1.0, 1 + norms[0].num_features)
    assert bn_scale_mask(model, 0.5)["features.1"].all()


def test_equal_scales_are_dropped_from_the_front():
    assert kept_indices(global_mask({"a": torch.full((10,), 0.5)}, 0.3)) == {"a": list(range(3, 10))}


@settings(max_examples=300, deadline=None)
@given(layers, ratios)
def test_exact_at_every_ratio_and_never_an_empty_unit(values, ratio):
    scores = {str(i): torch.tensor(layer, dtype=torch.float32) for i, layer in enumerate(values)}
    total = sum(map(len, values))
    mask = global_mask(scores, ratio)
    kept = kept_counts(mask)
    assert min(kept.values()) >= 1
    assert total - sum(kept.values()) == min(int(total * ratio), total - len(values))
    for name in scores:
        dropped, stay = scores[name][~mask[name]], scores[name][mask[name]]
        assert dropped.numel() == 0 or dropped.max() <= stay.min() or kept[name] == 1 and stay[0] == scores[name].max()


@settings(max_examples=300, deadline=None)
@given(layers, ratios)
def test_without_emptied_units_it_is_a_stable_sort(values, ratio):
    flat = sum(values, [])
    order = sorted(range(len(flat)), key=lambda i: (flat[i], i))
    expected = [True] * len(flat)
    for position in order[: int(len(flat) * ratio)]:
        expected[position] = False
    starts = [sum(map(len, values[:i])) for i in range(len(values))]
    mask = global_mask({str(i): torch.tensor(v, dtype=torch.float32) for i, v in enumerate(values)}, ratio)
    if all(any(expected[s : s + len(v)]) for s, v in zip(starts, values)):
        assert torch.cat(list(mask.values())).tolist() == expected


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_fresh_network_with_equal_scales_keeps_every_layer(ratio):
    mask = bn_scale_mask(build("vgg16", classes=10), ratio)
    assert min(kept_counts(mask).values()) >= 1
    assert sum(kept_counts(mask).values()) == 4224 - int(4224 * ratio)


def test_a_collapsed_layer_keeps_its_largest_channel_and_the_count_stays_exact():
    scores = {"a": torch.tensor([0.01, 0.04, 0.04, 0.02]), "b": torch.tensor([1.0, 0.9, 0.8, 0.7, 0.6, 0.5])}
    assert kept_indices(global_mask(scores, 0.4)) == {"a": [1], "b": [0, 1, 2, 3, 4]}


def test_where_the_guard_moves_the_count_into_another_layer_that_one_is_guarded_too():
    scores = {"a": torch.tensor([0.1, 0.2]), "b": torch.tensor([0.3, 0.4]), "c": torch.tensor([0.5, 0.6, 0.7])}
    assert kept_indices(global_mask(scores, 0.6)) == {"a": [1], "b": [1], "c": [2]}
    assert kept_indices(global_mask(scores, 0.95)) == {"a": [1], "b": [1], "c": [2]}


@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.1, 1.5, math.nan, math.inf])
def test_ratios_out_of_range(ratio):
    with pytest.raises(UsageError, match="prune ratio"):
        global_mask({"a": SCALES}, ratio)


def test_scores_that_cannot_be_ranked():
    with pytest.raises(RunFailed, match="diverged"):
        global_mask({"a": torch.tensor([1.0, math.nan])}, 0.5)
    with pytest.raises(UsageError, match="no channels"):
        global_mask({}, 0.5)


def test_masking_silences_the_dropped_channels_alone(network):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    mask = bn_scale_mask(network, 0.5)
    apply_mask(network, mask)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {f"{name}.{leaf}" for name, kept in mask.items() if not kept.all() for leaf in ("weight", "bias")}
    for name, kept in mask.items():
        norm = network.get_submodule(name)
        assert torch.all(norm.weight[~kept] == 0) and torch.all(norm.bias[~kept] == 0)
        assert torch.equal(norm.weight[kept], before[f"{name}.weight"][kept])


def test_a_mask_of_another_network_is_refused(network_of):
    model = network_of("vgg16")
    with pytest.raises(UsageError, match="does not fit this network: at 'features.1'"):
        apply_mask(model, bn_scale_mask(network_of("vgg19"), 0.5))
    mask = bn_scale_mask(model, 0.5)
    with pytest.raises(UsageError, match="at 'extra' the network has no such unit"):
        apply_mask(model, {**mask, "extra": torch.ones(3, dtype=torch.bool)})
    del mask["features.1"]
    with pytest.raises(UsageError, match="the ticket none"):
        apply_mask(model, mask)


def test_scales_are_needed():
    model = build("vgg16", classes=3, width=0.05)
    model.features[1] = nn.BatchNorm2d(3, affine=False)
    with pytest.raises(UsageError, match="'features.1' has no scales"):
        bn_scores(model)


def test_positions_there_and_back():
    mask = global_mask({"a": SCALES, "b": SCALES * 2}, 0.5)
    again = mask_from_indices(kept_indices(mask), {"a": 10, "b": 10})
    assert all(torch.equal(mask[name], again[name]) for name in mask)
