"""Prefix beam search: the most probable labels over all of their alignments, perhaps with a language's help.

A *prefix* is the beginning of a sequence of labels. Its alignments up to step t end either in a blank or in
its last label; both probabilities are kept apart, since the same label once more begins a new one only after
a blank. From step to step every prefix stays as it is, or is extended by one label. Alignments of the same
prefix are added up, and only the best prefixes are kept.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.sequences.arguments import counted_steps
from tinynet.sequences.language import WordList

__all__ = ["Reading", "beam_search"]


class Reading(NamedTuple):
    """What a sequence may say.

    Attributes:
        labels: a tuple of integers.
        log_probability: ln of the probability of its alignments, of those at least that were not dropped on
            the way.
        score: the same, and the bigrams' part if there are bigrams. By this readings are ordered.
    """

    labels: tuple
    log_probability: float
    score: float


@dataclass(frozen=True)
class _Search:
    """The settings of a search."""

    blank: int
    width: int
    words: object
    bigrams: object
    bigram_weight: float


@dataclass
class _Beam:
    """The prefixes that are kept, in arrays of one length (B,).

    Attributes:
        prefixes: tuples of labels.
        nodes: where each stands in the word list.
        ends_in_blank, ends_in_label: ln of the probabilities of their alignments.
        language: the bigrams' part of their scores.
    """

    prefixes: list
    nodes: list
    ends_in_blank: np.ndarray
    ends_in_label: np.ndarray
    language: np.ndarray

    @property
    def log_probability(self):
        return np.logaddexp(self.ends_in_blank, self.ends_in_label)


def beam_search(
    log_probabilities,
    input_lengths=None,
    blank=0,
    width=10,
    words=None,
    bigrams=None,
    bigram_weight=1.0,
):
    """The most probable labels of each sequence, found by prefix beam search.

    Args:
        log_probabilities: (N, T, C), the logarithms of probabilities, as `functional.log_softmax` gives.
        input_lengths: integers (N,), how many steps of each sequence count; None for T.
        blank: the class that stands for no label.
        width: how many prefixes are kept from step to step.
        words: a `WordList`; only its words are read then.
        bigrams: `Bigrams`, whose logarithms are added to those of the network.
        bigram_weight: the factor for the bigrams.

    Returns:
        N lists of `Reading`, the best first, `width` of them at the most. A list is empty where, of the
        prefixes kept in the end, none is a whole word of the list: a larger width then helps.

    Raises ShapeError and ArgumentError when the arguments do not fit.

    A. Graves and N. Jaitly, "Towards end-to-end speech recognition with recurrent neural networks" (2014),
    algorithm 1; A. Hannun et al., "First-pass large vocabulary continuous speech recognition using
    bi-directional recurrent DNNs" (2014), algorithm 1.
    """
    sequences = counted_steps("beam_search", log_probabilities, input_lengths, blank)
    if width < 1:
        raise ArgumentError(f"beam_search: width must be at least 1, not {width}")
    if sequences:
        classes = sequences[0].shape[1]
        known = {"words": words and words.classes, "bigrams": bigrams and len(bigrams.start)}
        for name, count in known.items():
            if count not in (None, classes):
                raise ArgumentError(
                    f"beam_search: {name} has {count} classes, but log_probabilities {classes}"
                )
    search = _Search(blank, width, words, bigrams, bigram_weight)
    return [_read(steps, search) for steps in sequences]


def _read(steps, search):
    beam = _Beam([()], [WordList.ROOT], np.zeros(1), np.full(1, -np.inf), np.zeros(1))
    for log_p in steps:
        beam = _advance(beam, log_p, search)
    return _readings(beam, search)


def _advance(beam, log_p, search):
    """The beam after one more step, whose log-probabilities are (C,)."""
    ends_in_blank = beam.log_probability + log_p[search.blank]
    last = np.array([prefix[-1] if prefix else -1 for prefix in beam.prefixes])
    ends_in_label = np.where(last < 0, -np.inf, beam.ends_in_label + log_p[last])
    extended = _extended(beam, log_p, last, search)
    _merge(beam.prefixes, ends_in_label, extended)
    language = beam.language[:, None] + _language(last, extended.shape[1], search)
    scores = np.concatenate(
        (np.logaddexp(ends_in_blank, ends_in_label) + beam.language, (extended + language).ravel())
    )
    kept = np.argsort(-scores, kind="stable")[: search.width]
    kept = kept[scores[kept] > -np.inf]
    stay = kept[kept < len(last)]
    rows, labels = np.divmod(kept[kept >= len(last)] - len(last), extended.shape[1])
    grown = [
        (beam.prefixes[row], int(label), beam.nodes[row]) for row, label in zip(rows, labels, strict=True)
    ]
    return _Beam(
        [beam.prefixes[row] for row in stay] + [(*prefix, label) for prefix, label, _ in grown],
        [beam.nodes[row] for row in stay] + [_node_after(node, label, search) for _, label, node in grown],
        np.concatenate((ends_in_blank[stay], np.full(len(grown), -np.inf))),
        np.concatenate((ends_in_label[stay], extended[rows, labels])),
        np.concatenate((beam.language[stay], language[rows, labels])),
    )


def _extended(beam, log_p, last, search):
    """ln of the probability that a prefix is extended by a class, (B, C); −∞ where that must not be."""
    extended = beam.log_probability[:, None] + log_p
    repeated = np.flatnonzero(last >= 0)
    extended[repeated, last[repeated]] = beam.ends_in_blank[repeated] + log_p[last[repeated]]
    extended[:, search.blank] = -np.inf
    if search.words is not None:
        for row, node in enumerate(beam.nodes):
            following = search.words.following(node)
            allowed = extended[row, following]
            extended[row] = -np.inf
            extended[row, following] = allowed
    return extended


def _merge(prefixes, ends_in_label, extended):
    """Adds what extends a prefix to another one that is kept to that one, in place."""
    rows = {prefix: row for row, prefix in enumerate(prefixes)}
    for row, prefix in enumerate(prefixes):
        parent = rows.get(prefix[:-1]) if prefix else None
        if parent is not None:
            ends_in_label[row] = np.logaddexp(ends_in_label[row], extended[parent, prefix[-1]])
            extended[parent, prefix[-1]] = -np.inf


def _language(last, classes, search):
    """The score of every class after the last labels (B,), which are −1 for the beginning: (B, C)."""
    if search.bigrams is None:
        return np.zeros((len(last), classes))
    following = np.where(last[:, None] < 0, search.bigrams.start, search.bigrams.following[last])
    return search.bigram_weight * following


def _node_after(node, label, search):
    return WordList.ROOT if search.words is None else search.words.after(node, label)


def _readings(beam, search):
    """The prefixes that may end here, in the order of their scores."""
    scores = beam.log_probability + beam.language
    if search.bigrams is not None:
        ends = [search.bigrams.end[prefix[-1]] if prefix else 0.0 for prefix in beam.prefixes]
        scores = scores + search.bigram_weight * np.array(ends)
    readings = [
        Reading(prefix, float(log_p), float(score))
        for prefix, node, log_p, score in zip(
            beam.prefixes, beam.nodes, beam.log_probability, scores, strict=True
        )
        if search.words is None or search.words.is_complete(node)
    ]
    return sorted(readings, key=lambda reading: -reading.score)
