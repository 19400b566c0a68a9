"""Filter norms against plain loops, and masks that prune each layer by a share: counts, ties, the last channel."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from energytrain.errors import RunFailed, UsageError
from energytrain.models.catalog import build
from energytrain.models.units import Consumer, PrunableUnit, units_of
from energytrain.pruning.filters import filter_norms, per_layer_counts, per_layer_mask
from energytrain.pruning.masks import kept_counts, kept_indices
from energytrain.pruning.rebuild import rebuild, shrink


def with_producer(model):
    return [unit for unit in units_of(model) if unit.producer is not None]


class Layer(nn.Module):
    """One unit of the given width, so that a test can choose the scores."""

    def __init__(self, width):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(1, width, 1), nn.BatchNorm2d(width), nn.Linear(width, 2)

    def prunable_units(self):
        return (PrunableUnit("bn", "bn", self.bn.num_features, "conv", (Consumer("fc"),)),)


@pytest.mark.parametrize("order", [1, 2])
def test_norms_are_those_of_plain_loops(network, order):
    norms = filter_norms(network, order)
    assert list(norms) == [unit.name for unit in with_producer(network)]
    for unit in with_producer(network):
        filters = network.get_submodule(unit.producer).weight.detach().numpy().astype(np.float64)
        expected = [sum(abs(w) ** order for w in filters[i].ravel()) ** (1 / order) for i in range(len(filters))]
        np.testing.assert_allclose(norms[unit.name].numpy(), expected, rtol=1e-5)
        assert not norms[unit.name].requires_grad


def test_norms_do_not_depend_on_the_memory_format(network):
    before = filter_norms(network, 1)
    after = filter_norms(network.to(memory_format=torch.channels_last), 1)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_norms_of_narrow_types_are_summed_wide():
    model = Layer(2).bfloat16()
    model.conv.weight.data.fill_(1.0)
    assert filter_norms(model, 2)["bn"].dtype == torch.float32


def test_other_orders_are_refused():
    with pytest.raises(ValueError, match="3"):
        filter_norms(Layer(2), 3)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.floats(0.0, 1.0, exclude_max=True))
def test_the_least_go_and_of_equals_the_first(values, rate):
    mask = per_layer_mask({"bn": torch.tensor(values, dtype=torch.float32)}, rate, Layer(len(values)))["bn"]
    drop = min(math.floor(len(values) * rate + 1e-9), len(values) - 1)
    order = sorted(range(len(values)), key=lambda i: (values[i], i))
    assert sorted(order[:drop]) == torch.nonzero(~mask).flatten().tolist()


@pytest.mark.parametrize(
    "width, rate, down, up", [(16, 0.1, 15, 14), (100, 0.29, 71, 71), (10, 0.9, 1, 1), (64, 0, 64, 64)]
)
def test_rounding(width, rate, down, up):
    assert per_layer_counts(Layer(width), rate) == {"bn": down}
    assert per_layer_counts(Layer(width), rate, rounding="up") == {"bn": up}


@pytest.mark.parametrize("tenths", range(10))
def test_rounding_is_that_of_exact_decimals(tenths):
    for width in range(1, 130):
        exact = width * tenths
        assert per_layer_counts(Layer(width), tenths / 10)["bn"] == width - exact // 10
        assert per_layer_counts(Layer(width), tenths / 10, rounding="up")["bn"] == max(1, width - -(-exact // 10))
        # What an earlier calculation left of a rate.
        assert per_layer_counts(Layer(width), 1 - (1 - tenths / 10))["bn"] == width - exact // 10


def test_the_last_channel_stays_and_it_is_the_strongest():
    scores = torch.tensor([0.1, 3.0, 2.0])
    assert kept_indices(per_layer_mask({"bn": scores}, 0.99, Layer(3), rounding="up")) == {"bn": [1]}
    assert per_layer_counts(Layer(1), 0.99, rounding="up") == {"bn": 1}


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.8])
def test_every_unit_with_a_producer_loses_its_share(family, rate):
    mask = per_layer_mask(filter_norms(family, 1), rate, family)
    for unit in units_of(family):
        dropped = 0 if unit.producer is None else int(unit.channels * rate + 1e-9)
        assert mask[unit.name].numel() == unit.channels
        assert int((~mask[unit.name]).sum()) == dropped
    small = rebuild(family, mask)
    assert per_layer_counts(family, rate) == kept_counts(mask) == {u.name: u.channels for u in units_of(small)}


def test_units_without_a_rate_are_kept_whole():
    model = build("vgg16", classes=3, width=0.125)
    mask = per_layer_mask(filter_norms(model, 1), {"features.1": 0.5, "features.4": 0.0}, model)
    assert {name: kept.numel() - int(kept.sum()) for name, kept in mask.items() if not kept.all()} == {"features.1": 4}


def test_a_narrowed_network_goes_on_to_the_share_of_the_first_widths():
    model = build("resnet20", classes=3, width=0.5)
    widths = {unit.name: unit.channels for unit in units_of(model)}
    for rate in (0.2, 0.36, 0.75):
        model = rebuild(model, per_layer_mask(filter_norms(model, 1), rate, model, of=widths))
        assert {u.name: u.channels for u in units_of(model)} == {n: w - int(w * rate) for n, w in widths.items()}
    narrow = shrink(model, {name: 1 for name in widths})
    assert set(per_layer_counts(narrow, 0.1, of=widths).values()) == {1}


@pytest.mark.parametrize("rate", [-0.1, 1.0, math.nan])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(UsageError, match="pruning rate of 'bn'"):
        per_layer_counts(Layer(4), rate)


def test_a_rate_of_no_unit_is_refused():
    with pytest.raises(UsageError, match="'bn7'"):
        per_layer_counts(Layer(4), {"bn7": 0.5})


def test_an_unknown_rounding_is_refused():
    with pytest.raises(UsageError, match="rounding"):
        per_layer_counts(Layer(4), 0.5, rounding="nearest")


def test_scores_of_another_width_are_refused():
    with pytest.raises(ValueError, match="5 scores"):
        per_layer_mask({"bn": torch.ones(5)}, 0.5, Layer(4))


def test_a_score_that_is_not_finite_ends_the_run():
    with pytest.raises(RunFailed, match="not finite"):
        per_layer_mask({"bn": torch.tensor([1.0, math.nan])}, 0.5, Layer(2))
