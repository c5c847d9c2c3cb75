"""From the scores of a network to texts."""

from typing import NamedTuple

import numpy as np

from tinynet.autograd import no_grad
from tinynet.errors import ArgumentError
from tinynet.functional import ctc_loss, log_softmax
from tinynet.sequences.alphabet import padded
from tinynet.sequences.beam_search import beam_search
from tinynet.sequences.best_path import best_path

__all__ = ["Text", "read_texts"]

BEAM, BEAM_FOR_WORDS = 10, 50
WIDER = 4  # the factor by which a beam grows in which no word was found


class Text(NamedTuple):
    """What a network has read.

    Attributes:
        text: a string.
        probability: of this text, by the network: the sum over all of its alignments.
    """

    text: str
    probability: float


def read_texts(
    scores, alphabet, input_lengths=None, beam=None, words=None, bigrams=None, bigram_weight=1.0, top=1
):
    """What sequences of scores say, the best reading first.

    Args:
        scores: (N, T, C), logits or logarithms of probabilities.
        alphabet: the `Alphabet` with these C classes.
        input_lengths: integers (N,), how many steps of each sequence count; None for T.
        beam: how many prefixes a `beam_search` keeps; None takes the `best_path`, but with bigrams 10 and
            with words 50. Where no word is found, the search is repeated with more of them.
        words: a `WordList`, for instance `Alphabet.word_list`; only its words are read then.
        bigrams: `Bigrams`, for instance `Alphabet.bigrams`.
        bigram_weight: the factor for the bigrams.
        top: how many readings to give at the most; the best path is a single one.

    Returns:
        N lists of `Text`, in the order of the scores by which they were found. A list is empty where no word
        of the list has so few letters that it fits into the steps.

    Raises:
        ShapeError: the scores are not (N, T, C).
        ArgumentError: C is not the number of classes, or another argument does not fit.
    """
    with no_grad():
        log_p = log_softmax(scores).numpy()
        check_classes("read_texts", log_p, alphabet)
        for name, number in (("top", top), ("beam", beam)):
            if number is not None and number < 1:
                raise ArgumentError(f"read_texts: {name} must be at least 1, not {number}")
        if beam is None and words is None and bigrams is None:
            found = [[labels] for labels in best_path(log_p, input_lengths, alphabet.blank)]
        else:
            language = {"words": words, "bigrams": bigrams, "bigram_weight": bigram_weight}
            beam = beam or (BEAM if words is None else BEAM_FOR_WORDS)
            found = _searched(log_p, input_lengths, alphabet, beam, language)
        lengths = [log_p.shape[1]] * len(found) if input_lengths is None else input_lengths
        return [
            _with_probabilities(steps[: int(length)], readings[:top], alphabet)
            for steps, length, readings in zip(log_p, lengths, found, strict=True)
        ]


def check_classes(operation, scores, alphabet):
    """Raises ArgumentError unless the last axis of scores has the classes of an alphabet."""
    if np.ndim(scores) and np.shape(scores)[-1] != alphabet.classes:
        raise ArgumentError(
            f"{operation}: the scores have {np.shape(scores)[-1]} classes (shape {np.shape(scores)}), but "
            f"the alphabet {alphabet.classes}, the blank included"
        )


def _searched(log_p, lengths, alphabet, beam, language):
    """The labels that beam search finds for each sequence, the best first."""
    readings = beam_search(log_p, lengths, alphabet.blank, beam, **language)
    words = language["words"]
    for index, found in enumerate(readings):
        width = beam
        while words is not None and not found and width < words.beginnings:
            width *= WIDER
            length = None if lengths is None else [lengths[index]]
            (found,) = beam_search(log_p[index : index + 1], length, alphabet.blank, width, **language)
        readings[index] = [reading.labels for reading in found]
    return readings


def _with_probabilities(log_p, readings, alphabet):
    """Texts with their probabilities, for one sequence (T, C)."""
    if not readings:
        return []
    labels, lengths = padded(readings)
    repeated = np.broadcast_to(log_p, (len(readings), *log_p.shape))
    losses = ctc_loss(repeated, labels, target_lengths=lengths, blank=alphabet.blank, reduction="none")
    return [
        Text(alphabet.decode(one), float(probability))
        for one, probability in zip(readings, np.exp(-losses.numpy()), strict=True)
    ]
