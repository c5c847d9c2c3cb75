"""Large products of CuPy arrays by cuBLAS, NVIDIA's own library.

cuBLAS counts columns first. What it is told is therefore the transposed product, yᵀ = bᵀ aᵀ, and every matrix
of ours is the transposed one for it. How exactly is computed is said in each call (NVIDIA, cuBLAS library,
"cublasComputeType_t"); the state of the handle, which other users of CuPy share, stays as it is.

`python -m pytest -m gpu tests/kernels/test_matmul_gpu.py` checks this on a GPU. Elsewhere the tests put a
function with the same arguments in its place, which computes on NumPy arrays.
"""

import functools
import sys

import numpy as np

from tinynet_kernels.cuda.modes import rounding, uses_own_products
from tinynet_kernels.dispatch import array_module

__all__ = ["multiply", "serves"]

# Multiply-adds that are worth handing over. With fewer, a launch takes longer than what it computes, and ours
# adds the bias on the way. Not measured on a GPU yet.
_MUCH_WORK = 1 << 24

_MOST = 2**31 - 1  # that an argument of cuBLAS can be

# For what cuBLAS multiplies the product with, and what is there before: in the type of the sums.
_FACTORS = {dtype: (np.array(1, dtype), np.array(0, dtype)) for dtype in (np.float32, np.float64)}

# By the rounding of factors of float32: what cuBLAS may do to them.
_FAST = {"tf32": "CUBLAS_COMPUTE_32F_FAST_TF32", "bfloat16": "CUBLAS_COMPUTE_32F_FAST_16BF"}


def serves(array, shapes):
    """Whether cuBLAS is to compute products of these `Shapes`, of this array and another."""
    if shapes.batch * shapes.rows * shapes.columns * shapes.depth < _MUCH_WORK or max(shapes) > _MOST:
        return False
    if shapes.batch != shapes.inner or uses_own_products() or array_module(array) is np:
        return False  # one number tells it how far matrices are apart
    return library() is not None


def library():
    """CuPy's ``cupy.cuda``, through which cuBLAS is called; None if there is no cuBLAS on this machine."""
    cuda = sys.modules["cupy"].cuda
    return cuda if _has_cublas(cuda) else None


@functools.cache
def _has_cublas(cuda):
    try:
        return cuda.cublas is not None  # loads it
    except (ImportError, AttributeError):
        return False


def multiply(a, transpose_a, b, transpose_b, y, shapes):
    """y = a @ b for all matrices of a batch with one axis; contiguous arrays of these `Shapes`."""
    cuda = library()
    cublas, runtime = cuda.cublas, cuda.runtime
    rows, columns, depth = shapes.rows, shapes.columns, shapes.depth
    kind, compute, scalar = {
        2: (runtime.CUDA_R_16F, cublas.CUBLAS_COMPUTE_32F, np.float32),
        4: (runtime.CUDA_R_32F, cublas.CUBLAS_COMPUTE_32F, np.float32),
        8: (runtime.CUDA_R_64F, cublas.CUBLAS_COMPUTE_64F, np.float64),
    }[y.dtype.itemsize]
    if y.dtype.itemsize == 4 and rounding() is not None:
        compute = getattr(cublas, _FAST[rounding()])
    one, zero = _FACTORS[scalar]
    operations = [
        cublas.CUBLAS_OP_T if turned else cublas.CUBLAS_OP_N for turned in (transpose_b, transpose_a)
    ]
    cublas.gemmStridedBatchedEx(
        *(cuda.get_cublas_handle(), *operations, columns, rows, depth, one.ctypes.data),
        *(_address(b), kind, depth if transpose_b else columns, shapes.b_inner),
        *(_address(a), kind, rows if transpose_a else depth, shapes.a_inner),
        *(zero.ctypes.data, _address(y), kind, columns, rows * columns),
        *(shapes.batch, compute, cublas.CUBLAS_GEMM_DEFAULT),
    )


def _address(array):
    return array.data.ptr
