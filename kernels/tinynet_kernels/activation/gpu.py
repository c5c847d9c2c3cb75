"""Activation functions on the GPU: one pass over memory each. See gpu.cu and column_sums.cu."""

from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch, zeros

_functions = Source(__package__)
_sums = Source(__package__, "column_sums.cu")

_THREADS = 256
_PACK = 16  # bytes, which a thread reads at a time
_STRIP = 64  # columns that one block adds up
_BLOCKS = 1024  # at most; more would leave the second launch too much to add up


def relu(x):
    return _map("relu_forward", x)


def relu_backward(gy, y):
    return _map("relu_backward", gy, y)


def add_relu(x, y):
    return _map("add_relu_forward", x, y)


def leaky_relu(x, negative_slope):
    return _map("leaky_relu_forward", x, parameters=(negative_slope,))


def leaky_relu_backward(gy, x, negative_slope):
    if negative_slope == 0:
        return relu_backward(gy, x)
    return _map("leaky_relu_backward", gy, x, parameters=(negative_slope,))


def elu(x, alpha, scale):
    return _map("elu_forward", x, parameters=(scale, alpha * scale))


def elu_backward(gy, x, alpha, scale):
    return _map("elu_backward", gy, x, parameters=(scale, alpha * scale))


def sigmoid(x):
    return _map("sigmoid_forward", x)


def sigmoid_backward(gy, y):
    return _map("sigmoid_backward", gy, y)


def silu(x):
    return _map("silu_forward", x)


def silu_backward(gy, x):
    return _map("silu_backward", gy, x)


def tanh(x):
    return _map("tanh_forward", x)


def tanh_backward(gy, y):
    return _map("tanh_backward", gy, y)


def softplus(x, beta, threshold):
    return _map("softplus_forward", x, parameters=(beta, threshold))


def softplus_backward(gy, x, beta, threshold):
    return _map("softplus_backward", gy, x, parameters=(beta, threshold))


def gelu(x):
    return _map("gelu_forward", x)


def gelu_backward(gy, x):
    return _map("gelu_backward", gy, x)


def _map(name, *arrays, parameters=()):
    result = empty(arrays[0].shape, arrays[0].dtype)
    if result.size:
        grid = blocks_for(result.nbytes, _THREADS * _PACK)
        arguments = *map(contiguous, arrays), result, *parameters, result.size
        launch(_functions.function(name, result.dtype), grid, _THREADS, arguments)
    return result


def backward_with_bias(gy, y, activation):
    if activation is None:
        return gy, column_sums(gy)
    g = empty(gy.shape, gy.dtype)
    return g, _sum("mask_and_sum_blocks", contiguous(gy), contiguous(y), g)


def column_sums(x):
    return _sum("sum_blocks", contiguous(x))


def _sum(name, *arrays):
    """The sums over columns of what the kernel computes from the arrays, by blocks and then over these."""
    first = arrays[0]
    columns = first.shape[-1]
    if not first.size:
        return zeros(columns, first.dtype)
    rows = first.size // columns
    strip = min(columns, _STRIP)
    strips = -(-columns // strip)
    # Every thread has something to do, and there are not more blocks than can be added up at once.
    rows_of_block = max(16 * (_THREADS // strip), -(-rows // max(1, _BLOCKS // strips)))
    blocks = -(-rows // rows_of_block)
    sums, total = empty((blocks, columns), "float64"), empty(columns, first.dtype)
    arguments = *arrays, sums, rows, columns, strip, rows_of_block
    launch(_sums.function(name, first.dtype), (strips, blocks), _THREADS, arguments)
    warps = _THREADS // 32
    function = _sums.function("add_blocks", first.dtype)
    launch(function, blocks_for(columns, warps), _THREADS, (sums, total, blocks, columns))
    return total
