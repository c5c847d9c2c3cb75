"""How far what was read is from what is written: edit distance, error rates of characters and words."""

from tinynet.errors import ArgumentError

__all__ = ["character_error_rate", "edit_distance", "word_error_rate"]


def edit_distance(found, expected):
    """The fewest insertions, deletions and replacements that turn one sequence into the other.

    Args:
        found, expected: strings, or other sequences of elements that can be compared.

    V. Levenshtein, "Binary codes capable of correcting deletions, insertions, and reversals" (1966); the
    method is R. Wagner's and M. Fischer's, "The string-to-string correction problem" (1974).
    """
    # Row i holds the distances of the first i elements of `found` to every beginning of `expected`.
    row = list(range(len(expected) + 1))
    for i, element in enumerate(found, 1):
        before, row = row, [i]
        for j, other in enumerate(expected):
            row.append(min(before[j] + (element != other), before[j + 1] + 1, row[j] + 1))
    return row[-1]


def character_error_rate(found, expected):
    """The edit distances of all texts over the number of characters that are expected.

    Above 1 if much too much was read; 0 if nothing was expected and nothing read, infinite if nothing was
    expected but something read.

    Args:
        found, expected: as many texts each, strings or sequences of labels.

    Raises ArgumentError when one is a single string, or their numbers differ.
    """
    return _error_rate("character_error_rate", found, expected, lambda text: text)


def word_error_rate(found, expected):
    """The same over the words of texts, which white space separates."""
    return _error_rate("word_error_rate", found, expected, str.split)


def _error_rate(operation, found, expected, parts):
    if isinstance(found, str) or isinstance(expected, str):
        raise ArgumentError(f"{operation}: found and expected must be lists of texts, not single strings")
    if len(found) != len(expected):
        raise ArgumentError(f"{operation}: {len(found)} texts were found but {len(expected)} expected")
    pairs = [(parts(one), parts(other)) for one, other in zip(found, expected, strict=True)]
    errors = sum(edit_distance(one, other) for one, other in pairs)
    whole = sum(len(other) for _, other in pairs)
    if not whole:
        return float("inf") if errors else 0.0
    return errors / whole
