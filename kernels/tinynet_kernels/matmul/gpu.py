"""The matrix product on the GPU: by our own kernels, or by cuBLAS. See gpu.cu and gpu_cublas.py."""

from functools import lru_cache

import numpy as np

from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch
from tinynet_kernels.cuda.tiles import (
    BFLOAT_LARGE,
    BFLOAT_SMALL,
    LARGE,
    NARROW,
    SMALL,
    TENSOR_LARGE,
    TENSOR_SMALL,
    choose_tile,
    count_tiles,
    cut_sum,
)
from tinynet_kernels.matmul import gpu_cublas
from tinynet_kernels.matmul.gpu_shapes import work

_STRAIGHT = [{"A_ALONG": a, "B_ALONG": b} for a, b in ((1, 0), (1, 1), (0, 0))]
_LAYOUTS = [*_STRAIGHT, {"A_ALONG": 0, "B_ALONG": 1}]


def _source(tiles, layouts, *dtypes):
    variants = [{"ENGINE": tile.engine, **layout} for tile in tiles for layout in layouts]
    return Source(__package__, dtypes=dtypes, variants=variants)


_narrow = _source([NARROW], _LAYOUTS, "float16", "float32", "float64")
_small = _source([SMALL], _STRAIGHT, "float16", "float32", "float64")
_large = _source([LARGE], _STRAIGHT, "float32")
_tensor = _source([TENSOR_SMALL, TENSOR_LARGE], _STRAIGHT, "float16", "float32")
_bfloat = _source([BFLOAT_SMALL, BFLOAT_LARGE], _STRAIGHT, "float32")
_sources = {
    NARROW: _narrow,
    SMALL: _small,
    LARGE: _large,
    TENSOR_SMALL: _tensor,
    TENSOR_LARGE: _tensor,
    BFLOAT_SMALL: _bfloat,
    BFLOAT_LARGE: _bfloat,
}
_finish = Source(__package__, "finish.cu")

_THREADS = 256


def product(a, b, transpose_a=False, transpose_b=False, bias=None, activation=None, out=None):
    (a, transpose_a), (b, transpose_b) = _contiguous(a, transpose_a), _contiguous(b, transpose_b)
    shape, is_spread, shapes = work(a.shape, transpose_a, b.shape, transpose_b)
    y = empty(shape, a.dtype) if out is None else out
    if not y.size:
        return y
    if is_spread:
        a, b = _spread(a, shape[:-2]), _spread(b, shape[:-2])
    bias, is_relu = contiguous(bias), activation == "relu"
    if gpu_cublas.serves(y, shapes):
        gpu_cublas.multiply(a, transpose_a, b, transpose_b, y, shapes)
        if bias is not None or is_relu:
            function = _finish.function("add_bias", y.dtype)
            arguments = y, bias, is_relu, y.size, shape[-1]
            launch(function, blocks_for(y.size, _THREADS), _THREADS, arguments)
    else:
        _multiply_tiles(a, transpose_a, b, transpose_b, bias, is_relu, y, shapes)
    return y


def _contiguous(array, is_transposed):
    """Contiguous matrices, and whether they are transposed. A view of such matrices costs no copy."""
    if not array.flags.c_contiguous:
        turned = array.swapaxes(-1, -2)
        if turned.flags.c_contiguous:
            return turned, not is_transposed
    return contiguous(array), bool(is_transposed)


def _spread(matrices, leading):
    """Copied to all places of these leading axes."""
    whole = empty((*leading, *matrices.shape[-2:]), matrices.dtype)
    whole[...] = matrices
    return whole


def _multiply_tiles(a, transpose_a, b, transpose_b, bias, is_relu, y, shapes):
    is_turned = shapes.rows < shapes.columns and shapes.rows <= NARROW.columns
    if is_turned:
        shapes = shapes.turned()
        a, transpose_a, b, transpose_b = b, not transpose_b, a, not transpose_a
    tile = choose_tile(y, shapes.rows, shapes.columns, shapes.batch)
    if transpose_a and transpose_b and tile is not NARROW:
        b, transpose_b = contiguous(b.swapaxes(-1, -2)), False
    blocks, parts, numbers = _cut(tile, shapes, y.dtype)
    sums = None
    if parts > 1:
        accumulator = "float64" if y.dtype.itemsize == 8 else "float32"
        sums = empty((parts, shapes.batch, shapes.rows, shapes.columns), accumulator)
    layout = {"A_ALONG": int(not transpose_a), "B_ALONG": int(transpose_b)}
    function = _sources[tile].function("multiply", y.dtype, ENGINE=tile.engine, **layout)
    arguments = a, b, bias, is_relu, is_turned, y, sums, *numbers
    launch(function, (blocks, parts), tile.threads, arguments)
    if parts > 1:
        function = _finish.function("add", y.dtype)
        arguments = sums, parts, bias, is_relu, is_turned, y, shapes.batch, shapes.rows, shapes.columns
        launch(function, blocks_for(y.size, _THREADS), _THREADS, arguments)


@lru_cache(maxsize=4096)
def _cut(tile, shapes, dtype):
    """The number of blocks, that of the parts into which they cut the sum, and the kernel's numbers."""
    blocks = shapes.batch * count_tiles(tile, shapes.rows, shapes.columns)
    parts, stretch = cut_sum(blocks, shapes.depth, dtype)
    return blocks, parts, tuple(map(np.int64, (*shapes, stretch)))
