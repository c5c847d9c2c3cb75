"""Characters as the classes of a network, and back."""

import string

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.sequences.language import Bigrams, WordList

__all__ = ["LETTERS_AND_DIGITS", "Alphabet", "padded"]

LETTERS_AND_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def padded(sequences):
    """Sequences of labels as rows (N, S), filled up with 0, and their lengths (N,), int64."""
    lengths = np.array([len(labels) for labels in sequences], np.int64)
    rows = np.zeros((len(sequences), int(lengths.max(initial=0))), np.int64)
    for row, labels in zip(rows, sequences, strict=True):
        row[: len(labels)] = labels
    return rows, lengths


class Alphabet:
    """The characters that a network tells apart: class i is character i, and the last class is the blank.

    So it is in Keras, with which the documented CRNN was made; PyTorch's blank is class 0 by default.

    Args:
        characters: a string or a sequence of single characters, none of them twice; by default the ten
            digits, 26 capitals and 26 small letters, in the order of Unicode: with the blank 63 classes.

    Attributes:
        characters: the characters, a string.
        blank: the class that stands for no character.
        classes: how many classes there are, the blank included.

    Raises:
        ArgumentError: there are no characters, one is there twice, or one is none.
    """

    def __init__(self, characters=LETTERS_AND_DIGITS):
        characters = list(characters)
        if not characters:
            raise ArgumentError("Alphabet: there are no characters")
        for character in characters:
            if not isinstance(character, str) or len(character) != 1:
                raise ArgumentError(f"Alphabet: {character!r} is not a single character")
        twice = [character for character in characters if characters.count(character) > 1]
        if twice:
            raise ArgumentError(f"Alphabet: {twice[0]!r} is there twice")
        self.characters = "".join(characters)
        self.blank = len(characters)
        self.classes = len(characters) + 1
        self._labels = {character: label for label, character in enumerate(characters)}

    def __contains__(self, text):
        """Whether all characters of a text are known."""
        return all(character in self._labels for character in text)

    def __eq__(self, other):
        return isinstance(other, Alphabet) and other.characters == self.characters

    def __hash__(self):
        return hash(self.characters)

    def __repr__(self):
        return f"Alphabet({self.characters!r})"

    def encode(self, text):
        """The labels of a text, a tuple of integers.

        Raises ArgumentError, naming the place, when a character is unknown.
        """
        for place, character in enumerate(text):
            if character not in self._labels:
                raise ArgumentError(
                    f"Alphabet.encode: {character!r}, at place {place} of {text!r}, is not one of the "
                    f"{self.blank} characters {self.characters}"
                )
        return tuple(self._labels[character] for character in text)

    def encode_all(self, texts):
        """Texts as the CTC loss takes them: labels (N, S), padded by 0, and their numbers (N,), int64.

        Raises ArgumentError when a character is unknown, or `texts` is a single string.
        """
        if isinstance(texts, str):
            raise ArgumentError(f"Alphabet.encode_all: texts must be a list of texts, not the text {texts!r}")
        return padded([self.encode(text) for text in texts])

    def decode(self, labels):
        """The text of labels, as `best_path` and `beam_search` give them: without blanks.

        Raises ArgumentError when a label is the blank or no class.
        """
        labels = [int(label) for label in labels]
        for label in labels:
            if not 0 <= label < self.blank:
                what = "the blank" if label == self.blank else f"not one of the {self.classes} classes"
                raise ArgumentError(f"Alphabet.decode: label {label} of {labels} is {what}")
        return "".join([self.characters[label] for label in labels])

    def decode_all(self, labels, lengths=None):
        """The texts of rows of labels (N, S), padded if `lengths` (N,) are given, or of a list of them."""
        lengths = [None] * len(labels) if lengths is None else [int(length) for length in lengths]
        return [self.decode(row[:length]) for row, length in zip(labels, lengths, strict=True)]

    def word_list(self, words, any_case=False):
        """A `WordList` of texts, for `beam_search`.

        Args:
            words: strings.
            any_case: whether words may also be written in small letters, in capitals, and with one capital.

        Raises ArgumentError when a character is unknown, or there are no words.
        """
        if any_case:
            spellings = (str, str.lower, str.upper, str.capitalize)
            words = {spell(word): None for word in words for spell in spellings}
        return WordList([self.encode(word) for word in words], self.classes)

    def bigrams(self, texts, smoothing=1.0):
        """`Bigrams` counted in texts, for `beam_search`. Raises ArgumentError as `encode` does."""
        return Bigrams.count([self.encode(text) for text in texts], self.classes, self.blank, smoothing)
