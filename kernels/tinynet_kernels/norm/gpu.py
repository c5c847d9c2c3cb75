"""Batch normalisation on the GPU: statistics by blocks of rows, then the elements. See gpu.cu.

Layer normalisation is in `gpu_layer`.
"""

import math

from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch
from tinynet_kernels.norm.gpu_layer import layer_backward, layer_forward

__all__ = ["batch_backward", "batch_forward", "batch_inference", "layer_backward", "layer_forward"]

_source = Source(__package__)

_THREADS = 256
_COLUMNS_BY_WARPS = _THREADS // 32  # a block's
_STRIP = 64  # columns that one block serves
_BLOCKS = 1024  # at most; more would leave too much to put together
_ROWS = 16  # at least, of each thread
_CEILINGS = {None: 0.0, "relu": math.inf, "relu6": 6.0}  # what an activation cuts off; without one, nothing


def batch_forward(x, gamma, beta, epsilon, activation=None):
    rows, columns = x.shape
    x, y = contiguous(x), empty(x.shape, x.dtype)
    mean, variance, inverse_std = (empty(columns, x.dtype) for _ in range(3))
    if columns:
        cut = _Cut(rows, columns)
        sums = cut.sums()
        cut.launch("block_moments", x.dtype, x, *sums)
        per_column = _computed(columns, x.dtype), _computed(columns, x.dtype)
        statistics = mean, variance, inverse_std
        cut.combine("add_moments", x.dtype, *sums, epsilon, *statistics, *per_column)
        inputs = map(contiguous, (x, gamma, beta))
        cut.launch("batch_forward", x.dtype, *inputs, *per_column, *_cut_off(activation), y)
    return y, mean, variance, inverse_std


def batch_inference(x, gamma, beta, mean, variance, epsilon, activation=None):
    y = empty(x.shape, x.dtype)
    if y.size:
        inputs = map(contiguous, (x, gamma, beta, mean, variance))
        _Cut(*x.shape).launch("batch_inference", x.dtype, *inputs, epsilon, *_cut_off(activation), y)
    return y


def batch_backward(gy, x, gamma, mean, inverse_std, y=None, activation="relu"):
    rows, columns = x.shape
    gx, ggamma, gbeta = empty(x.shape, x.dtype), empty(columns, x.dtype), empty(columns, x.dtype)
    if columns:
        arrays = tuple(map(contiguous, (gy, x, y)))
        gamma, mean, inverse_std = map(contiguous, (gamma, mean, inverse_std))
        cut = _Cut(rows, columns)
        sums = cut.sums()
        ceiling = _CEILINGS[activation]
        cut.launch("block_sums", x.dtype, *arrays, ceiling, mean, inverse_std, *sums)
        means = _computed(columns, x.dtype), _computed(columns, x.dtype)
        cut.combine("add_sums", x.dtype, *sums, ggamma, gbeta, *means)
        cut.launch("input_gradient", x.dtype, *arrays, ceiling, gamma, mean, inverse_std, *means, gx)
    return gx, ggamma, gbeta


class _Cut:
    """How a matrix is cut into strips of columns and blocks of rows."""

    def __init__(self, rows, columns):
        self.shape = rows, columns
        self.strip = min(columns, _STRIP)
        self.strips = -(-columns // self.strip)
        of_threads = _ROWS * (_THREADS // self.strip)
        self.rows_of_block = max(of_threads, -(-rows // max(1, _BLOCKS // self.strips)))
        self.blocks = max(1, -(-rows // self.rows_of_block))

    def sums(self):
        """Two arrays for what the blocks add up."""
        shape = self.blocks, self.shape[1]
        return empty(shape, "float64"), empty(shape, "float64")

    def launch(self, name, dtype, *arguments):
        """Starts a kernel that goes over the elements, by the blocks."""
        function = _source.function(name, dtype)
        arguments += *self.shape, self.strip, self.rows_of_block
        launch(function, (self.strips, self.blocks), _THREADS, arguments)

    def combine(self, name, dtype, *arguments):
        """Starts a kernel that goes over what the blocks have added up."""
        function = _source.function(name, dtype)
        grid = blocks_for(self.shape[1], _COLUMNS_BY_WARPS)
        launch(function, grid, _THREADS, (*arguments, *self.shape, self.rows_of_block))


def _cut_off(activation):
    """Whether there is an activation, and above what it cuts off."""
    return activation is not None, _CEILINGS[activation]


def _computed(size, dtype):
    """A new array of numbers as they are computed with."""
    return empty(size, "float32" if dtype == "float16" else dtype)
