"""Decoders: against every label sequence tried one by one, with and without a language."""

from itertools import groupby, pairwise, product

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet.errors import ArgumentError, ShapeError
from tinynet.sequences import Bigrams, WordList, beam_search, best_path

A, B = 1, 2


def random_log_probabilities(rng, *shape):
    return F.log_softmax(rng.normal(scale=2, size=shape)).numpy()


def every_reading(log_p, blank):
    """ln of the probability of every sequence of labels, by all alignments."""
    T, C = log_p.shape
    whole = {}
    for alignment in product(range(C), repeat=T):
        labels = tuple(label for label, _ in groupby(alignment) if label != blank)
        whole[labels] = whole.get(labels, 0) + np.exp(log_p[range(T), alignment].sum())
    return {labels: np.log(p) for labels, p in whole.items()}


def test_best_path_merges_repetitions_and_removes_blanks():
    path = [0, 1, 1, 0, 1, 2, 2, 0, 0, 3]
    scores = np.eye(4)[[path, path[::-1]]]
    assert best_path(scores) == [(1, 1, 2, 3), (3, 2, 1, 1)]
    assert best_path(scores, [4, 0]) == [(1,), ()]
    assert best_path(tn.tensor(scores), blank=1) == [(0, 0, 2, 0, 3), (3, 0, 2, 0, 0)]


def test_labels_may_be_more_probable_than_those_of_the_best_path():
    """The example of Graves: the best alignment is all blanks, but more of them say a."""
    log_p = np.log([[[0.6, 0.4], [0.6, 0.4]]])
    assert best_path(log_p) == [()]
    readings = beam_search(log_p)[0]
    assert [reading.labels for reading in readings] == [(A,), ()]
    np.testing.assert_allclose(np.exp([r.log_probability for r in readings]), [0.64, 0.36])


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("T", range(7))
def test_a_beam_that_is_wide_enough_finds_everything(rng, T, blank):
    log_p = random_log_probabilities(rng, 2, T, 3)
    for steps, readings in zip(log_p, beam_search(log_p, blank=blank, width=1000), strict=True):
        expected = every_reading(steps, blank)
        assert {reading.labels for reading in readings} == expected.keys()
        for reading in readings:
            assert reading.log_probability == pytest.approx(expected[reading.labels], abs=1e-12)
            assert reading.score == reading.log_probability
        assert [r.score for r in readings] == sorted((r.score for r in readings), reverse=True)


def test_a_narrow_beam_finds_probable_labels_and_a_part_of_their_alignments(rng):
    log_p = random_log_probabilities(rng, 6, 20, 8)
    for width in (1, 5):
        for steps, readings in zip(log_p, beam_search(log_p, width=width), strict=True):
            assert 1 <= len(readings) <= width
            for reading in readings:
                loss = F.ctc_loss(steps[None], [reading.labels], reduction="sum").item()
                assert reading.log_probability <= -loss + 1e-12
    best = [F.ctc_loss(log_p, *padded(best_path(log_p)), reduction="none").numpy()]
    wide = [readings[0].labels for readings in beam_search(log_p, width=50)]
    best.append(F.ctc_loss(log_p, *padded(wide), reduction="none").numpy())
    assert (best[1] <= best[0] + 1e-12).all()


def padded(sequences):
    """Labels as rows of one length, no input lengths, and the target lengths."""
    lengths = [len(labels) for labels in sequences]
    rows = np.zeros((len(sequences), max(lengths)), int)
    for row, labels in zip(rows, sequences, strict=True):
        row[: len(labels)] = labels
    return rows, None, lengths


def test_steps_behind_the_length_are_not_looked_at(rng):
    log_p = random_log_probabilities(rng, 2, 9, 4)
    log_p[0, 5:] = np.nan
    assert beam_search(log_p, [5, 9])[0] == beam_search(log_p[:1, :5])[0]


def test_only_words_of_the_list_are_read(rng):
    words = [(A,), (A, B), (B, B, A), (B, A)]
    log_p = random_log_probabilities(rng, 20, 6, 3)
    readings = beam_search(log_p, width=100, words=WordList(words, 3))
    for steps, found in zip(log_p, readings, strict=True):
        every = every_reading(steps, 0)
        expected = sorted(words, key=lambda word: -every[word])
        assert [reading.labels for reading in found] == expected
        np.testing.assert_allclose([r.log_probability for r in found], [every[word] for word in expected])


def test_words_may_be_separated(rng):
    space = 3
    word_list = WordList([(A,), (B, A)], 4, separator=space)
    log_p = random_log_probabilities(rng, 5, 5, 4)
    for steps, found in zip(log_p, beam_search(log_p, width=1000, words=word_list), strict=True):
        every = every_reading(steps, 0)
        expected = [labels for labels in every if is_text(labels, space, {(A,), (B, A)})]
        assert {reading.labels for reading in found} == set(expected)
        assert found[0].labels == max(expected, key=every.get)


def is_text(labels, space, words):
    parts = [[]]
    for label in labels:
        if label == space:
            parts.append([])
        else:
            parts[-1].append(label)
    return all(tuple(part) in words for part in parts)


def test_nothing_is_read_where_no_word_is_whole():
    log_p = np.log([[[0.1, 0.8, 0.1]]])
    assert beam_search(log_p, words=WordList([(A, B)], 3)) == [[]]


def test_bigrams_are_added_to_the_scores(rng):
    bigrams = Bigrams.count([(A, B), (A, B, A), (B,)], 3)
    log_p = random_log_probabilities(rng, 4, 5, 3)
    found = beam_search(log_p, width=1000, bigrams=bigrams, bigram_weight=0.7)
    for steps, readings in zip(log_p, found, strict=True):
        every = every_reading(steps, 0)
        expected = {labels: p + 0.7 * language_score(labels, bigrams) for labels, p in every.items()}
        assert readings[0].labels == max(expected, key=expected.get)
        for reading in readings:
            assert reading.score == pytest.approx(expected[reading.labels])
            assert reading.log_probability == pytest.approx(every[reading.labels])


def language_score(labels, bigrams):
    if not labels:
        return 0
    following = sum(bigrams.following[pair] for pair in pairwise(labels))
    return bigrams.start[labels[0]] + following + bigrams.end[labels[-1]]


def test_bigrams_are_counted_with_one_more_of_each():
    bigrams = Bigrams.count([(A, B), (A, A)], 3)
    # After a: once b, once a, once the end, and one more of each.
    np.testing.assert_allclose(np.exp(bigrams.following[A]), [0, 2 / 6, 2 / 6])
    np.testing.assert_allclose(np.exp(bigrams.end[A]), 2 / 6)
    np.testing.assert_allclose(np.exp(bigrams.start), [0, 3 / 5, 1 / 5])


def test_arguments_are_checked(rng):
    log_p = random_log_probabilities(rng, 2, 5, 3)
    with pytest.raises(
        ShapeError, match=r"best_path: scores must be \(N, T, C\) with C at least 1, but have shape \(5, 3\)"
    ):
        best_path(log_p[0])
    with pytest.raises(ShapeError, match=r"input_lengths have shape \(1,\), but .* need \(2,\)"):
        best_path(log_p, [3])
    with pytest.raises(ArgumentError, match=r"input_lengths must lie in 0 … 5, but are \[3, 6\]"):
        beam_search(log_p, [3, 6])
    with pytest.raises(ArgumentError, match="blank is 3, which is not one of the 3 classes"):
        best_path(log_p, blank=3)
    with pytest.raises(ArgumentError, match="width must be at least 1, not 0"):
        beam_search(log_p, width=0)
    with pytest.raises(ArgumentError, match="words has 4 classes, but log_probabilities 3"):
        beam_search(log_p, words=WordList([(1,)], 4))
    with pytest.raises(ArgumentError, match="there are no words"):
        WordList([], 3)
    with pytest.raises(ArgumentError, match="a word must not be empty"):
        WordList([()], 3)
    with pytest.raises(ArgumentError, match=r"label 3 of the word \(1, 3\) is the separator or not one of"):
        WordList([(1, 3)], 3)
    with pytest.raises(ArgumentError, match="smoothing must be above 0"):
        Bigrams.count([(1,)], 3, smoothing=0)
    with pytest.raises(ArgumentError, match="label 0 is the blank or not one of the 3 classes"):
        Bigrams.count([(0,)], 3)
    with pytest.raises(ArgumentError, match="need the shapes"):
        Bigrams(np.zeros((2, 3)), np.zeros(3), np.zeros(3))
