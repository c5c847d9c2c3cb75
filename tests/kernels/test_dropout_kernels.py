"""Dropout: the random words against published ones, their statistics, and both takes against each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import dropout, pinned
from tinynet_kernels.dropout import cpu, reference

few = settings(deadline=None, derandomize=True, max_examples=60)

# The known answers that come with the authors' library Random123, for philox4x32 with 10 rounds.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_the_words_are_the_published_ones(counter, key, words):
    found = reference.philox([np.array([word], np.uint64) for word in counter], key)
    assert tuple(int(word[0]) for word in found) == words


@pytest.mark.parametrize("first", [0, 5, 2**32 - 3, 2**33 + 1])
def test_the_compiled_words_are_those_of_the_reference(first):
    key, count = (0xDEADBEEF, 0x12345678), 40
    words = np.zeros((4, count), np.uint32)
    cpu._philox(first, count, *map(np.uint32, key), *words)
    counter = np.arange(first, first + count, dtype=np.uint64)
    zero = np.zeros_like(counter)
    expected = reference.philox((counter & 0xFFFFFFFF, counter >> 32, zero, zero), key)
    np.testing.assert_array_equal(words, np.stack(expected))


@few
@given(
    shape=st.lists(st.integers(0, 9), min_size=0, max_size=3).map(tuple),
    p=st.sampled_from([0.0, 1e-12, 0.25, 0.5, 0.9, 1.0]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_takes_agree(shape, p, dtype, seed, compare_takes):
    x = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    key = (seed, seed ^ 0x5A5A5A5A)
    y, mask = compare_takes(dropout.forward, x, key, p)
    np.testing.assert_array_equal(compare_takes(dropout.backward, x, mask, p), y)
    np.testing.assert_array_equal(compare_takes(dropout.keep_mask, x, shape, key, p), mask)


@pytest.mark.parametrize("size", [4 * 1024, 4 * 1024 + 1, 3 * 4096 - 5, 100_003])
def test_takes_agree_around_the_sizes_of_blocks(size, compare_takes):
    x = np.random.default_rng(0).standard_normal(size, dtype=np.float32)
    y, mask = compare_takes(dropout.forward, x, (1, 2), 0.3)
    compare_takes(dropout.backward, x, mask, 0.3)
    np.testing.assert_array_equal(y != 0, mask)


def test_extremes_of_p():
    x = np.ones(1000)
    for take in ("reference", "cpu"):
        with pinned(take):
            assert dropout.forward(x, (3, 4), 0.0)[0].tolist() == [1] * 1000
            assert dropout.forward(x, (3, 4), 1.0)[0].tolist() == [0] * 1000
            assert not dropout.keep_mask(x, (7,), (3, 4), 1.0).any()


def test_it_is_a_product():
    x = np.full(64, np.nan, np.float32)
    x[::2] = np.inf
    for take in ("reference", "cpu"):
        with pinned(take), np.errstate(invalid="ignore"):
            y, mask = dropout.forward(x, (8, 9), 0.5)
        assert np.isnan(y[1::2]).all()
        assert np.isnan(y[::2][~mask[::2]]).all()
        assert (y[::2][mask[::2]] == np.inf).all()


def test_neighbours_and_calls_are_independent():
    """Shares of kept elements among all, among pairs at several distances, and between two keys."""
    size = 400_000
    x = np.empty(0, np.float32)
    mask = dropout.keep_mask(x, (size,), (10, 20), 0.5)
    other = dropout.keep_mask(x, (size,), (11, 20), 0.5)
    six_deviations = 6 * 0.5 / np.sqrt(size)
    assert abs(mask.mean() - 0.5) < six_deviations
    assert abs((mask == other).mean() - 0.5) < six_deviations
    for distance in (1, 2, 64, 1024, size // 4, size // 2):
        assert abs((mask == np.roll(mask, distance)).mean() - 0.5) < six_deviations


def test_the_words_are_uniform():
    """A chi-squared test of the highest and of the lowest byte, each within six deviations."""
    counter = np.arange(50_000, dtype=np.uint64)
    zero = np.zeros_like(counter)
    words = np.stack(reference.philox((counter, zero, zero, zero), (1, 2)))
    for byte in (words >> 24, words & 255):
        counts = np.bincount(byte.ravel().astype(int), minlength=256)
        expected = words.size / 256
        statistic = ((counts - expected) ** 2 / expected).sum()
        assert abs(statistic - 255) < 6 * np.sqrt(2 * 255)


def test_results_do_not_depend_on_the_number_of_threads():
    numba = pytest.importorskip("numba")
    before = numba.get_num_threads()
    if before == 1:
        pytest.skip("there is only one thread here")
    x = np.random.default_rng(0).standard_normal(200_000)
    together = dropout.forward(x, (5, 6), 0.2)
    try:
        numba.set_num_threads(1)
        alone = dropout.forward(x, (5, 6), 0.2)
    finally:
        numba.set_num_threads(before)
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r"^dropout.forward: p must be a probability from 0 to 1, not nan$"):
        dropout.forward(np.ones(3), (1, 2), float("nan"))
    with pytest.raises(ValueError, match=r"^dropout.backward: mask has shape \(2,\), but gy \(3,\)$"):
        dropout.backward(np.ones(3), np.ones(2, bool), 0.5)
