"""The matrix product by definition, in NumPy or CuPy."""

from tinynet_kernels.dispatch import array_module


def product(a, b, transpose_a=False, transpose_b=False, bias=None, activation=None, out=None):
    xp = array_module(a)
    y = xp.matmul(a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b)
    if bias is not None:
        y = y + bias
    y = xp.maximum(y, 0) if activation == "relu" else y
    if out is None:
        return y
    out[...] = y
    return out
