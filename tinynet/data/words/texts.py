"""What is written on word images: words, words that might be, numbers, and letters at random."""

import string
from functools import lru_cache

from tinynet.data.words.vocabulary import COMMON_WORDS, EVERYDAY_WORDS

__all__ = ["CHARACTERS", "draw_text"]

CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase

# Among letters at random those are missing that only the rest of a word tells apart.
UNMISTAKABLE = "".join(character for character in CHARACTERS if character not in "0Oo1Il")

RANDOM_LENGTHS = (3, 8)
NUMBER_LENGTHS = (1, 6)

ONSETS = (
    "b c d f g h j k l m n p qu r s t v w x y z bl br ch cl cr dr fl fr gl gr pl pr sc sh sl sp st str th tr"
)
VOWELS = "a e i o u a e i o ai ea ee ie io oo ou ua y"
CODAS = "b ck d g l ll m n nd ng nt p r rd rs s ss st t th x y"


def draw_text(rng):
    """A text of `CHARACTERS`: most are words, the others syllables, numbers and letters at random."""
    kind = rng.random()
    if kind < 0.65:
        return _in_case(_word(rng), rng)
    if kind < 0.8:
        return _in_case(_syllables(rng), rng)
    if kind < 0.91:
        return _characters(string.digits, NUMBER_LENGTHS, rng)
    return _characters(UNMISTAKABLE, RANDOM_LENGTHS, rng)


def _word(rng):
    words = _everyday_words() if rng.random() < 0.5 else _common_words()
    return words[rng.integers(len(words))]


@lru_cache
def _everyday_words():
    return tuple(EVERYDAY_WORDS.split())


@lru_cache
def _common_words():
    return tuple(COMMON_WORDS.split())


def _syllables(rng):
    """Something that can be pronounced, and might be a name."""
    onsets, vowels, codas = ONSETS.split(), VOWELS.split(), CODAS.split()
    text = ""
    for _ in range(rng.integers(1, 5)):
        if rng.random() < 0.85:
            text += onsets[rng.integers(len(onsets))]
        text += vowels[rng.integers(len(vowels))]
        if rng.random() < 0.35:
            text += codas[rng.integers(len(codas))]
    return text


def _in_case(word, rng):
    """Words as signs and pages have them: small, with a capital, or all in capitals."""
    kind = rng.random()
    if kind < 0.35:
        return word
    return word.capitalize() if kind < 0.65 else word.upper()


def _characters(characters, lengths, rng):
    count = rng.integers(*lengths, endpoint=True)
    return "".join(characters[index] for index in rng.integers(len(characters), size=count))
