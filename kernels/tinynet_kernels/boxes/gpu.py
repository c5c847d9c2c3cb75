"""Boxes on the GPU. Suppression is three launches: the order, the overlaps as bits, a walk. See gpu.cu."""

from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch, zeros

_source = Source(__package__)

_THREADS = 256
_STRIP = 64  # columns that one block serves
_ROWS = 8  # at least, of each thread
_BITS = 64  # boxes in a word of the overlaps
_MOST_BLOCKS = 65535  # in a grid's second and third dimension


def intersection_over_union(a, b):
    sets, rows, columns = a.shape[0], a.shape[1], b.shape[1]
    y = empty((sets, rows, columns), a.dtype)
    if y.size:
        strip = min(columns, _STRIP)
        rows_of_block = max(_ROWS * (_THREADS // strip), -(-rows // _MOST_BLOCKS))
        grid = -(-columns // strip), -(-rows // rows_of_block), min(sets, _MOST_BLOCKS)
        arguments = contiguous(a), contiguous(b), y, sets, rows, columns, strip, rows_of_block
        launch(_source.function("intersection_over_union", y.dtype), grid, _THREADS, arguments)
    return y


def intersection_over_union_backward(gy, a, b):
    gy, a, b = map(contiguous, (gy, a, b))
    ga, gb = empty(a.shape, a.dtype), empty(b.shape, b.dtype)
    _gradient(gy, a, b, ga, (gy.shape[2], 1))
    _gradient(gy, b, a, gb, (1, gy.shape[2]))
    return ga, gb


def _gradient(gy, boxes, others, gradient, steps):
    """Fills in the gradient of one set of boxes; in gy, one box and one of the others lie `steps` apart."""
    if gradient.size:
        sets, rows, columns = boxes.shape[0], boxes.shape[1], others.shape[1]
        threads = min(_THREADS, max(32, -(-columns // 32) * 32))
        arguments = gy, boxes, others, gradient, sets * rows, rows, columns, *steps
        function = _source.function("box_gradient", gradient.dtype)
        launch(function, blocks_for(sets * rows, 1), threads, arguments)


def suppress(boxes, scores, threshold, groups, least_score):
    sets, N = scores.shape
    kept = empty((sets, N), "int64")
    if not kept.size:
        return kept, zeros(sets, "int64")
    boxes, scores, groups = contiguous(boxes), contiguous(scores), contiguous(groups, "int64")
    words, over_sets = -(-N // _BITS), min(sets, _MOST_BLOCKS)
    order, counts = empty((sets, N), "int64"), empty(sets, "int64")
    overlaps, silenced = empty((sets, N, words), "uint64"), empty((sets, words), "uint64")
    function = _source.function("order_boxes", scores.dtype)
    launch(function, (blocks_for(N, _THREADS), over_sets), _THREADS, (scores, least_score, order, sets, N))
    arguments = boxes, groups, order, threshold, overlaps, sets, N, words
    grid = words, min(words, _MOST_BLOCKS), over_sets
    launch(_source.function("mark_overlaps", boxes.dtype), grid, _BITS, arguments)
    arguments = order, overlaps, silenced, kept, counts, N, words
    launch(_source.function("keep_boxes", boxes.dtype), sets, _THREADS, arguments)
    return kept, counts
