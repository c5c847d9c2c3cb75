"""Best-path decoding: the most probable class of every step."""

from itertools import groupby

from tinynet.sequences.arguments import counted_steps

__all__ = ["best_path"]


def best_path(scores, input_lengths=None, blank=0):
    """The labels of the most probable alignment of each sequence.

    Repetitions are merged and blanks removed. That need not be the most probable labels, since those may have
    many alignments; see `beam_search`.

    Args:
        scores: (N, T, C), probabilities, their logarithms or logits: only their order matters.
        input_lengths: integers (N,), how many steps of each sequence count; None for T.
        blank: the class that stands for no label.

    Returns:
        N tuples of labels.

    Raises ShapeError and ArgumentError when the arguments do not fit.

    A. Graves et al., "Connectionist temporal classification" (2006), section 3.2.
    """
    sequences = counted_steps("best_path", scores, input_lengths, blank)
    return [_merged(steps.argmax(axis=1).tolist(), blank) for steps in sequences]


def _merged(alignment, blank):
    return tuple(label for label, _ in groupby(alignment) if label != blank)
