"""What is known of a language before reading: its words, and which characters follow each other."""

import numpy as np

from tinynet.errors import ArgumentError

__all__ = ["Bigrams", "WordList"]


class WordList:
    """Words as a tree of their beginnings: a node for every beginning that words have in common.

    Nodes are integers, `ROOT` for the empty beginning.

    Args:
        words: sequences of labels, none of them empty.
        classes: how many classes there are, the blank included.
        separator: the label between two words, where a text may have several; None for single words.

    Raises:
        ArgumentError: there are no words, one is empty, or a label is no class or the separator.
    """

    ROOT = 0

    def __init__(self, words, classes, separator=None):
        self.classes = classes
        self.separator = separator
        self._following = [{}]
        self._ends_word = [False]
        for word in words:
            self._add(tuple(map(int, word)))
        if len(self._following) == 1:
            raise ArgumentError("WordList: there are no words")

    def _add(self, word):
        if not word:
            raise ArgumentError("WordList: a word must not be empty")
        node = self.ROOT
        for label in word:
            if not 0 <= label < self.classes or label == self.separator:
                raise ArgumentError(
                    f"WordList: label {label} of the word {word} is the separator or not one of the "
                    f"{self.classes} classes"
                )
            node = self._following[node].setdefault(label, len(self._following))
            if node == len(self._following):
                self._following.append({})
                self._ends_word.append(False)
        self._ends_word[node] = True

    @property
    def beginnings(self):
        """How many beginnings the words have, whole words and the empty beginning included."""
        return len(self._following)

    def following(self, node):
        """The labels that may follow, as a list."""
        labels = list(self._following[node])
        if self._ends_word[node] and self.separator is not None:
            labels.append(self.separator)
        return labels

    def after(self, node, label):
        """The node that a label, one of `following`, leads to."""
        if label == self.separator:
            return self.ROOT
        return self._following[node][label]

    def is_complete(self, node):
        """Whether a text may end here: with a whole word."""
        return self._ends_word[node]


class Bigrams:
    """How probable it is that one label follows another, that a text begins with it, and that it ends.

    Args:
        following: (C, C), ln p(column | row).
        start: (C,), ln p(first label).
        end: (C,), ln p(end | last label).

    Raises ArgumentError when the shapes differ.
    """

    def __init__(self, following, start, end):
        self.following, self.start, self.end = (
            np.asarray(array, np.float64) for array in (following, start, end)
        )
        classes = len(self.start)
        if self.following.shape != (classes, classes) or self.end.shape != (classes,):
            raise ArgumentError(
                f"Bigrams: following, start and end need the shapes (C, C), (C,) and (C,), not "
                f"{self.following.shape}, {self.start.shape} and {self.end.shape}"
            )

    @classmethod
    def count(cls, texts, classes, blank=0, smoothing=1.0):
        """The bigrams of texts, sequences of labels.

        ``smoothing`` is added to every count, so that what was never seen is not impossible (Laplace); the
        blank, which is no label, gets none.

        Raises ArgumentError unless the smoothing is above 0, and for a label that is no class or the blank.
        """
        if not smoothing > 0:
            raise ArgumentError(f"Bigrams.count: smoothing must be above 0, not {smoothing}")
        edge = classes  # one more row and column: before the first label, and after the last
        counts = np.full((classes + 1, classes + 1), float(smoothing))
        for text in texts:
            labels = [int(label) for label in text]
            for label in labels:
                if not 0 <= label < classes or label == blank:
                    raise ArgumentError(
                        f"Bigrams.count: label {label} is the blank or not one of the {classes} classes"
                    )
            for pair in zip([edge, *labels], [*labels, edge], strict=True):
                counts[pair] += 1
        counts[:, blank] = 0
        with np.errstate(divide="ignore"):
            logarithms = np.log(counts / counts.sum(axis=1, keepdims=True))
        return cls(logarithms[:classes, :classes], logarithms[edge, :classes], logarithms[:classes, edge])
