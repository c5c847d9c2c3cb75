"""Reductions over no, one, several and all axes."""

import math

import numpy as np

from operation_table.core import Input, Operation, booleans, distinct, integers, normal, sample

ALL_AXES = (None, 0, (0, 2), (2, 0, 1))
LATER_AXES = (1, -1, (1, 2), (-1, 1), ())


def over(axes, inputs, *shape, **options):
    """A sample for each of the axes, with and without keepdims."""
    return tuple(
        [
            sample(inputs(*shape), axis=axis, keepdims=keepdims, **options)
            for axis in axes
            for keepdims in (False, True)
        ]
    )


def reduction(name, inputs, reference, torch, axes=LATER_AXES, first=ALL_AXES, shape=(3, 2, 4), **options):
    """Two descriptions: reductions of other axes than the first also work on an empty batch."""
    return [
        Operation(name, over(axes, inputs, *shape), reference, torch, **options),
        Operation(name, over(first, inputs, *shape), reference, torch, empty=None, **options),
    ]


def every_axis(x, axis):
    return tuple(range(x.ndim)) if axis is None else axis


def of_axes(name):
    """PyTorch's function of this name; it takes an empty tuple for "all axes"."""

    def twin(torch, x, axis, keepdims):
        axis = every_axis(x, axis)
        return x.clone() if axis == () else getattr(torch, name)(x, axis, keepdims)

    return twin


def spread(name):
    """var or std in PyTorch."""

    def twin(torch, x, axis, keepdims, correction=0):
        return getattr(torch, name)(x, dim=every_axis(x, axis), correction=correction, keepdim=keepdims)

    return twin


def spread_reference(function):
    def reference(x, axis, keepdims, correction=0):
        return function(x, axis=axis, keepdims=keepdims, ddof=correction)

    return reference


def logsumexp(x, axis, keepdims):
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def norm(x, order, axis, keepdims):
    if order == math.inf:
        return np.max(np.abs(x), axis=axis, keepdims=keepdims)
    return np.sum(np.abs(x) ** order, axis=axis, keepdims=keepdims) ** (1 / order)


def torch_norm(torch, x, order, axis, keepdims):
    return torch.linalg.vector_norm(x, order, every_axis(x, axis), keepdims)


def torch_prod(torch, x, axis, keepdims):
    for one in sorted([one % x.ndim for one in np.atleast_1d(every_axis(x, axis)).astype(int)], reverse=True):
        x = x.prod(one, keepdim=keepdims)
    return x


def of_one_axis(name):
    def twin(torch, x, axis, keepdims):
        return getattr(torch, name)(x, dim=axis, keepdim=keepdims)

    return twin


def truth(name):
    def twin(torch, x, axis, keepdims):
        return getattr(torch, name)(x, dim=every_axis(x, axis), keepdim=keepdims)

    return twin


WITH_ZEROS = Input((3, 3), lambda rng, size: np.float64([[1, 0, 3], [0, 0, 2], [2, -1, 3]]))
ORDERS = (1, 2, 3, math.inf)

OPERATIONS = [
    *reduction("sum", normal, np.sum, of_axes("sum")),
    *reduction("mean", normal, np.mean, of_axes("mean")),
    *reduction("prod", normal, np.prod, torch_prod),
    Operation(
        "prod", (sample(WITH_ZEROS, axis=1),), np.prod, lambda torch, x, axis: x.prod(axis), empty=None
    ),
    *reduction("max", distinct, np.max, of_axes("amax")),
    *reduction("min", distinct, np.min, of_axes("amin")),
    *reduction("var", normal, spread_reference(np.var), spread("var"), axes=(1, -1, (1, 2))),
    *reduction("std", normal, spread_reference(np.std), spread("std"), axes=(1, -1, (1, 2))),
    Operation(
        "var",
        (sample(normal(3, 4), axis=1, keepdims=False, correction=1),),
        spread_reference(np.var),
        spread("var"),
    ),
    Operation(
        "std",
        (sample(normal(3, 4), axis=-1, keepdims=True, correction=1),),
        spread_reference(np.std),
        spread("std"),
    ),
    *reduction("logsumexp", normal, logsumexp, of_axes("logsumexp"), axes=(1, -1, (1, 2))),
    Operation(
        "norm",
        tuple([one for order in ORDERS for one in over((1, (1, 2)), distinct, 3, 2, 4, order=order)]),
        norm,
        torch_norm,
    ),
    Operation(
        "norm",
        tuple([one for order in ORDERS for one in over((None, (0, -1)), distinct, 3, 2, 4, order=order)]),
        norm,
        torch_norm,
        empty=None,
    ),
    *reduction("argmax", distinct, np.argmax, of_one_axis("argmax"), axes=(1, -1), first=(None, 0), orders=0),
    *reduction("argmin", distinct, np.argmin, of_one_axis("argmin"), axes=(1, -1), first=(None, 0), orders=0),
    Operation(
        "cumsum",
        tuple([sample(normal(3, 2, 4), axis=axis) for axis in (0, 1, -1)]),
        np.cumsum,
        lambda torch, x, axis: torch.cumsum(x, axis),
    ),
    Operation("cumsum", (sample(normal(3, 4)),), np.cumsum, lambda torch, x: torch.cumsum(x.reshape(-1), 0)),
    *reduction("all", booleans, np.all, truth("all"), axes=(1, (1, 2)), orders=0),
    *reduction("any", booleans, np.any, truth("any"), axes=(1, (1, 2)), orders=0),
    Operation(
        "count_nonzero",
        over((None, 1, (0, 1)), lambda *shape: integers(0, 2, *shape), 3, 4),
        np.count_nonzero,
        orders=0,
    ),
]
