import math
import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from energytrain.data.catalog import load
from energytrain.data.images import evaluation_image, random_box, training_image
from energytrain.data.stream import default_workers
from energytrain.errors import UsageError

SIZE = 32
CLASSES = ("ant", "bee", "cow")


def picture(number, width, height):
    """A smooth picture that is like no other and unlike its mirror image."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    waves = [np.sin(3 * x + number), np.cos(4 * y * (1 + number % 5)), x * y]
    return Image.fromarray((127 + 120 * np.stack(waves, 2)).astype(np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    number = 0
    for part, count in (("train", 8), ("val", 3)):
        for name in CLASSES:
            (root / part / name).mkdir(parents=True)
            for _ in range(count):
                picture(number, 40 + 7 * (number % 6), 64 - 5 * (number % 4)).save(root / part / name / f"{number}.jpg")
                number += 1
    return root


def stream(folder, **options):
    return load("folder", data_dir=folder, image_size=SIZE, **{"workers": 0, **options})


def by_position(part, **options):
    """Images by their place in the part; training batches are told apart by nothing but order."""
    from energytrain.data.batching import shuffled

    images = torch.cat([batch for batch, _ in part.batches(**options)])
    order = shuffled(part.ids, options.get("seed", 0), options["epoch"])
    return images[torch.argsort(order)] if options.get("train") else images


def test_parts_shapes_and_labels(folder):
    bundle = stream(folder, validation=0.25)
    assert (len(bundle.train), len(bundle.validation), len(bundle.test)) == (18, 6, 9)
    assert torch.bincount(bundle.train.labels).tolist() == [6, 6, 6]
    batches = list(bundle.test.batches(0, 4))
    assert [labels.tolist() for _, labels in batches] == [[0, 0, 0, 1], [1, 1, 2, 2], [2]]
    assert batches[0][0].shape == (4, 3, SIZE, SIZE) and batches[0][0].dtype == torch.float32
    assert bundle.test.steps(4) == 3


@pytest.mark.parametrize("channels_last", [False, True])
def test_evaluation_images_are_torchvision_s(folder, channels_last):
    from energytrain.torchvision_bridge import load_torchvision

    load_torchvision()
    from torchvision import datasets, transforms

    recipe = transforms.Compose(
        [
            transforms.Resize(int(SIZE * 256 / 224)),
            transforms.CenterCrop(SIZE),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    theirs = datasets.ImageFolder(str(folder / "val"), recipe)
    images, labels = next(stream(folder).test.batches(0, 9, channels_last=channels_last))
    torch.testing.assert_close(images, torch.stack([image for image, _ in theirs]), rtol=0, atol=1e-5)
    assert labels.tolist() == theirs.targets
    assert images.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


@pytest.mark.parametrize("options", [dict(batch_size=5), dict(batch_size=24, channels_last=True)])
@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_is_bit_identical_for_any_batch_and_workers(folder, options, workers):
    expected = by_position(stream(folder).train, epoch=2, batch_size=8, seed=3, train=True)
    got = by_position(stream(folder, workers=workers).train, epoch=2, seed=3, train=True, **options)
    assert torch.equal(got, expected)


def test_ranks_share_each_batch_of_a_single_process(folder):
    train = stream(folder).train
    whole = list(train.batches(1, 9, train=True))
    ranks = [list(train.batches(1, 9, train=True, rank=rank, world=2)) for rank in (0, 1)]
    for step, (images, labels) in enumerate(whole):
        assert torch.equal(torch.cat([batches[step][0] for batches in ranks]), images)
        assert torch.equal(torch.cat([batches[step][1] for batches in ranks]), labels)


def test_an_image_keeps_its_crop_under_a_limit_and_changes_it_with_epoch_and_seed(folder):
    train = stream(folder).train
    expected = by_position(train, epoch=0, batch_size=8, train=True)
    few = stream(folder, limit=6).train
    assert torch.equal(by_position(few, epoch=0, batch_size=6, train=True), expected[few.ids])
    for other in (dict(epoch=1), dict(epoch=0, seed=1)):
        images = by_position(train, batch_size=8, train=True, **other)
        assert not any(torch.equal(a, b) for a, b in zip(images, expected))


def test_labels_go_with_their_images(folder):
    bundle = stream(folder)
    plain = by_position(bundle.train, epoch=0, batch_size=24)
    for images, labels in bundle.train.batches(0, 24):
        assert torch.equal(images, plain) and labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    order = torch.cat([labels for _, labels in bundle.train.batches(0, 7, train=True)])
    assert torch.bincount(order).tolist() == [8, 8, 8] and order.tolist() != sorted(order.tolist())


def test_random_boxes_lie_inside_and_keep_to_area_and_ratio():
    areas, ratios = [], []
    for sample in range(3000):
        left, top, right, bottom = random_box((200, 200), 0, 0, sample)
        assert 0 <= left < right <= 200 and 0 <= top < bottom <= 200
        areas.append((right - left) * (bottom - top) / 200**2)
        ratios.append(math.log((right - left) / (bottom - top)))
    assert 0.075 < min(areas) < 0.1 and 0.9 < max(areas) <= 1
    assert math.log(3 / 4) - 0.05 < min(ratios) and max(ratios) < math.log(4 / 3) + 0.05
    assert abs(np.mean(ratios)) < 0.02


@pytest.mark.parametrize("size", [(1, 500), (500, 1), (1, 1)])
def test_a_picture_of_extreme_shape_is_cropped_too(tmp_path, size):
    path = str(tmp_path / "thin.png")
    picture(1, *size).save(path)
    left, top, right, bottom = random_box(size, 0, 0, 0)
    assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]
    assert training_image(path, SIZE, 0, 0, 0).shape == evaluation_image(path, SIZE).shape == (SIZE, SIZE, 3)


def test_half_of_the_training_images_are_mirrored(tmp_path):
    path = str(tmp_path / "ramp.png")
    Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))).save(path)
    images = (training_image(path, 16, 0, 0, sample) for sample in range(300))
    assert 110 < sum(int(image[0, -1, 0]) > int(image[0, 0, 0]) for image in images) < 190


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "I;16"])
def test_other_colour_modes_become_rgb(tmp_path, mode):
    path = str(tmp_path / ("x.tif" if mode in ("CMYK", "I;16") else "x.png"))
    image = picture(3, 40, 40)
    (image.convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)).save(path)
    assert evaluation_image(path, 16).shape == (16, 16, 3)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "png", "gone", "bomb"])
def test_a_corrupt_image_is_named(folder, tmp_path, damage, workers):
    for part in ("train", "val"):
        for name in CLASSES:
            (tmp_path / part / name).mkdir(parents=True)
            picture(1, 50, 50).save(tmp_path / part / name / "fine.jpg")
    bad = tmp_path / "train" / "bee" / "bad.jpg"
    picture(1, 200, 200).save(bad)
    raw = bad.read_bytes()
    bundle_before = stream(tmp_path, workers=workers)
    if damage == "truncated":
        bad.write_bytes(raw[: len(raw) // 2])
    elif damage == "gone":
        bad.unlink()
    elif damage == "bomb":
        # A bitmap header that claims 60,000 x 60,000 pixels.
        bad.write_bytes(b"P6 60000 60000 255\n" + b"\0" * 1000)
    elif damage == "png":
        picture(1, 60, 60).save(tmp_path / "x.png")
        broken = bytearray((tmp_path / "x.png").read_bytes())
        broken[45:60] = b"\0" * 15
        bad.write_bytes(bytes(broken))
    else:
        bad.write_bytes(b"" if damage == "empty" else b"this is no image")
    for train in (True, False):
        with pytest.raises(UsageError) as error:
            list(bundle_before.train.batches(0, 4, train=train))
        assert str(bad) in str(error.value) and "\n" not in str(error.value)


def test_the_global_generators_are_left_alone(folder):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    for workers in (0, 1):
        list(stream(folder, workers=workers).train.batches(0, 8, train=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_survive_an_interrupt_that_the_trainer_handles(folder):
    # Ctrl-C in a terminal reaches every process of the group; the trainer decides what becomes of it.
    batches = stream(folder, workers=2).train.batches(0, 2, train=True)
    # One batch of each worker: both are past their start.
    seen = [next(batches), next(batches)]
    workers = [int(pid) for pid in open(f"/proc/self/task/{os.getpid()}/children").read().split()]
    python = [pid for pid in workers if b"python" in open(f"/proc/{pid}/cmdline", "rb").read()]
    assert len(python) >= 2
    for pid in python:
        os.kill(pid, signal.SIGINT)
    assert len(seen + list(batches)) == 12


def test_leaving_an_epoch_early_leaves_no_process(folder):
    def children():
        return set(open(f"/proc/self/task/{os.getpid()}/children").read().split())

    before = children()
    batches = stream(folder, workers=2).train.batches(0, 2, train=True)
    next(batches)
    assert len(children() - before) >= 2
    batches.close()
    assert children() <= before


def test_a_training_batch_larger_than_the_data_is_refused(folder):
    with pytest.raises(UsageError, match="larger than the 24"):
        stream(folder).train.batches(0, 25, train=True)


def test_workers_by_size():
    assert default_workers(100) == 0
    assert 1 <= default_workers(10**6) <= 8
