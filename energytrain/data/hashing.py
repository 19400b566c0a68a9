"""Counter-based random words: a pure function of (seed, epoch, sample), so that no generator has a state to carry.

The same functions run on Python integers, numpy int64 arrays and torch int64 tensors and give the same words, hence
the same shuffles, splits and crops on every device, batch size and number of ranks, and after every resume.
"""

from typing import Any, Tuple

Key = Tuple[int, int]

SHUFFLE, AUGMENT, LIMIT, VALIDATION, TEST, RANDOM_LABELS = 1, 2, 3, 4, 5, 6

_MASK = 0xFFFFFFFF


def mix(word: Any) -> Any:
    """A bijection of 32-bit words with good avalanche (the "lowbias32" construction: xor-shift, multiply, twice).

    Both multipliers are below 2**31, so a product of 32-bit words fits a signed 64-bit integer without wrapping.
    """
    word = ((word ^ (word >> 16)) * 0x21F0AAAD) & _MASK
    word = ((word ^ (word >> 15)) * 0x735A2D97) & _MASK
    return word ^ (word >> 15)


def key_of(purpose: int, *parts: int) -> Key:
    """A 64-bit key from a purpose (one of this module's constants) and integers such as seed and epoch."""
    low, high = mix(0x9E3779B9 ^ purpose), mix(0x85EBCA6B + purpose)
    for part in parts:
        for half in (part & _MASK, (part >> 32) & _MASK):
            low = mix(low ^ half)
            high = mix((high + half) & _MASK)
    return low, high


def words(ids: Any, key: Key) -> Any:
    """One word in [0, 2**32) for each id in [0, 2**32). Distinct ids get distinct words, so a sort has no ties."""
    return mix((mix(ids ^ key[0]) + key[1]) & _MASK)


def uniform(key: Key, counter: int) -> float:
    """The `counter`-th number in [0, 1) of a key's own stream."""
    return float(words(counter, key)) / 2.0**32
