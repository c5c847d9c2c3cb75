"""Sequences of labels: reading them from a network's answers, and how far they are from the right ones."""

from tinynet.sequences.alphabet import LETTERS_AND_DIGITS, Alphabet
from tinynet.sequences.beam_search import Reading, beam_search
from tinynet.sequences.best_path import best_path
from tinynet.sequences.distances import character_error_rate, edit_distance, word_error_rate
from tinynet.sequences.language import Bigrams, WordList
from tinynet.sequences.reading import Text, read_texts

__all__ = [
    "LETTERS_AND_DIGITS",
    "Alphabet",
    "Bigrams",
    "Reading",
    "Text",
    "WordList",
    "beam_search",
    "best_path",
    "character_error_rate",
    "edit_distance",
    "read_texts",
    "word_error_rate",
]
