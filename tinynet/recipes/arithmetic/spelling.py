"""Numbers in English words, and back."""

from tinynet.errors import ArgumentError

__all__ = ["LARGEST", "VOCABULARY", "read", "spell"]

TEENS = (
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", *TEENS)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
HUNDRED, THOUSAND = "hundred", "thousand"

VOCABULARY = (*UNITS, *TENS, HUNDRED, THOUSAND)
LARGEST = 999_999

_VALUES = {word: value for value, word in enumerate(UNITS)} | {
    word: 10 * ten for ten, word in enumerate(TENS, start=2)
}


def spell(number):
    """A whole number from 0 to `LARGEST` as a list of words: 515 gives five hundred fifteen.

    Raises ArgumentError for other numbers.
    """
    if not 0 <= number <= LARGEST:
        raise ArgumentError(f"spell: the number must lie between 0 and {LARGEST:,}, not be {number}")
    thousands, rest = divmod(number, 1000)
    if not thousands:
        return _below_thousand(rest) or [UNITS[0]]
    return [*_below_thousand(thousands), THOUSAND, *_below_thousand(rest)]


def _below_thousand(number):
    """The words of a number below 1000; none for 0."""
    hundreds, rest = divmod(number, 100)
    words = [UNITS[hundreds], HUNDRED] if hundreds else []
    if rest >= 20:
        tens, rest = divmod(rest, 10)
        words.append(TENS[tens - 2])
    return [*words, UNITS[rest]] if rest else words


def read(words):
    """The number that these words spell.

    Raises ArgumentError for words that are not how `spell` spells a number.
    """
    words = list(words)
    thousands, rest = 0, words
    if THOUSAND in words:
        place = words.index(THOUSAND)
        thousands, rest = _value_below_thousand(words[:place]), words[place + 1 :]
    number = 1000 * thousands + _value_below_thousand(rest)
    # Any order of words has a value of some kind; only one order spells it.
    if not 0 <= number <= LARGEST or spell(number) != words:
        raise ArgumentError(f"read: these words spell no number: {' '.join(map(str, words))!r}")
    return number


def _value_below_thousand(words):
    value = 0
    for word in words:
        value = 100 * value if word == HUNDRED else value + _VALUES.get(word, LARGEST)
    return value
