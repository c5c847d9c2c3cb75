"""Capsules by their formulas, one sample and one lower capsule after the other."""

import numpy as np

from operation_table.core import Operation, integers, normal, sample, uniform
from tinynet import functional


def squash(x):
    squared = np.square(x).sum(axis=-1, keepdims=True)
    return squared / (1 + squared) * x / np.sqrt(squared + 1e-7)


def torch_squash(torch, x):
    squared = torch.square(x).sum(-1, keepdim=True)
    return squared / (1 + squared) * x / torch.sqrt(squared + 1e-7)


def softmax(logits):
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def route(u, weight, iterations=3, through_coefficients=True):
    results = np.zeros((len(u), weight.shape[1], weight.shape[3]), u.dtype)
    for n, capsules in enumerate(u):
        votes = [
            [capsule @ matrix for matrix in matrices]
            for capsule, matrices in zip(capsules, weight, strict=True)
        ]
        logits = np.zeros(weight.shape[:2], u.dtype)
        for _ in range(iterations):
            results[n] = 0
            for i, vote in enumerate(votes):
                results[n] += softmax(logits[i])[:, None] * np.stack(vote)
            results[n] = squash(results[n])
            for i, vote in enumerate(votes):
                logits[i] += (np.stack(vote) * results[n]).sum(axis=-1)
    return results


def torch_route(torch, u, weight, iterations=3, through_coefficients=True):
    votes = torch.einsum("nik,iokd->niod", u, weight)
    logits = torch.zeros_like(votes[..., 0])
    for _ in range(iterations):
        y = torch_squash(torch, (torch.softmax(logits, 2).unsqueeze(-1) * votes).sum(1))
        logits = logits + (votes * y.unsqueeze(1)).sum(-1)
        logits = logits if through_coefficients else logits.detach()
    return y


def margin_loss(lengths, target, positive=0.9, negative=0.1, absent=0.5, reduction="mean"):
    there = np.eye(lengths.shape[-1])[target]
    losses = there * np.maximum(0, positive - lengths) ** 2
    losses = losses + absent * (1 - there) * np.maximum(0, lengths - negative) ** 2
    losses = losses.sum(axis=-1)
    return {"none": losses, "sum": losses.sum(), "mean": losses.mean() if losses.size else np.nan}[reduction]


def torch_margin_loss(torch, lengths, target, positive=0.9, negative=0.1, absent=0.5, reduction="mean"):
    there = torch.nn.functional.one_hot(target, lengths.shape[-1])
    losses = there * torch.relu(positive - lengths) ** 2
    losses = (losses + absent * (1 - there) * torch.relu(lengths - negative) ** 2).sum(-1)
    return {"none": lambda x: x, "sum": torch.sum, "mean": torch.mean}[reduction](losses)


def mask_capsules(x, labels=None):
    labels = np.square(x).sum(axis=-1).argmax(axis=-1) if labels is None else labels
    y = np.zeros_like(x)
    for n, label in enumerate(labels):
        y[n, label] = x[n, label]
    return y.reshape(len(x), x.shape[1] * x.shape[2])


def torch_mask_capsules(torch, x, labels=None):
    labels = torch.square(x).sum(-1).argmax(-1) if labels is None else labels
    return (x * torch.nn.functional.one_hot(labels, x.shape[1]).unsqueeze(-1)).flatten(1)


OPERATIONS = [
    Operation(
        "squash",
        (
            sample(normal(4, 3)),
            sample(normal(2, 3, 8)),
            sample(uniform(-0.1, 0.1, 2, 5)),
            sample(normal(3, 1)),
        ),
        squash,
        torch_squash,
    ),
    Operation(
        "capsule_lengths",
        (sample(normal(4, 3)), sample(normal(2, 3, 5))),
        lambda x: np.sqrt(np.square(x).sum(axis=-1) + 1e-7),
        lambda torch, x: torch.sqrt(torch.square(x).sum(-1) + 1e-7),
    ),
    Operation(
        "route",
        (
            sample(normal(2, 5, 3), normal(5, 4, 3, 2)),
            sample(normal(1, 3, 2), normal(3, 2, 2, 3), iterations=1),
            sample(normal(3, 4, 1), normal(4, 1, 1, 2), iterations=2),
            sample(normal(2, 6, 2), normal(6, 3, 2, 5), iterations=4),
        ),
        route,
        torch_route,
        empty=None,
    ),
    Operation(
        "margin_loss",
        (
            sample(uniform(0.15, 0.85, 4, 3), integers(0, 3, 4)),
            sample(uniform(0.15, 0.85, 4, 3), integers(0, 3, 4), reduction="none"),
            sample(
                uniform(0.35, 0.65, 2, 3, 5), integers(0, 5, 2, 3), positive=0.7, negative=0.3, absent=1.0
            ),
            sample(uniform(0.91, 0.99, 3, 2), integers(0, 2, 3), reduction="sum"),
        ),
        margin_loss,
        torch_margin_loss,
    ),
    Operation(
        "mask_capsules",
        (sample(normal(4, 3, 2), integers(0, 3, 4)), sample(normal(3, 4, 5))),
        mask_capsules,
        torch_mask_capsules,
        lambda x, labels=None: functional.mask_capsules(x, labels),
    ),
]
