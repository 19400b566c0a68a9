"""Mask distance: the share of channels that differ, whatever the layers' sizes."""

import pytest
import torch

from energytrain.errors import UsageError
from energytrain.pruning.distance import mask_distance
from energytrain.pruning.masks import global_mask


def masks(*rows):
    return [{"a": torch.tensor(row[:2]).bool(), "b": torch.tensor(row[2:]).bool()} for row in rows]


def test_it_is_the_share_of_channels_that_differ():
    first, second, opposite = masks([1, 0, 1, 1, 0], [1, 1, 1, 0, 0], [0, 1, 0, 0, 1])
    assert mask_distance(first, first) == 0.0
    assert mask_distance(first, second) == mask_distance(second, first) == 2 / 5
    assert mask_distance(first, opposite) == 1.0


def test_the_order_of_units_does_not_matter():
    first, second = masks([1, 0, 1, 1, 0], [1, 1, 1, 0, 0])
    assert mask_distance(first, dict(reversed(list(second.items())))) == 2 / 5


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.5, 0.8])
def test_two_tickets_are_at_most_twice_the_smaller_share_apart(ratio):
    scores = torch.linspace(0, 1, 1000)
    ends = global_mask({"a": scores}, ratio), global_mask({"a": -scores}, ratio)
    assert mask_distance(*ends) == pytest.approx(2 * min(ratio, 1 - ratio))


def test_masks_of_different_networks_have_no_distance():
    first, second = masks([1, 0, 1, 1, 0], [1, 1, 1, 0, 0])
    with pytest.raises(UsageError, match="at 'b'"):
        mask_distance(first, {**second, "b": torch.ones(4).bool()})
