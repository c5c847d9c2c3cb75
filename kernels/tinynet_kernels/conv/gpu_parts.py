"""Sums that several blocks have computed parts of, on the GPU. See parts.cu."""

from tinynet_kernels.conv.gpu_pieces import THREADS
from tinynet_kernels.cuda import Source, blocks_for, empty, launch

__all__ = ["add_parts", "empty_parts"]

_source = Source(__package__, "parts.cu")


def empty_parts(parts, shape, dtype):
    """Room for the sums of so many parts, in the type in which numbers of this dtype are computed with."""
    return empty((parts, *shape), "float32" if dtype == "float16" else dtype)


def add_parts(sums, y, bias=None, activation=None):
    """Fills y with the activation of the sum over the first axis of `sums` + bias."""
    arguments = sums, bias, activation == "relu", y, y.size, len(sums), y.shape[-1]
    launch(_source.function("add_parts", y.dtype), blocks_for(y.size, THREADS), THREADS, arguments)
