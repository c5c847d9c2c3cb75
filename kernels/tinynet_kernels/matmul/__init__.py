"""The product of matrices, with what usually follows it: adding a bias and cutting off at zero.

Sources: Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication (2008) for the blocking
of the cpu take; `tinynet_kernels.simd` explains its innermost part.
"""

import numpy as np

from tinynet_kernels.dispatch import FLOATS, Family

__all__ = ["product"]

_family = Family(__name__, gpu=FLOATS, widens=True)

_ACTIVATIONS = (None, "relu")


def product(a, b, transpose_a=False, transpose_b=False, bias=None, activation=None, out=None):
    """``activation(a @ b + bias)``, a (…, M, K) and b (…, K, N) → (…, M, N).

    Leading axes are broadcast as by ``numpy.matmul``. Transposed and other strided views cost no copy in
    `a`, and none in `b` if either of its last two axes is contiguous; on the GPU, views other than transposes
    are copied. There the sums of float16 are float32.

    Args:
        a: (…, M, K), or (…, K, M) with `transpose_a`.
        b: (…, K, N), or (…, N, K) with `transpose_b`.
        bias: (N,), added to every row, or None.
        activation: None, or ``"relu"`` for ``max(0, y)``, in which NaN stays NaN.
        out: where the product is written, an array of its shape and dtype, C-contiguous, that shares no
            memory with the others; what it holds before doesn't count. It is then what is returned. Without
            it the product is a new array.

    Raises:
        ValueError: the shapes do not fit, there is no such activation, or `out` can't take the product.
    """
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError(
            f"matmul.product: a and b must have at least 2 dimensions, but have shapes {a.shape} "
            f"and {b.shape}"
        )
    a_depth = a.shape[-2 if transpose_a else -1]
    b_depth, columns = b.shape[:-3:-1] if transpose_b else b.shape[-2:]
    if a_depth != b_depth:
        raise ValueError(
            f"matmul.product: the sum runs over {a_depth} entries in a ({_described(a, transpose_a)}) "
            f"but {b_depth} in b ({_described(b, transpose_b)})"
        )
    _check_leading_axes(a, b)
    if bias is not None and bias.shape != (columns,):
        raise ValueError(
            f"matmul.product: bias has shape {bias.shape}, but b ({_described(b, transpose_b)}) "
            f"needs {(columns,)}"
        )
    if activation not in _ACTIVATIONS:
        raise ValueError(f"matmul.product: there is no activation {activation!r}; choose None or 'relu'")
    take = _family.take(a, b) if bias is None else _family.take(a, b, bias)
    if out is not None:
        rows = a.shape[-1 if transpose_a else -2]
        _check_out(out, (*_leading_axes(a, b), rows, columns), np.result_type(a.dtype, b.dtype))
    return take.product(a, b, transpose_a, transpose_b, bias, activation, out)


def _described(array, is_transposed):
    return f"shape {array.shape}{', transposed' if is_transposed else ''}"


def _leading_axes(a, b):
    return () if a.ndim == b.ndim == 2 else np.broadcast_shapes(a.shape[:-2], b.shape[:-2])


def _check_out(out, shape, dtype):
    # CuPy's arrays, always aligned and writable, don't have the second flag.
    is_usable = out.flags.c_contiguous and getattr(out.flags, "behaved", True)
    if out.shape != shape or out.dtype != dtype or not is_usable:
        raise ValueError(
            f"matmul.product: out has shape {out.shape} and {out.dtype} but must have {shape} and {dtype}, "
            "and be C-contiguous, aligned and writable"
        )


def _check_leading_axes(a, b):
    if a.ndim == 2 or b.ndim == 2:
        return
    for axis in range(3, min(a.ndim, b.ndim) + 1):
        left, right = a.shape[-axis], b.shape[-axis]
        if left != right and 1 not in (left, right):
            raise ValueError(
                f"matmul.product: axis {-axis} of a (shape {a.shape}) and b (shape {b.shape}) has "
                f"{left} and {right} entries, which cannot be broadcast"
            )
