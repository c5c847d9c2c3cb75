"""Layer normalisation on the GPU: one pass over memory, by rows. See layer.cu."""

from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch

__all__ = ["layer_backward", "layer_forward"]

_source = Source(__package__, "layer.cu")

_THREADS = 256
_WARPS = _THREADS // 32
_LONG = 1024  # columns: with more, a warp alone is at it too long
_SHARED_BYTES = 48 * 1024  # for the sums over the rows of a block; of longer rows they are in main memory
_BLOCKS = 1024  # at most, each with sums over its rows; more would leave too much to put together
_ROWS = 8  # at least, of such a block


def layer_forward(x, gamma, beta, epsilon):
    rows, columns = x.shape
    y, mean, inverse_std = empty(x.shape, x.dtype), empty(rows, x.dtype), empty(rows, x.dtype)
    if rows:
        team, rows_of_a_block = ("blocks", 1) if columns > _LONG else ("warps", _WARPS)
        function = _source.function(f"layer_forward_by_{team}", x.dtype)
        inputs = map(contiguous, (x, gamma, beta))
        arguments = *inputs, epsilon, y, mean, inverse_std, rows, columns
        launch(function, blocks_for(rows, rows_of_a_block), _THREADS, arguments)
    return y, mean, inverse_std


def layer_backward(gy, x, gamma, mean, inverse_std):
    rows, columns = x.shape
    gx = empty(x.shape, x.dtype)
    has_sums = gamma is not None
    rows_of_block = max(_ROWS, -(-rows // _BLOCKS))
    blocks = -(-rows // rows_of_block)
    sums = empty((blocks, 2, columns), "float64") if has_sums else None
    if gx.size:
        shared_bytes = 2 * columns * max(4, x.itemsize) if has_sums else 0
        in_shared = shared_bytes <= _SHARED_BYTES
        threads = min(_THREADS, -(-columns // 32) * 32)
        inputs = map(contiguous, (gy, x, gamma, mean, inverse_std))
        arguments = *inputs, gx, sums, in_shared, rows, columns, rows_of_block
        function = _source.function("layer_backward", x.dtype)
        launch(function, blocks, threads, arguments, shared_bytes if in_shared else 0)
    return gx, *(_added_up(sums, x.dtype) if has_sums else (None, None))


def _added_up(sums, dtype):
    """The gradients by gamma and by beta, from the sums of the blocks."""
    blocks, _, columns = sums.shape
    ggamma, gbeta = empty(columns, dtype), empty(columns, dtype)
    if columns:
        function = _source.function("add_layer_sums", dtype)
        launch(function, blocks_for(columns, 32), _THREADS, (sums, ggamma, gbeta, blocks, columns))
    return ggamma, gbeta
