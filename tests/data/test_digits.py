import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from energytrain.data.catalog import load
from energytrain.data.digits import read_digits


@pytest.fixture(scope="module")
def bundle():
    return load("digits")


def whole(part):
    batches = list(part.batches(0, 500))
    return torch.cat([images for images, _ in batches]), torch.cat([labels for _, labels in batches])


def test_parts_and_shapes(bundle):
    assert (len(bundle.train), bundle.validation, len(bundle.test)) == (1437, None, 360)
    images, labels = whole(bundle.test)
    assert images.shape == (360, 1, 16, 16) and images.dtype == torch.float32
    assert labels.dtype == torch.int64


def test_the_test_part_is_stratified_and_fixed(bundle):
    counts = torch.bincount(bundle.test.labels)
    everything = np.bincount(load_digits().target)
    assert np.abs(counts.numpy() - everything * 360 / 1797).max() < 1
    other = load("digits", seed=9, limit=500, validation=0.2)
    assert torch.equal(whole(other.test)[0], whole(bundle.test)[0])
    # The first test labels in the order of the package's file; another choice would void all older accuracies.
    assert bundle.test.labels[:12].tolist() == [3, 5, 7, 9, 0, 0, 8, 3, 5, 0, 7, 2]


def test_training_and_test_images_are_all_images_once(bundle):
    scale = whole(bundle.train)[0].std()
    parts = torch.cat([whole(bundle.train)[0], whole(bundle.test)[0]])
    sums = np.sort((parts - parts.min()).sum((1, 2, 3)).numpy())
    original = np.sort(load_digits().images.sum((1, 2)) * 4)
    assert scale == pytest.approx(1, abs=1e-3)
    # Bilinear doubling keeps an image's mean but for its border: the ranking of brightness survives.
    assert np.corrcoef(sums, original)[0, 1] > 0.999


def test_standardised_on_the_training_part(bundle):
    images = whole(bundle.train)[0].double()
    assert images.mean().abs() < 1e-5
    assert images.std(unbiased=False) == pytest.approx(1, abs=1e-5)


def test_digits_are_shifted_by_two_pixels_at_most_and_never_mirrored(bundle):
    plain = {int(i): image for i, image in zip(bundle.train.ids, whole(bundle.train)[0])}
    black = min(image.min() for image in plain.values())
    few = load("digits", limit=60).train
    originals = [plain[int(i)] for i in few.ids]
    order = whole_augmented(few)
    for original, label, image in zip(originals, few.labels, order):
        padded = torch.nn.functional.pad(original[0] - black, (2, 2, 2, 2)) + black
        windows = padded.unfold(0, 16, 1).unfold(1, 16, 1)
        assert ((windows - image[0]).abs() < 1e-5).flatten(2).all(2).any(), int(label)


def whole_augmented(part):
    """The part's augmented images in the part's own order."""
    from energytrain.data.batching import shuffled

    images = torch.cat([batch for batch, _ in part.batches(0, 20, train=True)])
    return images[torch.argsort(shuffled(part.ids, 0, 0))]


def test_the_images_are_a_bilinear_doubling():
    arrays = read_digits(8)
    doubled = read_digits(16)
    small = arrays.test_images.permute(0, 3, 1, 2)
    big = torch.nn.functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.allclose(big.permute(0, 2, 3, 1), doubled.test_images)
    assert doubled.train_images.min() == 0 and doubled.train_images.max() == 1
    assert not doubled.flip and doubled.pad == 2


def test_a_linear_classifier_learns_them(bundle):
    images, labels = (t.double() for t in whole(bundle.train))
    test_images, test_labels = whole(bundle.test)
    flat = torch.cat([images.flatten(1), torch.ones(len(images), 1)], 1)
    weights = torch.linalg.lstsq(flat, torch.nn.functional.one_hot(labels.long()).double(), driver="gelsd").solution
    scores = torch.cat([test_images.double().flatten(1), torch.ones(360, 1)], 1) @ weights
    assert (scores.argmax(1) == test_labels).double().mean() > 0.85
