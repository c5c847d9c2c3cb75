"""Sorting, the largest elements, the median."""

import numpy as np

from operation_table.core import Operation, distinct, integers, sample


def argsort(x, axis=-1, descending=False):
    return np.argsort(-x if descending else x, axis=axis, kind="stable")


def sort(x, axis=-1, descending=False):
    order = argsort(x, axis, descending)
    return np.take_along_axis(x, order, axis), order


def topk(x, k, axis=-1, largest=True):
    return [np.take(part, np.arange(k), axis) for part in sort(x, axis, largest)]


OPERATIONS = [
    Operation(
        "argsort",
        tuple(
            [
                sample(inputs, axis=axis, descending=descending)
                for inputs in (distinct(3, 4), integers(0, 2, 3, 6))
                for axis in (0, -1)
                for descending in (False, True)
            ]
        ),
        argsort,
        lambda torch, x, axis, descending: torch.argsort(x, dim=axis, descending=descending, stable=True),
        orders=0,
    ),
    Operation(
        "sort",
        tuple(
            [
                sample(distinct(3, 2, 4), axis=axis, descending=descending)
                for axis in (0, 1, -1)
                for descending in (False, True)
            ]
        ),
        sort,
        lambda torch, x, axis, descending: torch.sort(x, dim=axis, descending=descending),
    ),
    Operation(
        "topk",
        (
            sample(distinct(3, 5), k=2),
            sample(distinct(3, 5), k=5, largest=False),
            sample(distinct(3, 5, 2), k=1, axis=1),
        ),
        topk,
        lambda torch, x, k, axis=-1, largest=True: torch.topk(x, k, axis, largest),
    ),
    Operation(
        "median",
        (
            sample(distinct(3, 4), axis=1),
            sample(distinct(3, 5), axis=-1, keepdims=True),
            sample(distinct(4, 3, 2), axis=1),
        ),
        np.median,
    ),
    Operation("median", (sample(distinct(3, 4)), sample(distinct(3, 3), axis=0)), np.median, empty=None),
]
