"""Products of vectors, matrices and stacks of them."""

import numpy as np

from operation_table.core import Operation, normal, sample
from tinynet import functional

MATMUL = (
    sample(normal(3, 4), normal(4, 2)),
    sample(normal(2, 3, 4), normal(2, 4, 2)),
    sample(normal(2, 3, 4), normal(4, 2)),
    sample(normal(3, 4), normal(2, 4, 2)),
    sample(normal(2, 1, 3, 2), normal(3, 2, 2)),
    sample(normal(2, 3, 4), normal(4)),
    sample(normal(3, 4), normal(4)),
)
# Large enough for the kernel: below, the product is NumPy's.
LARGE = (
    sample(normal(40, 64), normal(64, 56)),
    sample(normal(2, 30, 50), normal(50, 48)),
    sample(normal(3, 1, 20, 40), normal(2, 40, 30)),
    sample(normal(30, 50), normal(2, 50, 48)),
)
EINSUM = (
    (sample(normal(3, 4), normal(4, 2)), "ij,jk->ik"),
    (sample(normal(3, 4), normal(4, 2)), "ij,jk"),
    (sample(normal(2, 3, 4), normal(2, 4, 2)), "bij, bjk -> bki"),
    (sample(normal(3, 4)), "ij->ji"),
    (sample(normal(3, 4)), "ba"),
    (sample(normal(3, 4)), "ij->i"),
    (sample(normal(3, 4)), "ij->"),
    (sample(normal(3, 4), normal(5, 2)), "ij,kl->il"),
    (sample(normal(3), normal(4)), "i,j->ij"),
    (sample(normal(2, 3, 4), normal(4, 2)), "...ij,jk->...ik"),
    (sample(normal(2, 1, 4), normal(3, 4)), "...j,...j->..."),
    (sample(normal(2, 1, 4), normal(3, 4)), "...j,...j"),
    (sample(normal(3, 4), normal(3, 4), normal(3, 4)), "ab,ab,ab->b"),
    (sample(normal(2, 3, 4)), "i...->..."),
)
EINSUM_OF_EVERY_AXIS = (
    (sample(normal(3, 2), normal(2, 4), normal(4, 3, 2)), "ij,jk,kil->jl"),
    (sample(normal(3, 3)), "ii->i"),
    (sample(normal(3, 3)), "ii"),
    (sample(normal(3, 3, 2), normal(3)), "iij,i->j"),
    (sample(normal(2, 2, 2)), "iii->i"),
    (sample(normal(3, 3, 4)), "iij->j"),
)


def einsum(one, equation, empty):
    return Operation(
        "einsum",
        (one,),
        lambda *arrays: np.einsum(equation, *arrays),
        lambda torch, *tensors: torch.einsum(equation, *tensors),
        lambda *tensors: functional.einsum(equation, *tensors),
        empty=empty,
    )


def linear(x, weight, bias=0.0, activation=None):
    y = x @ weight + bias
    return np.maximum(y, 0) if activation == "relu" else y


def torch_linear(torch, x, weight, bias=None, activation=None):
    y = torch.nn.functional.linear(x, weight.T, bias)
    return torch.relu(y) if activation == "relu" else y


OPERATIONS = [
    Operation("matmul", (*MATMUL, *LARGE), np.matmul, lambda torch, x, y: torch.matmul(x, y)),
    Operation(
        "matmul",
        (sample(normal(4), normal(4)), sample(normal(4), normal(4, 2)), sample(normal(4), normal(3, 4, 2))),
        np.matmul,
        lambda torch, x, y: torch.matmul(x, y),
        empty=None,
    ),
    Operation(
        "linear",
        (
            sample(normal(3, 4), normal(4, 2), normal(2)),
            sample(normal(2, 3, 4), normal(4, 2), normal(2)),
            sample(normal(3, 4), normal(4, 2)),
            sample(normal(5, 4), normal(4, 3), normal(3), activation="relu"),
            sample(normal(2, 3, 4), normal(4, 2), activation="relu"),
            # Large enough for the kernel: below, the product is NumPy's.
            sample(normal(64, 50), normal(50, 48), normal(48), activation="relu"),
        ),
        linear,
        torch_linear,
    ),
    Operation(
        "linear",
        (
            sample(normal(4), normal(4, 2), normal(2)),
            sample(normal(4), normal(4, 2), normal(2), activation="relu"),
        ),
        linear,
        torch_linear,
        empty=None,
    ),
    *[einsum(one, equation, 0) for one, equation in EINSUM],
    *[einsum(one, equation, None) for one, equation in EINSUM_OF_EVERY_AXIS],
    Operation("dot", (sample(normal(4), normal(4)),), np.dot, lambda torch, x, y: torch.dot(x, y)),
    Operation("outer", (sample(normal(3), normal(4)),), np.outer, lambda torch, x, y: torch.outer(x, y)),
    Operation(
        "tensordot",
        (
            sample(normal(2, 3, 4), normal(3, 4, 2)),
            sample(normal(2, 3, 4), normal(4, 2), axes=1),
            sample(normal(3, 2), normal(2, 2), axes=0),
            sample(normal(2, 3, 4), normal(4, 5, 3), axes=((1, -1), (2, 0))),
        ),
        np.tensordot,
        lambda torch, x, y, axes=2: torch.tensordot(x, y, axes),
    ),
    Operation(
        "diagonal",
        (
            sample(normal(3, 4)),
            sample(normal(3, 4), offset=1),
            sample(normal(4, 2), offset=-2),
            sample(normal(2, 3, 4), offset=1, axis1=2, axis2=1),
        ),
        np.diagonal,
        lambda torch, x, offset=0, axis1=0, axis2=1: torch.diagonal(x, offset, axis1, axis2),
        empty=None,
    ),
    Operation(
        "trace",
        (sample(normal(3, 4)), sample(normal(3, 3), offset=-1), sample(normal(2, 3, 4), axis1=1, axis2=2)),
        np.trace,
        empty=None,
    ),
]
