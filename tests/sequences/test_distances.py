"""Edit distance and error rates."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet.errors import ArgumentError
from tinynet.sequences import character_error_rate, edit_distance, word_error_rate

few = settings(deadline=None, derandomize=True, max_examples=100)
texts = st.text("abc", max_size=7)


def by_recursion(found, expected):
    """The definition: the best of three ways to deal with the first elements."""

    @cache
    def distance(i, j):
        if i == len(found) or j == len(expected):
            return len(found) - i + len(expected) - j
        replaced = distance(i + 1, j + 1) + (found[i] != expected[j])
        return min(replaced, distance(i + 1, j) + 1, distance(i, j + 1) + 1)

    return distance(0, 0)


@few
@given(found=texts, expected=texts)
def test_edit_distance_is_as_defined(found, expected):
    distance = edit_distance(found, expected)
    assert distance == by_recursion(found, expected)
    assert distance == edit_distance(list(expected), list(found))


def test_edit_distance_of_well_known_words():
    assert edit_distance("kitten", "sitting") == 3
    assert edit_distance((1, 2, 3), (1, 3)) == 1
    assert edit_distance("", "abc") == 3


def test_error_rates_count_over_all_texts():
    found, expected = ["the cat sat", "a"], ["the cat sits", "an"]
    assert character_error_rate(found, expected) == (2 + 1) / (12 + 2)
    assert word_error_rate(found, expected) == 2 / 4
    assert character_error_rate([(1, 2)], [(1, 3)]) == 0.5


def test_error_rates_of_nothing():
    assert character_error_rate([], []) == 0
    assert character_error_rate([""], [""]) == 0
    assert word_error_rate(["something"], [""]) == float("inf")


def test_error_rates_check_their_arguments():
    with pytest.raises(ArgumentError, match="1 texts were found but 2 expected"):
        word_error_rate(["a"], ["a", "b"])
    with pytest.raises(ArgumentError, match="lists of texts, not single strings"):
        character_error_rate("a", "b")
