"""Other shapes for the same elements."""

import numpy as np

from operation_table.core import Operation, constant, integers, normal, sample
from tinynet import functional


def flatten(x, start_axis=0, end_axis=-1):
    end_axis %= x.ndim
    size = np.prod(x.shape[start_axis : end_axis + 1], dtype=int)
    return x.reshape(*x.shape[:start_axis], size, *x.shape[end_axis + 1 :])


OPERATIONS = [
    Operation(
        "reshape",
        tuple([sample(normal(3, 4), shape=shape) for shape in ((4, 3), (-1,), (2, -1, 3), (12, 1))]),
        lambda x, shape: x.reshape(shape),
        lambda torch, x, shape: x.reshape(shape),
        lambda x, shape: functional.reshape(x, shape),
        empty=None,
    ),
    Operation(
        "flatten",
        (
            sample(normal(3, 2, 4)),
            sample(normal(3, 2, 4), start_axis=0, end_axis=1),
            sample(normal(2, 3, 2, 2), start_axis=1, end_axis=2),
        ),
        flatten,
        lambda torch, x, start_axis=0, end_axis=-1: torch.flatten(x, start_axis, end_axis),
    ),
    Operation(
        "permute",
        (sample(normal(2, 3, 4), axes=(2, 0, 1)), sample(normal(2, 3, 4), axes=(0, -1, 1))),
        lambda x, axes: np.transpose(x, axes),
        lambda torch, x, axes: torch.permute(x, axes),
        lambda x, axes: functional.permute(x, *axes),
    ),
    Operation(
        "transpose",
        (sample(normal(2, 3, 4)), sample(normal(2, 3, 4), axes=(1, 2, 0)), sample(normal(5))),
        lambda x, axes=None: np.transpose(x, axes),
        lambda torch, x, axes=None: x.permute(axes or tuple(range(x.ndim))[::-1]),
        lambda x, axes=None: functional.transpose(x, axes),
    ),
    Operation(
        "swapaxes",
        (sample(normal(2, 3, 4), axis1=0, axis2=-1), sample(normal(2, 3, 4), axis1=1, axis2=1)),
        np.swapaxes,
        lambda torch, x, axis1, axis2: torch.swapaxes(x, axis1, axis2),
    ),
    Operation(
        "moveaxis",
        (
            sample(normal(2, 3, 4), source=0, destination=-1),
            sample(normal(2, 3, 4), source=(2, 0), destination=(0, 1)),
        ),
        np.moveaxis,
        lambda torch, x, source, destination: torch.moveaxis(x, source, destination),
    ),
    Operation(
        "expand_dims",
        (sample(normal(3, 4), axis=0), sample(normal(3, 4), axis=-1), sample(normal(3, 4), axis=(0, 2))),
        np.expand_dims,
    ),
    Operation(
        "unsqueeze",
        (sample(normal(3, 4), axis=1), sample(normal(3, 4), axis=-3)),
        np.expand_dims,
        lambda torch, x, axis: torch.unsqueeze(x, axis),
    ),
    Operation(
        "squeeze",
        (
            sample(normal(3, 1, 4, 1)),
            sample(normal(3, 1, 4), axis=1),
            sample(normal(3, 1, 4, 1), axis=(1, -1)),
        ),
        np.squeeze,
        lambda torch, x, axis=None: x.squeeze() if axis is None else torch.squeeze(x, axis),
    ),
    Operation(
        "broadcast_to",
        (
            sample(normal(4), shape=(3, 4)),
            sample(normal(3, 1), shape=(2, 3, 4)),
            sample(normal(3, 4), shape=(3, 4)),
        ),
        np.broadcast_to,
        lambda torch, x, shape: torch.broadcast_to(x, shape),
        lambda x, shape: functional.broadcast_to(x, shape),
        empty=None,
    ),
    Operation(
        "tile",
        (
            sample(normal(3, 4), repetitions=2),
            sample(normal(3, 4), repetitions=(2, 3)),
            sample(normal(3), repetitions=(2, 1, 2)),
        ),
        lambda x, repetitions: np.tile(x, repetitions),
        lambda torch, x, repetitions: torch.tile(x, np.atleast_1d(repetitions).tolist()),
    ),
    Operation(
        "repeat",
        (sample(normal(3, 4), repetitions=2, axis=0), sample(normal(3, 4), repetitions=3, axis=-1)),
        lambda x, repetitions, axis: np.repeat(x, repetitions, axis),
        lambda torch, x, repetitions, axis: torch.repeat_interleave(x, repetitions, axis),
    ),
    Operation(
        "flip",
        (sample(normal(3, 4)), sample(normal(3, 4), axis=-1), sample(normal(3, 4, 2), axis=(0, 2))),
        np.flip,
        lambda torch, x, axis=None: torch.flip(
            x, tuple(np.arange(x.ndim)[axis if axis is None else list(np.atleast_1d(axis))].ravel().tolist())
        ),
    ),
    Operation(
        "roll",
        (
            sample(normal(3, 4), shift=2),
            sample(normal(3, 4), shift=-1, axis=1),
            sample(normal(3, 4), shift=(1, 2), axis=(0, 1)),
            sample(normal(3, 4), shift=1, axis=(0, 1)),
        ),
        np.roll,
    ),
    *[
        Operation(
            name,
            tuple(
                [
                    sample(normal(*shape), offset=offset)
                    for shape in ((3, 4), (2, 4, 3))
                    for offset in (-1, 0, 2)
                ]
            ),
            lambda x, offset, name=name: getattr(np, name)(x, offset),
            lambda torch, x, offset, name=name: getattr(torch, name)(x, offset),
        )
        for name in ("tril", "triu")
    ],
    Operation(
        "one_hot",
        (sample(integers(0, 3, 5), classes=3), sample(constant(np.array([[2, 0], [1, 3]])), classes=4)),
        lambda labels, classes: np.eye(classes)[labels],
        lambda torch, labels, classes: torch.nn.functional.one_hot(labels, classes).float(),
        orders=0,
    ),
]
