"""Connectionist temporal classification, with every reduction and way of giving labels."""

import numpy as np

from operation_table.core import Operation, constant, normal, sample
from operation_table.losses import REDUCTIONS, log_probabilities, log_softmax

LABELS = np.array([[1, 2, 2], [3, 0, 0], [0, 0, 0], [2, 3, 1]])
STEPS, LENGTHS = [7, 5, 4, 3], [3, 1, 0, 3]


def probability(p, labels, blank):
    """The probability (of the forward variables of Graves et al., 2006) of labels, given p (T, C)."""
    states = [blank]
    for label in labels:
        states += [label, blank]
    alpha = np.zeros(len(states))
    alpha[0] = 1  # before the first step
    for row in p:
        later = alpha.copy()
        later[1:] += alpha[:-1]
        for s in range(3, len(states), 2):
            if states[s] != states[s - 2]:
                later[s] += alpha[s - 2]
        alpha = later * row[states]
    return alpha[-2:].sum() if len(labels) else alpha[0]


def ctc(
    log_p, targets, input_lengths=None, target_lengths=None, blank=0, reduction="mean", zero_infinity=False
):
    N, T, _ = log_p.shape
    steps = [T] * N if input_lengths is None else input_lengths
    lengths = [targets.shape[-1]] * N if target_lengths is None else target_lengths
    if targets.ndim == 1:
        labels = np.split(targets, np.cumsum(lengths)[:-1]) if N else []
    else:
        labels = [row[:length] for row, length in zip(targets, lengths, strict=True)]
    with np.errstate(divide="ignore"):
        losses = np.array(
            [
                -np.log(probability(np.exp(p[:count]), row, blank))
                for p, count, row in zip(log_p, steps, labels, strict=True)
            ]
        )
    losses = np.where(zero_infinity & np.isinf(losses), 0, losses)
    if reduction == "mean":
        return (losses / np.maximum(lengths, 1)).mean() if N else np.nan
    return losses.sum() if reduction == "sum" else losses


def ctc_with_logits(logits, *arguments, **options):
    return ctc(log_softmax(logits), *arguments, **options)


def ctc_of_torch(torch, logits, targets, input_lengths=None, target_lengths=None, **options):
    N, T, _ = logits.shape
    steps = [T] * N if input_lengths is None else input_lengths
    lengths = [targets.shape[-1]] * N if target_lengths is None else target_lengths
    log_p = torch.log_softmax(logits, 2).transpose(0, 1)
    steps, lengths = torch.tensor(steps), torch.tensor(lengths)
    return torch.nn.functional.ctc_loss(log_p, targets, steps, lengths, **options)


def samples(scores):
    """Ways of calling the loss on scores (N, T, C)."""
    by_lengths = {"input_lengths": STEPS, "target_lengths": LENGTHS}
    return (
        *[sample(scores(4, 7, 4), constant(LABELS), **by_lengths, reduction=r) for r in REDUCTIONS],
        sample(scores(4, 7, 4), constant(np.array([1, 2, 2, 3, 2, 3, 1])), **by_lengths),
        sample(scores(4, 6, 5), constant(LABELS), blank=4),
        sample(
            scores(4, 3, 4),
            constant(LABELS),
            target_lengths=LENGTHS,
            reduction="none",
            zero_infinity=True,
        ),
    )


# Without lengths, which are options here, the batch may be empty.
PLAIN = np.array([[1, 2], [3, 3]])

OPERATIONS = [
    Operation("ctc_loss", samples(log_probabilities), ctc, empty=None),
    Operation("ctc_loss", (sample(log_probabilities(2, 4, 4), constant(PLAIN), reduction="sum"),), ctc),
    Operation("ctc_loss_with_logits", samples(normal), ctc_with_logits, ctc_of_torch, empty=None),
    Operation(
        "ctc_loss_with_logits",
        (sample(normal(2, 4, 4), constant(PLAIN), reduction="none"),),
        ctc_with_logits,
        ctc_of_torch,
    ),
]
