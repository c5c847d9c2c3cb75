"""Softmax and cross-entropy on the GPU: every row by one warp, or by one block if it is long. See gpu.cu."""

from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch

_WARP, _BLOCK = {"TEAM": "WarpTeam"}, {"TEAM": "BlockTeam"}

_source = Source(__package__, variants=(_WARP, _BLOCK))

_THREADS = 256  # of a block
_ROWS_BY_WARPS = _THREADS // 32  # a block's
_LONG = 1024  # columns: with more, a warp alone is at it too long


def softmax(x):
    return _by_rows("softmax", x)


def log_softmax(x):
    return _by_rows("log_softmax", x)


def softmax_backward(gy, y):
    return _by_rows("softmax_backward", gy, y)


def log_softmax_backward(gy, y):
    return _by_rows("log_softmax_backward", gy, y)


def _by_rows(name, *arrays):
    result = empty(arrays[0].shape, arrays[0].dtype)
    _launch(name, *result.shape, [*map(contiguous, arrays), result])
    return result


def first_wrong_target(targets, classes, ignore_index):
    """Always -1, which means none: looking at the targets would make the program wait for the GPU.

    The kernels make the losses and the gradients of such rows NaN.
    """
    return -1


def cross_entropy_forward(logits, targets, class_weights, ignore_index, smoothing):
    rows, columns = logits.shape
    losses, log_normalizer = empty(rows, logits.dtype), empty(rows, logits.dtype)
    arguments = _options(logits, targets, class_weights, ignore_index, smoothing)
    _launch("cross_entropy", rows, columns, [contiguous(logits), *arguments, losses, log_normalizer])
    return losses, log_normalizer


def cross_entropy_backward(gy, logits, log_normalizer, targets, class_weights, ignore_index, smoothing):
    gradient = empty(logits.shape, logits.dtype)
    arguments = _options(logits, targets, class_weights, ignore_index, smoothing)
    inputs = map(contiguous, (gy, logits, log_normalizer))
    _launch("cross_entropy_backward", *logits.shape, [*inputs, *arguments, gradient])
    return gradient


def _options(logits, targets, class_weights, ignore_index, smoothing):
    ignores = ignore_index is not None
    return contiguous(targets, "int64"), contiguous(class_weights), ignores, ignore_index or 0, smoothing


def _launch(name, rows, columns, arguments):
    if rows == 0:
        return
    team, rows_of_a_block = (_BLOCK, 1) if columns > _LONG else (_WARP, _ROWS_BY_WARPS)
    function = _source.function(name, arguments[0].dtype, **team)
    launch(function, blocks_for(rows, rows_of_a_block), _THREADS, (*arguments, rows, columns))
