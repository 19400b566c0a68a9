import numpy as np
import pytest

from energytrain.data.hashing import TEST, VALIDATION
from energytrain.data.splits import held_out_count, limited, stratified
from energytrain.errors import UsageError

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(7), 100))
UNEVEN = np.repeat([0, 1, 2], [5, 50, 45])


@pytest.mark.parametrize("limit", [1, 7, 10, 69, 70, 700])
def test_a_limited_choice_is_class_balanced(limit):
    chosen = limited(LABELS, limit)
    counts = np.bincount(LABELS[chosen], minlength=7)
    assert len(np.unique(chosen)) == limit
    assert counts.max() - counts.min() <= 1
    assert (np.diff(chosen) > 0).all()


def test_a_smaller_limit_is_a_subset_of_a_larger_one():
    assert set(limited(LABELS, 50)) < set(limited(LABELS, 51)) < set(limited(LABELS, 400))


def test_a_limit_takes_what_a_small_class_has():
    assert np.bincount(UNEVEN[limited(UNEVEN, 60)]).tolist() in ([5, 28, 27], [5, 27, 28])


def test_a_limit_is_no_prefix_of_the_files():
    assert limited(LABELS, 70).max() > 500


def test_a_limit_chooses_these_images_for_ever():
    # Another choice would void the comparison with every older run of the same limit.
    assert limited(np.arange(30) % 3, 6).tolist() == [1, 2, 7, 9, 18, 26]


@pytest.mark.parametrize("limit", [0, -3, 701])
def test_a_limit_that_does_not_fit_is_refused(limit):
    with pytest.raises(UsageError, match=str(limit)):
        limited(LABELS, limit)


@pytest.mark.parametrize("count", [1, 70, 101, 699])
def test_a_held_out_part_is_exact_stratified_and_disjoint(count):
    kept, held = stratified(LABELS, count, 3, VALIDATION)
    assert len(held) == count
    assert np.array_equal(np.sort(np.concatenate((kept, held))), np.arange(700))
    counts = np.bincount(LABELS[held], minlength=7)
    assert counts.max() - counts.min() <= 1


def test_a_held_out_part_keeps_uneven_proportions():
    _, held = stratified(UNEVEN, 20, 0, TEST)
    assert np.bincount(UNEVEN[held]).tolist() == [1, 10, 9]


def test_the_seed_and_the_purpose_choose_other_images():
    parts = [tuple(stratified(LABELS, 70, seed, purpose)[1]) for seed in (0, 1) for purpose in (VALIDATION, TEST)]
    assert len(set(parts)) == 4
    assert tuple(stratified(LABELS, 70, 1, TEST)[1]) == parts[3]


def test_nothing_held_out():
    kept, held = stratified(LABELS, 0, 0, VALIDATION)
    assert len(kept) == 700 and len(held) == 0


def test_a_share_is_rounded_to_the_nearest_image():
    assert [held_out_count(50, share) for share in (0.0, 0.1, 0.05, 0.049)] == [0, 5, 3, 2]


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan"), 1e-9, 0.9999])
def test_a_share_that_leaves_a_part_empty_is_refused(share):
    with pytest.raises(UsageError):
        held_out_count(50, share)
