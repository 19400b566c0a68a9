"""Channel selection: free when it selects everything, exact in both memory formats, closed to a wrong index."""

import pytest
import torch

from energytrain.models.channel_select import ChannelSelect, is_valid_index


def selecting(channels, index):
    select = ChannelSelect(channels)
    select.index = torch.tensor(index)
    return select


def test_a_full_selection_returns_the_input_itself():
    maps = torch.randn(2, 5, 3, 3)
    assert ChannelSelect(5)(maps) is maps


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_selection_and_its_gradient(layout):
    maps = torch.randn(2, 5, 3, 4).contiguous(memory_format=layout).requires_grad_()
    chosen = selecting(5, [0, 3, 4])(maps)
    assert torch.equal(chosen, maps[:, [0, 3, 4]])
    assert chosen.is_contiguous(memory_format=layout)
    weight = torch.randn_like(chosen)
    (chosen * weight).sum().backward()
    expected = torch.zeros_like(maps)
    expected[:, [0, 3, 4]] = weight
    assert torch.equal(maps.grad, expected)


def test_the_index_travels_with_the_state():
    twin = selecting(5, [0, 1, 2])
    twin.load_state_dict(selecting(5, [1, 2, 4]).state_dict())
    assert twin.index.tolist() == [1, 2, 4]


@pytest.mark.parametrize("index", [[0, 1, 5], [-1, 0, 1], [0, 2, 2], [2, 1, 0], [0.0, 1.0, 2.0]])
def test_a_wrong_index_is_refused(index):
    select = selecting(5, [0, 1, 2])
    with pytest.raises(RuntimeError, match="strictly rising channel numbers below 5"):
        select.load_state_dict({"index": torch.tensor(index)})
    assert select.index.tolist() == [0, 1, 2]


def test_an_empty_or_deep_index_is_not_valid():
    assert not is_valid_index(torch.zeros(0, dtype=torch.int64), 4)
    assert not is_valid_index(torch.zeros(1, 1, dtype=torch.int64), 4)
    assert is_valid_index(torch.tensor([3]), 4)
