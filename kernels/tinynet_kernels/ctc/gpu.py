"""CTC on the GPU: one launch, a block of threads for every sample. See gpu.cu."""

from tinynet_kernels.cuda import Source, contiguous, empty, launch

_source = Source(__package__)

_TEAM = (128, 512)  # threads of alpha, and as many of beta: at least, and at most
_SHARED_BYTES = 48 * 1024  # for the newest rows of alpha and beta; of longer ones they are in main memory

marks_wrong_values = True  # lengths and labels that are out of range, with NaN, so that nobody looks before


def losses(x, targets, input_lengths, target_lengths, blank, is_logits):
    result = empty(x.shape[0], x.dtype)
    _launch(x, (targets, input_lengths, target_lengths), blank, is_logits, None, result, None)
    return result


def losses_and_gradient(x, targets, input_lengths, target_lengths, blank, is_logits, weights):
    result, gradient = empty(x.shape[0], x.dtype), empty(x.shape, x.dtype)
    _launch(x, (targets, input_lengths, target_lengths), blank, is_logits, weights, result, gradient)
    return result, gradient


def _launch(x, labels, blank, is_logits, weights, result, gradient):
    N, T, C = x.shape
    if N == 0:
        return
    most_labels = labels[0].shape[1]
    width = 2 * most_labels + 1
    alpha = beta = links = None
    if gradient is not None:
        alpha, beta = empty((N, T, width), "float64"), empty((N, T, width), "float64")
        links = empty((N, 2, width), "int32")
    shared_bytes, far_rows = 4 * width * 8, None
    if shared_bytes > _SHARED_BYTES:
        shared_bytes, far_rows = 0, empty((N, 4, width), "float64")
    team = min(max(_TEAM[0], -(-width // 32) * 32), _TEAM[1])
    labels = [contiguous(array, "int64") for array in labels]
    work = alpha, beta, links, empty((N, T), "float64"), far_rows
    arguments = contiguous(x), *labels, blank, is_logits, contiguous(weights), result, gradient, *work
    function = _source.function("losses_and_gradient", x.dtype)
    launch(function, N, 2 * team, (*arguments, T, C, most_labels, width), shared_bytes)
