"""One image file to one array of pixels: decoding, random crops for training, the centre for evaluation. Torch-free.

The recipe is ImageNet's usual one: for training a crop of 8 to 100 % of the area with sides of 3:4 to 4:3, mirrored
half of the time (Szegedy et al., 2015); for evaluation the shorter side to 256/224 of the size and the centre of it.
"""

import math
from typing import Tuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from .hashing import AUGMENT, key_of, uniform

Pixels = npt.NDArray[np.uint8]
Box = Tuple[int, int, int, int]

_SCALE = (0.08, 1.0)
_RATIO = (3 / 4, 4 / 3)
_ATTEMPTS = 10


class BadImage(Exception):
    """A file that cannot be decoded; the text says why."""


def training_image(path: str, size: int, seed: int, epoch: int, sample: int) -> Pixels:
    """(size, size, 3) uint8, a pure function of the file and (seed, epoch, sample). Raises BadImage."""
    image = _decode(path)
    box = random_box(image.size, seed, epoch, sample)
    image = image.crop(box).resize((size, size), Image.Resampling.BILINEAR)
    mirrored = uniform(key_of(AUGMENT, seed, epoch, sample), 0) < 0.5
    return _pixels(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else image)


def evaluation_image(path: str, size: int) -> Pixels:
    """(size, size, 3) uint8: the shorter side resized to size x 256 / 224, then the centre. Raises BadImage."""
    image = _decode(path)
    width, height = image.size
    shorter = int(size * 256 / 224)
    if width <= height:
        resized = (shorter, max(1, int(shorter * height / width)))
    else:
        resized = (max(1, int(shorter * width / height)), shorter)
    left, top = round((resized[0] - size) / 2), round((resized[1] - size) / 2)
    return _pixels(image.resize(resized, Image.Resampling.BILINEAR).crop((left, top, left + size, top + size)))


def random_box(image_size: Tuple[int, int], seed: int, epoch: int, sample: int) -> Box:
    """(left, top, right, bottom) of a random crop; the largest allowed centre crop where ten draws do not fit."""
    width, height = image_size
    key = key_of(AUGMENT, seed, epoch, sample)
    for attempt in range(_ATTEMPTS):
        area_draw, ratio_draw, left_draw, top_draw = (uniform(key, 1 + 4 * attempt + k) for k in range(4))
        area = width * height * (_SCALE[0] + (_SCALE[1] - _SCALE[0]) * area_draw)
        ratio = math.exp(math.log(_RATIO[0]) + (math.log(_RATIO[1]) - math.log(_RATIO[0])) * ratio_draw)
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(left_draw * (width - w + 1)), int(top_draw * (height - h + 1))
            return left, top, left + w, top + h
    w, h = min(width, round(height * _RATIO[1])), min(height, round(width / _RATIO[0]))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + max(1, w), top + max(1, h)


def _decode(path: str) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    # What Pillow raises for damaged files, depending on the format; PNG's decoder raises SyntaxError.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, Image.DecompressionBombError) as error:
        raise BadImage(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def _pixels(image: Image.Image) -> Pixels:
    return np.array(image, dtype=np.uint8)
