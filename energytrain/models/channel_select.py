"""Picks channels of a residual stream by index: pruning a pre-activation block selects inputs and leaves the stream."""

from typing import Any, Dict, List

import torch
from torch import Tensor, nn

_INDEX_ERROR = "{key} must hold strictly rising channel numbers below {channels}"


class ChannelSelect(nn.Module):
    """The channels `index` of a map (N, `channels`, H, W), in its own memory format.

    `index` (int64, strictly rising) is a buffer, so it travels with the state_dict. It starts with all channels, and
    a full index costs nothing: the input itself is returned. Source: the channel selection of network slimming, here
    in front of the normalisation, so that the normalisation narrows with it.
    """

    index: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("index", torch.arange(channels))

    def forward(self, maps: Tensor) -> Tensor:
        if self.index.numel() == self.channels:
            return maps
        if maps.is_contiguous() or not maps.is_contiguous(memory_format=torch.channels_last):
            return maps.index_select(1, self.index)
        # Selecting along the rows of (N*H*W, C) keeps channels_last, and is twice as fast there as along dimension 1.
        batch, channels, height, width = maps.shape
        rows = maps.permute(0, 2, 3, 1).reshape(-1, channels).index_select(1, self.index)
        return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        return f"{self.index.numel()} of {self.channels}"

    def _load_from_state_dict(
        self,
        state_dict: Dict[str, Any],
        prefix: str,
        local_metadata: Dict[str, Any],
        strict: bool,
        missing_keys: List[str],
        unexpected_keys: List[str],
        error_msgs: List[str],
    ) -> None:
        # A wrong index from a file would read other channels in silence, or end a CUDA process; refuse it at the door.
        key = prefix + "index"
        index = state_dict.get(key)
        if index is not None and not is_valid_index(index, self.channels):
            error_msgs.append(_INDEX_ERROR.format(key=key, channels=self.channels))
            return
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


def is_valid_index(index: Tensor, channels: int) -> bool:
    """Whether `index` holds at least one channel number, strictly rising, all in [0, `channels`)."""
    if index.dtype != torch.int64 or index.dim() != 1 or index.numel() == 0:
        return False
    in_range = int(index[0]) >= 0 and int(index[-1]) < channels
    return in_range and bool((index[1:] > index[:-1]).all())
