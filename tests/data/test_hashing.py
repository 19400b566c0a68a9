import numpy as np
import pytest
import torch

from energytrain.data.hashing import AUGMENT, SHUFFLE, key_of, mix, uniform, words

SAMPLE = [0, 1, 2, 49_999, 2**31, 2**32 - 1]


def test_words_are_these_for_ever():
    # A change would alter every shuffle, split and crop, and so what old run folders can be compared with.
    assert [words(i, key_of(AUGMENT, 0, 0)) for i in range(4)] == [100756972, 1729825138, 384086490, 557973535]
    assert key_of(SHUFFLE, 3, 7) == (2745203695, 3832636893)
    assert key_of(AUGMENT, -1, 2**40) == (680360021, 2394271322)


def test_python_numpy_and_torch_agree():
    key = key_of(AUGMENT, 12345, 67)
    expected = [words(i, key) for i in SAMPLE]
    assert words(np.array(SAMPLE, dtype=np.int64), key).tolist() == expected
    assert words(torch.tensor(SAMPLE, dtype=torch.int64), key).tolist() == expected
    assert all(0 <= word < 2**32 for word in expected)


def test_distinct_ids_get_distinct_words():
    ids = torch.arange(300_000)
    assert len(torch.unique(words(ids, key_of(SHUFFLE, 0, 0)))) == len(ids)


@pytest.mark.parametrize("bit", range(0, 32, 5))
def test_one_changed_bit_changes_half_of_the_word(bit):
    ids = torch.arange(4096) * 1_048_573 & 0xFFFFFFFF
    changed = mix(ids) ^ mix(ids ^ (1 << bit))
    flips = sum(((changed >> place) & 1).double().mean().item() for place in range(32))
    assert 15.5 < flips < 16.5


def test_seeds_epochs_and_purposes_give_other_keys():
    keys = {key_of(p, s, e) for p in (1, 2, 3) for s in range(20) for e in range(20)}
    assert len(keys) == 3 * 20 * 20
    assert key_of(1, 1, 0) != key_of(1, 0, 1)
    assert key_of(1, 2**33) != key_of(1, 0)


def test_uniform_numbers_fill_the_unit_interval():
    key = key_of(AUGMENT, 5)
    counts = np.histogram([uniform(key, i) for i in range(10_000)], bins=10, range=(0, 1))[0]
    assert counts.sum() == 10_000
    # Chi-square with 9 degrees of freedom: 33.7 is its 1 in 10,000 point, and the stream is fixed.
    assert ((counts - 1000) ** 2 / 1000).sum() < 33.7
