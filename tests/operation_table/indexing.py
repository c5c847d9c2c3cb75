"""Choosing elements and adding to chosen ones."""

import numpy as np

from operation_table.core import Operation, booleans, constant, integers, normal, sample
from tinynet import functional

KEYS = (
    1,
    -1,
    slice(1, None),
    slice(None, None, -2),
    (..., 0),
    (None, slice(None), ..., None, 1),
    (slice(0, 2), 1, slice(1, 3)),
    (2, 1, 3),
    [0, 2, 2, -1],
    np.array([[0, 1], [2, 2]]),
    (slice(None), [1, 0, 1]),
    (slice(None), slice(None), np.array([3, 3, 0])),
    (..., [1, 1]),
    ([0, 2], [1, 1]),
    ([0, 2, 0], slice(None), [3, 3, 3]),
    (np.array([[0], [2]]), np.array([1, 0])),
    (1, [0, 1, 1]),
    np.array([True, False, True]),
    (slice(None), np.array([False, True])),
    ([0, 0], np.array([True, False])),
    np.random.default_rng(0).random((3, 2, 4)) < 0.5,
    np.array([], dtype=int),
)


def gather(x, indices, axis):
    grids = [np.arange(size) for size in indices.shape]
    places = list(np.meshgrid(*grids, indexing="ij"))
    places[axis] = indices
    return x[tuple(places)]


def scatter_add(x, indices, source, axis):
    total = x.copy()
    for place in np.ndindex(*indices.shape):
        target = list(place)
        target[axis] = indices[place]
        total[tuple(target)] += source[place]
    return total


def torch_key(torch, key):
    if isinstance(key, tuple):
        return tuple([torch_key(torch, part) for part in key])
    return torch.from_numpy(key) if isinstance(key, np.ndarray) else key


# PyTorch has no negative steps, and an order of its own where a slice stands between integers and arrays.
FOR_TORCH = [key for index, key in enumerate(KEYS) if index not in (3,)]

OPERATIONS = [
    Operation(
        "getitem",
        tuple([sample(normal(3, 2, 4), key=key) for key in FOR_TORCH]),
        lambda x, key: x[key],
        lambda torch, x, key: x[torch_key(torch, key)],
        empty=None,
    ),
    Operation(
        "getitem",
        (sample(normal(3, 2, 4), key=KEYS[3]), sample(normal(3, 4), key=(slice(None), [1, 0]))),
        lambda x, key: x[key],
    ),
    Operation(
        "take",
        (
            sample(normal(3, 4), constant(np.array([1, 3, 1])), axis=1),
            sample(normal(3, 4), constant(np.array([[0, -1], [2, 2]])), axis=-1),
            sample(normal(3, 4, 2), constant(np.array(2)), axis=1),
        ),
        lambda x, indices, axis: np.take(x, indices, axis),
    ),
    Operation(
        "take",
        (sample(normal(3, 4), constant(np.array([0, 11, 5, 5]))),),
        np.take,
        lambda torch, x, indices: torch.take(x, indices),
        empty=None,
    ),
    Operation(
        "index_select",
        (
            sample(normal(3, 4), constant(np.array([1, 3, 1])), axis=1),
            sample(normal(3, 4), constant(np.array([], dtype=int)), axis=1),
        ),
        lambda x, indices, axis: np.take(x, indices, axis),
        lambda torch, x, indices, axis: torch.index_select(x, axis, indices),
    ),
    Operation(
        "gather",
        (
            sample(normal(3, 4), integers(0, 4, 3, 2), axis=1),
            sample(normal(3, 2, 4), integers(0, 2, 3, 3, 4), axis=1),
        ),
        gather,
        lambda torch, x, indices, axis: torch.gather(x, axis, indices),
    ),
    Operation(
        "gather",
        (
            sample(normal(3, 4), integers(0, 3, 2, 4), axis=0),
            sample(normal(3, 4), integers(0, 4, 2, 5), axis=-1),
        ),
        gather,
        lambda torch, x, indices, axis: torch.gather(x, axis, indices),
        empty=None,
    ),
    Operation(
        "scatter_add",
        (
            sample(normal(3, 4), integers(0, 4, 3, 5), normal(3, 5), axis=1),
            sample(normal(3, 2, 4), integers(0, 4, 3, 2, 3), normal(3, 2, 3), axis=-1),
        ),
        scatter_add,
        lambda torch, x, indices, source, axis: torch.scatter_add(x, axis, indices, source),
    ),
    Operation(
        "embedding",
        (
            sample(integers(0, 4, 3, 2), normal(4, 3)),
            sample(constant(np.array([1, 1, 2])), normal(4, 2)),
        ),
        lambda indices, weight: weight[indices],
        lambda torch, indices, weight: torch.nn.functional.embedding(indices, weight),
    ),
    Operation(
        "masked_fill",
        (sample(normal(3, 4), booleans(3, 4)), sample(normal(3, 4), booleans(4))),
        lambda x, mask: np.where(mask, -2.5, x),
        lambda torch, x, mask: x.masked_fill(mask, -2.5),
        lambda x, mask: functional.masked_fill(x, mask, -2.5),
    ),
    Operation(
        "masked_fill",
        (sample(normal(3, 4), booleans(3, 1), normal()),),
        lambda x, mask, value: np.where(mask, value, x),
        lambda torch, x, mask, value: x.masked_fill(mask, value),
    ),
    Operation(
        "nonzero",
        (sample(integers(0, 2, 3, 4)), sample(booleans(5))),
        np.argwhere,
        lambda torch, x: torch.nonzero(x),
        orders=0,
    ),
]
