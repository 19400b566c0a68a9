import pytest
import torch
import torch.nn.functional as functional

from energytrain.data.augment import Crops, Normaliser, cropped, draw_crops


def images(count, dtype, height=6, width=5, channels=3):
    values = torch.arange(count * height * width * channels, dtype=torch.int64) * 37 % 251 + 1
    return values.view(count, height, width, channels).to(dtype)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("pad", [0, 1, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_crops_are_those_of_a_loop_over_images(dtype, pad, channels):
    batch = images(40, dtype, channels=channels)
    crops = draw_crops(torch.arange(40), seed=1, epoch=2, pad=pad, flip=False)
    result = cropped(batch, crops, pad)
    for image, top, left, got in zip(batch, crops.top, crops.left, result):
        padded = functional.pad(image, (0, 0, pad, pad, pad, pad))
        assert torch.equal(got, padded[top : top + 6, left : left + 5])


def test_a_crop_at_either_corner_shows_padding_and_image():
    batch = images(2, torch.uint8)
    zeros, ends = torch.tensor([0, 8]), torch.tensor([0, 0])
    result = cropped(batch, Crops(zeros, zeros, ends), 4)
    assert (result[0, :4] == 0).all() and (result[0, :, :4] == 0).all()
    assert torch.equal(result[0, 4:, 4:], batch[0, :2, :1])
    assert (result[1, 2:] == 0).all() and torch.equal(result[1, :2, :1], batch[1, 4:, 4:])


def test_every_offset_and_mirroring_occurs_about_equally_often():
    crops = draw_crops(torch.arange(162_000), seed=0, epoch=0, pad=4, flip=True)
    cells = (crops.top * 9 + crops.left) * 2 + crops.mirrored
    counts = torch.bincount(cells, minlength=162).double()
    assert counts.shape == (162,)
    # Chi-square with 161 degrees of freedom: mean 161, deviation 18; the draws are fixed.
    assert ((counts - 1000) ** 2 / 1000).sum() < 161 + 5 * 18


def test_without_mirroring_none_is_drawn():
    crops = draw_crops(torch.arange(1000), seed=0, epoch=0, pad=2, flip=False)
    assert crops.mirrored.sum() == 0
    assert set(crops.top.tolist()) == set(crops.left.tolist()) == set(range(5))


def test_an_image_is_cropped_otherwise_in_another_epoch_and_under_another_seed():
    ids = torch.arange(1000)
    base = draw_crops(ids, 0, 0, 4, True)
    for seed, epoch in ((0, 1), (1, 0)):
        other = draw_crops(ids, seed, epoch, 4, True)
        same = (base.top == other.top) & (base.left == other.left) & (base.mirrored == other.mirrored)
        assert same.double().mean() < 0.03


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_normalised_as_by_the_textbook_in_the_asked_layout(channels_last, dtype):
    batch = images(8, dtype)
    before = batch.clone()
    mean, deviation = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.1])
    result = Normaliser(1 / (255 * deviation), -mean / deviation, (6, 5), channels_last)(batch)
    expected = (batch.permute(0, 3, 1, 2).float() / 255 - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert result.is_contiguous(memory_format=layout)
    assert torch.equal(batch, before)
