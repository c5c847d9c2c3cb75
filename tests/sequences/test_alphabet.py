"""Characters as labels and back, and what is refused on the way."""

import string

import numpy as np
import pytest

from tinynet.errors import ArgumentError
from tinynet.sequences import Alphabet, beam_search, best_path


def test_letters_digits_and_the_blank_are_63_classes():
    alphabet = Alphabet()
    assert (alphabet.classes, alphabet.blank) == (63, 62)
    assert sorted(alphabet.characters) == list(alphabet.characters)
    assert set(alphabet.characters) == set(string.ascii_letters + string.digits)
    assert alphabet.encode("09Az") == (0, 9, 10, 61)
    assert alphabet.decode((0, 9, 10, 61)) == "09Az"
    assert (alphabet.encode(""), alphabet.decode([])) == ((), "")
    assert "Word2" in alphabet
    assert "two words" not in alphabet


def test_every_character_comes_back():
    alphabet = Alphabet("zyx äß")
    assert alphabet.decode(alphabet.encode("xyz ßä")) == "xyz ßä"
    assert alphabet == Alphabet(["z", "y", "x", " ", "ä", "ß"])
    assert alphabet != Alphabet("xyz")
    assert len({alphabet, Alphabet("zyx äß"), Alphabet("xyz")}) == 2
    assert repr(alphabet) == "Alphabet('zyx äß')"


def test_many_texts_are_padded():
    alphabet = Alphabet("abc")
    labels, lengths = alphabet.encode_all(["ab", "", "cab"])
    assert (labels.dtype, lengths.dtype) == (np.int64, np.int64)
    assert labels.tolist() == [[0, 1, 0], [0, 0, 0], [2, 0, 1]]
    assert lengths.tolist() == [2, 0, 3]
    assert alphabet.decode_all(labels, lengths) == ["ab", "", "cab"]
    assert alphabet.decode_all([(2,), (0, 0)]) == ["c", "aa"]
    assert [array.shape for array in alphabet.encode_all([])] == [(0, 0), (0,)]


def test_what_decoders_give_is_decoded():
    alphabet = Alphabet("ab")
    scores = np.log(np.eye(3)[[[0, 0, 2, 0, 1, 1]]] * 0.9 + 0.05)
    assert alphabet.decode_all(best_path(scores, blank=alphabet.blank)) == ["aab"]
    readings = beam_search(scores, blank=alphabet.blank, words=alphabet.word_list(["ab", "bb"]))
    assert alphabet.decode(readings[0][0].labels) == "ab"
    bigrams = alphabet.bigrams(["ab", "ab"], smoothing=1e-6)
    assert np.exp(bigrams.following[0, 1]) == pytest.approx(1, abs=1e-5)


def test_words_may_be_written_in_any_case():
    alphabet = Alphabet("abABx")
    scores = np.log(np.eye(6)[[[2, 1]]] * 0.5 + 0.1)  # Ab

    def read(**options):
        readings = beam_search(
            scores, blank=alphabet.blank, words=alphabet.word_list(["ab", "xx"], **options)
        )
        return {alphabet.decode(reading.labels) for reading in readings[0]}

    with pytest.raises(ArgumentError, match="'X', at place 0 of 'XX'"):
        read(any_case=True)
    alphabet = Alphabet("abABxX")
    scores = np.log(np.eye(7)[[[2, 1]]] * 0.5 + 0.1)
    assert read() == {"ab"}
    assert read(any_case=True) >= {"Ab", "ab", "AB"}


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (lambda: Alphabet(""), "Alphabet: there are no characters"),
        (lambda: Alphabet("abca"), "Alphabet: 'a' is there twice"),
        (lambda: Alphabet(["a", "bc"]), "Alphabet: 'bc' is not a single character"),
        (lambda: Alphabet([1]), "Alphabet: 1 is not a single character"),
        (
            lambda: Alphabet("abc").encode("cäb"),
            "Alphabet.encode: 'ä', at place 1 of 'cäb', is not one of the 3 characters abc",
        ),
        (
            lambda: Alphabet("abc").encode_all("abc"),
            "Alphabet.encode_all: texts must be a list of texts, not the text 'abc'",
        ),
        (lambda: Alphabet("abc").decode([0, 3]), "Alphabet.decode: label 3 of [0, 3] is the blank"),
        (
            lambda: Alphabet("abc").decode([-1]),
            "Alphabet.decode: label -1 of [-1] is not one of the 4 classes",
        ),
        (
            lambda: Alphabet("abc").word_list(["a b"]),
            "Alphabet.encode: ' ', at place 1 of 'a b', is not one of the 3 characters abc",
        ),
    ],
)
def test_errors_say_what_is_wrong(action, text):
    with pytest.raises(ArgumentError) as caught:
        action()
    assert str(caught.value) == text
