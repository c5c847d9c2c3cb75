"""The matrix product of arrays, by our kernel or, for very small ones in main memory, by NumPy."""

import numpy as np

from tinynet.backend import array_module
from tinynet_kernels import matmul

__all__: list[str] = []

# Multiply-adds below which NumPy's product is done before the call of a kernel has found its loops.
# At this size NumPy still computes on one thread, so that ours are not disturbed.
_FEW = 2**17


def product(x, y, transpose_x=False, transpose_y=False, bias=None, activation=None, out=None):
    """activation(x @ y + bias) for arrays with at least two axes; see `tinynet_kernels.matmul.product`."""
    rows = x.shape[-1 if transpose_x else -2]
    columns = y.shape[-2 if transpose_y else -1]
    is_large = max(x.size * columns, y.size * rows) > _FEW or not isinstance(x, np.ndarray)
    if is_large and x.dtype.kind == "f":
        return matmul.product(x, y, transpose_x, transpose_y, bias, activation, out)
    x = x.swapaxes(-1, -2) if transpose_x else x
    y = y.swapaxes(-1, -2) if transpose_y else y
    result = x @ y if out is None else array_module(x).matmul(x, y, out=out)
    if bias is not None:
        result += bias
    if activation == "relu":
        array_module(result).maximum(result, 0, out=result)
    return result
