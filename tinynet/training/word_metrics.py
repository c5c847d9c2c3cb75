"""Metrics of networks that read: how many words are right, and how many characters are wrong.

They read the best path, which is quick; `tinynet.sequences.read_texts` searches for better readings.
"""

from tinynet import backend
from tinynet.autograd import as_tensor
from tinynet.errors import ShapeError
from tinynet.sequences import best_path, edit_distance
from tinynet.sequences.reading import check_classes
from tinynet.training.metrics import Metric

__all__ = ["CharacterErrorRate", "WordAccuracy"]

_MOST_UNREAD = 16  # batches, whose scores take memory on the GPU until then


class _OfTexts(Metric):
    """A metric of what was read and what is written, which `compare` defines."""

    def __init__(self, alphabet, ignore_case, name):
        super().__init__(name)
        self.alphabet = alphabet
        self.ignore_case = ignore_case

    def reset(self):
        super().reset()
        self._unread = []

    def update(self, output, *targets):
        """Adds one batch. What is on a GPU is read some batches later, so that nothing waits for it now."""
        scores = as_tensor(output).data
        if not backend.is_on_gpu(scores):
            super().update(output, *targets)
            return
        # A copy: a captured step writes its next output into the same memory.
        self._unread.append((scores.copy(), *targets))
        if len(self._unread) >= _MOST_UNREAD:
            self._fetch()

    def _fetch(self):
        unread, self._unread = self._unread, []
        for batch in unread:
            super().update(*batch)
        super()._fetch()

    def measure(self, output, labels, input_lengths=None, target_lengths=None):
        """Sum and number of values for scores (N, T, C) and the targets of a CTC loss, labels (N, S)."""
        scores = as_tensor(output)
        check_classes(self.name, scores, self.alphabet)
        labels = backend.to_numpy(as_tensor(labels).data)
        if labels.ndim != 2 or len(labels) != scores.shape[0]:
            raise ShapeError(
                f"{self.name}: labels must be ({scores.shape[0]}, S), for scores of shape {scores.shape}, "
                f"but have shape {labels.shape}"
            )
        if target_lengths is not None:
            target_lengths = backend.to_numpy(as_tensor(target_lengths).data)
        found = self.alphabet.decode_all(best_path(scores, input_lengths, self.alphabet.blank))
        expected = self.alphabet.decode_all(labels, target_lengths)
        if self.ignore_case:
            found, expected = ([text.casefold() for text in texts] for texts in (found, expected))
        return self.compare(found, expected)

    def compare(self, found, expected):
        """The sum over texts and the number of values in it, for two lists of strings."""
        raise NotImplementedError


class WordAccuracy(_OfTexts):
    """The part of the texts that are read without any mistake.

    Args:
        alphabet: the `Alphabet` of the network's classes.
        ignore_case: whether capitals and small letters are the same.
        name: the column of the history; ``"word_accuracy"``, or ``"word_accuracy_ignoring_case"``.
    """

    def __init__(self, alphabet, ignore_case=False, name=None):
        super().__init__(alphabet, ignore_case, name or _named("word_accuracy", ignore_case))

    def compare(self, found, expected):
        return sum(one == other for one, other in zip(found, expected, strict=True)), len(expected)


class CharacterErrorRate(_OfTexts):
    """The insertions, deletions and replacements that would be needed, for each character written.

    The arguments are those of `WordAccuracy`; by default it is called ``"character_error_rate"``.
    """

    def __init__(self, alphabet, ignore_case=False, name=None):
        super().__init__(alphabet, ignore_case, name or _named("character_error_rate", ignore_case))

    def compare(self, found, expected):
        errors = sum(edit_distance(one, other) for one, other in zip(found, expected, strict=True))
        return errors, sum(map(len, expected))


def _named(quantity, ignore_case):
    return f"{quantity}_ignoring_case" if ignore_case else quantity
