"""Random labels: even, without regard to the true ones, and an image's own whatever part of the data is used."""

import numpy as np
import pytest

from energytrain.data.random_labels import random_labels
from energytrain.data.splits import limited

TRUE = np.random.default_rng(0).integers(0, 10, 50_000)


def chi_square(counts, expected):
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_every_class_is_as_likely(classes):
    drawn = random_labels(TRUE, classes, 0)
    assert drawn.dtype == np.int64 and drawn.shape == TRUE.shape
    counts = np.bincount(drawn, minlength=classes)
    assert len(counts) == classes
    degrees = classes - 1
    assert chi_square(counts, 50_000 / classes) < degrees + 5 * (2 * degrees) ** 0.5


def test_they_tell_nothing_of_the_true_ones():
    drawn = random_labels(TRUE, 10, 3)
    table = np.zeros((10, 10))
    np.add.at(table, (TRUE, drawn), 1)
    expected = np.outer(table.sum(1), table.sum(0)) / len(TRUE)
    assert chi_square(table, expected) < 81 + 5 * 162**0.5
    assert 0.09 < (drawn == TRUE).mean() < 0.11
    assert np.array_equal(drawn, random_labels(np.zeros_like(TRUE), 10, 3))


def test_an_image_keeps_its_label_whatever_the_limit():
    drawn = random_labels(TRUE, 10, 0)
    assert np.array_equal(random_labels(TRUE[:777], 10, 0), drawn[:777])
    small, large = limited(TRUE, 100), limited(TRUE, 1000)
    assert set(zip(small, drawn[small])) < set(zip(large, drawn[large]))


def test_the_seed_draws_others():
    first, second = random_labels(TRUE, 10, 0), random_labels(TRUE, 10, 1)
    assert 0.09 < (first == second).mean() < 0.11
    assert np.array_equal(first, random_labels(TRUE, 10, 0))


def test_these_labels_are_drawn_for_ever():
    # Others would void the comparison with every older run of the same seed.
    assert random_labels(np.zeros(12, dtype=np.int64), 10, 0).tolist() == [1, 2, 3, 0, 1, 2, 4, 6, 8, 2, 5, 3]


def test_the_given_labels_are_left_alone():
    labels = np.arange(5)
    random_labels(labels, 10, 0)
    assert labels.tolist() == [0, 1, 2, 3, 4]


def test_no_labels_and_no_classes():
    assert random_labels(np.zeros(0, dtype=np.int64), 10, 0).tolist() == []
    assert set(random_labels(np.arange(9), 1, 0).tolist()) == {0}
    with pytest.raises(ValueError, match="0 classes"):
        random_labels(TRUE, 0, 0)
