"""Kernels: the numerical work of tinynet as plain functions, arrays in and arrays out.

One family per package: ``activation``, ``boxes``, ``conv``, ``ctc``, ``dropout``, ``indexing``,
``joining``, ``matmul``, ``norm``, ``optimizer``, ``pool``, ``recurrent``, ``routing``, ``sampling``,
``softmax``. Each family holds the same functions in several *takes*: ``reference`` (NumPy, or CuPy, as near
to the formula as can be), ``cpu`` (Numba) and ``gpu`` (CUDA). The function that you call picks the take by
the arrays it is given; `pinned` holds on to one of them.
"""

from tinynet_kernels import (
    activation,
    boxes,
    conv,
    ctc,
    dropout,
    indexing,
    joining,
    matmul,
    norm,
    optimizer,
    pool,
    recurrent,
    routing,
    sampling,
    softmax,
)
from tinynet_kernels.dispatch import array_module, pinned

__all__ = [
    "activation",
    "array_module",
    "boxes",
    "conv",
    "ctc",
    "dropout",
    "indexing",
    "joining",
    "matmul",
    "norm",
    "optimizer",
    "pinned",
    "pool",
    "recurrent",
    "routing",
    "sampling",
    "softmax",
]
