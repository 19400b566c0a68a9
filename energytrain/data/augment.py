"""Random crops, mirroring and normalisation of a whole batch in a few tensor operations, on any device.

Images are (N, H, W, C), C innermost: one row of a crop is then one run of memory, a mirrored image is a row of a
second copy, and the result is a channels_last batch without another copy.
"""

from typing import NamedTuple, Tuple

import torch
import torch.nn.functional as functional

from .hashing import AUGMENT, key_of, words


class Crops(NamedTuple):
    """Where each image's crop starts in the padded image (pixels) and whether it is mirrored (0 or 1): (N,) int64."""

    top: torch.Tensor
    left: torch.Tensor
    mirrored: torch.Tensor


def draw_crops(ids: torch.Tensor, seed: int, epoch: int, pad: int, flip: bool) -> Crops:
    """Each image's crop, a pure function of (seed, epoch, id). ids: (N,) int64; offsets in [0, 2 pad]."""
    side = 2 * pad + 1
    draws = words(ids, key_of(AUGMENT, seed, epoch)) % (side * side * (2 if flip else 1))
    rows = torch.div(draws, side, rounding_mode="floor")
    return Crops(rows % side, draws % side, torch.div(rows, side, rounding_mode="floor"))


def cropped(images: torch.Tensor, crops: Crops, pad: int) -> torch.Tensor:
    """Crops of the size of `images` (N, H, W, C), any dtype, out of them padded with zeros; mirrors nothing."""
    count, height, width, channels = images.shape
    padded = functional.pad(images, (0, 0, pad, pad, pad, pad))
    padded_height, padded_width = height + 2 * pad, width + 2 * pad
    pixels = count * padded_height * padded_width
    # Every run of `width` pixels as a row of an overlapping view: a crop is then a plain choice of rows.
    runs = padded.as_strided((pixels - width + 1, width * channels), (channels, 1))
    first = torch.arange(count, device=images.device) * (padded_height * padded_width) + crops.left
    rows = crops.top[:, None] + torch.arange(height, device=images.device)
    chosen = runs.index_select(0, (first[:, None] + rows * padded_width).reshape(-1))
    return chosen.view(count, height, width, channels)


class Normaliser:
    """Pixels (N, H, W, C), uint8 or float32, to standardised float32 (N, C, H, W): pixel x scale + shift.

    scale, shift: (C,). The result is contiguous, or contiguous in channels_last memory format.
    """

    def __init__(self, scale: torch.Tensor, shift: torch.Tensor, size: Tuple[int, int], channels_last: bool) -> None:
        self._channels_last = channels_last
        area = size[0] * size[1]
        # One factor a position: rows of thousands run several times faster than rows of three channels.
        self._scale = scale.repeat(area) if channels_last else scale.repeat_interleave(area)
        self._shift = shift.repeat(area) if channels_last else shift.repeat_interleave(area)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        count, height, width, channels = pixels.shape
        if not self._channels_last:
            pixels = pixels.permute(0, 3, 1, 2).contiguous()
        # Two operations: a fused multiply-add may round otherwise where a vector or a thread's share ends, hence by
        # batch size.
        flat = pixels.reshape(count, height * width * channels).to(torch.float32, copy=True)
        flat.mul_(self._scale).add_(self._shift)
        if self._channels_last:
            return flat.view(count, height, width, channels).permute(0, 3, 1, 2)
        return flat.view(count, channels, height, width)
