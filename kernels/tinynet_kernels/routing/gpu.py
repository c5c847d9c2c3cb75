"""Squashing and routing on the GPU: two launches for each iteration, and no vote in memory. See gpu.cu.

Routing to more than 16 upper capsules, or to ones of more than 32 numbers, goes to the reference.
"""

from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch, zeros
from tinynet_kernels.routing import reference

_SIZES = 16, 32  # for which the kernels are compiled: upper capsules have this many numbers at most

_source = Source(__package__, variants=tuple({"SIZE": size} for size in _SIZES))
_squashing = Source(__package__, "squashing.cu")

_THREADS = 256
_WARPS = _THREADS // 32
_SAMPLES = 32  # of a block that casts votes
_MOST_UPPER = 16  # as in votes.cuh
_ROWS = 8  # as in votes.cuh
_BLOCKS = 512  # at most that cast votes, unless there are more samples: several for each processor


def squash(x):
    return _by_rows("squash_forward", x)


def squash_backward(gy, x):
    return _by_rows("squash_backward", gy, x)


def _by_rows(name, *arrays):
    result = empty(arrays[0].shape, arrays[0].dtype)
    if result.size:
        function = _squashing.function(name, result.dtype)
        grid = blocks_for(len(result), _WARPS)
        launch(function, grid, _THREADS, (*map(contiguous, arrays), result, *result.shape))
    return result


def route(u, weight, iterations, keeping):
    routing = _Routing(u, weight)
    if not routing.is_served:
        return reference.route(u, weight, iterations, keeping)
    sums = zeros((iterations, *routing.output_shape), u.dtype)
    y = zeros(routing.output_shape, u.dtype)
    if not u.size or not weight.size:
        return y, sums, None
    known, partial = routing.vectors(), routing.partial()
    for t in range(iterations):
        is_last = t == iterations - 1
        routing.cast("add_votes", known if t else None, partial)
        routing.finish("finish_sums", partial, sums[t], known, t == 0, y if is_last else None)
    return y, sums, None


def route_backward(gy, u, weight, sums, through_coefficients, coefficients):
    routing = _Routing(u, weight)
    if not routing.is_served:
        return reference.route_backward(gy, u, weight, sums, through_coefficients, coefficients)
    gu, gweight = zeros(u.shape, u.dtype), zeros(weight.shape, weight.dtype)
    if gu.size and gweight.size:
        terms = routing.vote_gradient(contiguous(gy), contiguous(sums), through_coefficients)
        routing.input_gradients(*terms, gu, gweight)
    return gu, gweight


class _Routing:
    """The arguments of one call, as its launches need them."""

    def __init__(self, u, weight):
        self.samples, self.lower, self.lower_size = u.shape
        _, self.upper, _, self.upper_size = weight.shape
        self.is_served = self.upper <= _MOST_UPPER and self.upper_size <= _SIZES[-1]
        self.output_shape = self.samples, self.upper, self.upper_size
        if not self.is_served:
            return
        self.dtype = u.dtype
        self.accumulator = "float32" if u.dtype == "float16" else u.dtype
        self.variant = {"SIZE": next(size for size in _SIZES if self.upper_size <= size)}
        self.u, self.weight = contiguous(u.transpose(1, 2, 0)), contiguous(weight)
        self.tiles = -(-self.samples // _SAMPLES)
        self.lower_of_block = max(4, -(-self.lower * self.tiles // _BLOCKS))
        self.blocks = -(-self.lower // self.lower_of_block)

    def vectors(self, *count):
        """A vector for every upper capsule, with the samples last."""
        return empty((*count, self.upper, self.upper_size, self.samples), self.accumulator)

    def partial(self):
        """The sums of every block of lower capsules."""
        return empty((self.blocks, *self.output_shape), self.accumulator)

    def cast(self, name, *arrays):
        """Launches one of the kernels that cast votes."""
        sizes = self.samples, self.lower, self.lower_size, self.upper, self.upper_size, self.lower_of_block
        grid = self.tiles, self.blocks
        launch(self._function(name), grid, 32 * self.upper, (self.u, self.weight, *arrays, *sizes))

    def finish(self, name, *arguments):
        """Launches one of the kernels that add up what those have summed."""
        sizes = self.blocks, self.samples, self.upper, self.upper_size
        grid = blocks_for(self.samples * self.upper, _WARPS)
        launch(self._function(name), grid, _THREADS, (*arguments, *sizes))

    def vote_gradient(self, gy, sums, through_coefficients):
        """The gradient by the votes, as coefficients (terms, I, O, N) and vectors (terms, O, D, N)."""
        iterations = len(sums)
        vectors = self.vectors(2 * iterations - 1)
        coefficients = empty((len(vectors), self.lower, self.upper, self.samples), self.accumulator)
        sizes = iterations, self.samples, self.upper, self.upper_size
        grid = blocks_for(self.samples * self.upper, _WARPS)
        launch(self._function("prepare_vectors"), grid, _THREADS, (gy, sums, vectors, *sizes))
        if iterations > 1 and not through_coefficients:
            last = 2 * iterations - 3
            self.cast("add_gradients", vectors[last + 1], vectors[last], coefficients[last], None, None)
            return coefficients[last : last + 1], vectors[last : last + 1]
        partial, known_gradient = self.partial(), empty(self.output_shape, self.accumulator)
        for t in reversed(range(1, iterations)):
            terms = slice(2 * t - 1, 2 * t + 1)
            self.cast("add_gradients", *vectors[terms][::-1], *coefficients[terms], partial)
            before = vectors[max(2 * t - 3, 0)]
            is_first = t == iterations - 1
            self.finish("finish_gradients", partial, sums[t - 1], known_gradient, is_first, before)
        coefficients[0].fill(1 / self.upper)
        return coefficients, vectors

    def input_gradients(self, coefficients, vectors, gu, gweight):
        sizes = len(vectors), self.samples, self.lower, self.lower_size, self.upper, self.upper_size
        rows = -(-self.lower_size // _ROWS)
        grid = blocks_for(self.lower * self.samples, _THREADS), rows
        arguments = coefficients, vectors, self.weight, gu, *sizes
        launch(self._function("lower_gradient"), grid, _THREADS, arguments)
        grid = blocks_for(self.lower * self.upper * self.upper_size, _THREADS), rows
        arguments = coefficients, contiguous(vectors.transpose(0, 3, 1, 2)), self.u, gweight, *sizes
        launch(self._function("weight_gradient"), grid, _THREADS, arguments)

    def _function(self, name):
        return _source.function(name, self.dtype, **self.variant)
