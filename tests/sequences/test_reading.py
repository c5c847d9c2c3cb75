"""Texts read from scores, with their probabilities."""

import numpy as np
import pytest

from tinynet import functional as F
from tinynet.errors import ArgumentError, ShapeError
from tinynet.sequences import Alphabet, read_texts

ALPHABET = Alphabet("ab")
# The example of Graves: the best alignment is all blanks, but more of them say a.
UNSURE = np.log([[[0.39, 0.01, 0.6], [0.39, 0.01, 0.6]]])


def test_the_best_path_with_the_probability_of_its_text():
    ((found,),) = read_texts(UNSURE, ALPHABET)
    assert found.text == ""
    assert found.probability == pytest.approx(0.36)


def test_the_beam_finds_more_probable_texts():
    (found,) = read_texts(UNSURE, ALPHABET, beam=20, top=3)
    assert [text for text, _ in found] == ["a", "", "b"]
    assert [p for _, p in found] == pytest.approx([2 * 0.39 * 0.6 + 0.39**2, 0.36, 2 * 0.01 * 0.6 + 0.01**2])
    assert read_texts(UNSURE, ALPHABET, beam=20) == [found[:1]]


def test_logits_and_lengths(rng):
    logits = rng.normal(scale=3, size=(3, 6, 3))
    whole = read_texts(logits, ALPHABET, [6, 2, 0], beam=50, top=50)
    for steps, length, readings in zip(logits, (6, 2, 0), whole, strict=True):
        alone = read_texts(steps[np.newaxis, :length], ALPHABET, beam=50, top=50)[0]
        assert [text for text, _ in readings] == [text for text, _ in alone]
    assert whole[2] == [("", 1.0)]
    assert sum(p for _, p in whole[1]) == pytest.approx(1)
    np.testing.assert_allclose(
        [p for _, p in read_texts(F.log_softmax(logits), ALPHABET, beam=50)[0]], whole[0][0].probability
    )


def test_only_words_of_the_list_are_read():
    words = ALPHABET.word_list(["b", "ba"])
    assert read_texts(UNSURE, ALPHABET, words=words)[0][0].text == "b"


def test_the_search_is_widened_until_a_word_is_found():
    """The word is so improbable that a narrow beam drops it at once."""
    steps = np.log(np.full((1, 4, 3), [0.98, 0.01, 0.01]))
    words = ALPHABET.word_list(["aaaaa", "aab", "bbb"])
    (found,) = read_texts(steps, ALPHABET, beam=1, words=words)
    assert [text for text, _ in found] == ["aab"]
    assert read_texts(steps[:, :2], ALPHABET, beam=1, words=words) == [[]]


def test_bigrams_decide_between_equals():
    steps = np.log([[[0.9, 0.05, 0.05], [0.05, 0.05, 0.9], [0.45, 0.45, 0.1]]])
    for pair in ("aa", "ab"):
        bigrams = ALPHABET.bigrams([pair] * 5)
        assert read_texts(steps, ALPHABET, bigrams=bigrams)[0][0].text == pair


def test_errors_say_what_is_wrong():
    with pytest.raises(ArgumentError, match=r"read_texts: the scores have 4 classes \(shape \(1, 2, 4\)\)"):
        read_texts(np.zeros((1, 2, 4)), ALPHABET)
    with pytest.raises(ArgumentError, match="read_texts: top must be at least 1, not 0"):
        read_texts(UNSURE, ALPHABET, top=0)
    with pytest.raises(ArgumentError, match="read_texts: beam must be at least 1, not 0"):
        read_texts(UNSURE, ALPHABET, beam=0)
    with pytest.raises(ShapeError, match=r"scores must be \(N, T, C\)"):
        read_texts(UNSURE[0], ALPHABET)
