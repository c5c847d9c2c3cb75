"""Boxes on the CPU. Those of the second set are laid out by coordinate, so that a vector holds many boxes."""

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel, summing_inner
from tinynet_kernels.memory import empty
from tinynet_kernels.simd.memory import keep_alive
from tinynet_kernels.simd.parts import part

_ALONE = 16384  # pairs: with fewer, waking another thread takes longer than it helps


def intersection_over_union(a, b):
    y = empty((*a.shape[:2], b.shape[1]), a.dtype)
    if y.size:
        _overlaps(_flat(a), _by_coordinate(b), a.shape[1], y.reshape(-1))
    return y


def intersection_over_union_backward(gy, a, b):
    return _gradient(gy, a, b), _gradient(gy.swapaxes(1, 2), b, a)


def _gradient(gy, a, b):
    ga = np.zeros(a.shape, a.dtype)
    if gy.size:
        _gradients(_flat(gy), _flat(a), _by_coordinate(b), a.shape[1], ga.reshape(-1))
    return ga


def suppress(boxes, scores, threshold, groups, least_score):
    sets, N = scores.shape
    kept, counts = np.full((sets, N), -1), np.zeros(sets, np.int64)
    if kept.size:
        order = np.argsort(-scores, axis=1, kind="stable")
        ordered = _by_coordinate(np.take_along_axis(boxes, order[..., None], axis=1))
        groups = np.zeros(order.shape, np.int64) if groups is None else _in_order(groups, order)
        candidates = np.count_nonzero(scores >= scores.dtype.type(least_score), axis=1)
        _suppress(ordered, groups, order, candidates, boxes.dtype.type(threshold), kept, counts)
    return kept, counts


def _in_order(groups, order):
    return np.take_along_axis(groups, order, axis=1).astype(np.int64)


def _flat(array):
    return np.ascontiguousarray(array).reshape(-1)


def _by_coordinate(boxes):
    """The boxes (sets, M, 4) as (sets, 5, M): their four coordinates, and their areas."""
    arranged = np.empty((boxes.shape[0], 5, boxes.shape[1]), boxes.dtype)
    arranged[:, :4] = boxes.swapaxes(1, 2)
    with np.errstate(over="ignore", invalid="ignore"):
        sides = np.maximum(arranged[:, 2:4] - arranged[:, :2], 0)
        np.multiply(sides[:, 0], sides[:, 1], out=arranged[:, 4])
    return arranged


@kernel
def _overlaps(a, b, rows_of_set, y):
    """y (sets · rows · columns,) from a (sets · rows · 4,) and b (sets, 5, columns)."""
    coordinates, columns = b.reshape(-1), b.shape[2]
    if y.size < _ALONE:
        for row in range(y.size // columns):
            _overlaps_of_row(a, coordinates, row, rows_of_set, columns, y)
    else:
        for row in prange(y.size // columns):
            _overlaps_of_row(a, coordinates, row, rows_of_set, columns, y)


@inner
def _overlaps_of_row(a, b, row, rows_of_set, columns, y):
    box, place = part(a, 4 * row, 4 * row + 4), row // rows_of_set * 5 * columns
    own = _area(box[0], box[1], box[2], box[3])
    others = part(b, place, place + 5 * columns)
    _overlap_all(box[0], box[1], box[2], box[3], own, others, 0, part(y, row * columns, (row + 1) * columns))


@inner
def _overlap_all(left, top, right, bottom, own, boxes, first, y):
    """Fills y with the overlaps of a box and those of a set (5 · size,) from number `first` on."""
    size = boxes.size // 5
    x0, y0 = part(boxes, first, size), part(boxes, first + size, 2 * size)
    x1, y1 = part(boxes, first + 2 * size, 3 * size), part(boxes, first + 3 * size, 4 * size)
    areas = part(boxes, first + 4 * size, 5 * size)
    for m in range(y.size):
        y[m] = _overlap(left, top, right, bottom, own, x0[m], y0[m], x1[m], y1[m], areas[m])


@inner(inline="always")
def _overlap(left, top, right, bottom, own, x0, y0, x1, y1, area):
    """Comparisons lose a NaN, but the area of a box with NaN is NaN, and with it the union."""
    zero = type(left)(0)
    width = (x1 if x1 < right else right) - (x0 if x0 > left else left)
    height = (y1 if y1 < bottom else bottom) - (y0 if y0 > top else top)
    shared = (zero if width < zero else width) * (zero if height < zero else height)
    union = (own + area) - shared
    return zero if union == zero else shared / union


@inner(inline="always")
def _area(left, top, right, bottom):
    zero = type(left)(0)
    width, height = right - left, bottom - top
    return (zero if width < zero else width) * (zero if height < zero else height)


@kernel
def _gradients(gy, a, b, rows_of_set, ga):
    """ga (sets · rows · 4,) from gy (sets · rows · columns,), a like ga, and b (sets, 5, columns)."""
    coordinates, columns = b.reshape(-1), b.shape[2]
    if gy.size < _ALONE:
        for row in range(gy.size // columns):
            _gradient_of_row(gy, a, coordinates, row, rows_of_set, columns, ga)
    else:
        for row in prange(gy.size // columns):
            _gradient_of_row(gy, a, coordinates, row, rows_of_set, columns, ga)


@inner
def _gradient_of_row(gy, a, b, row, rows_of_set, columns, ga):
    box, place = part(a, 4 * row, 4 * row + 4), row // rows_of_set * 5 * columns
    incoming = part(gy, row * columns, (row + 1) * columns)
    x0, y0, x1, y1, per_own = _sums(incoming, box, part(b, place, place + 5 * columns))
    zero = box.dtype.type(0)
    width, height = box[2] - box[0], box[3] - box[1]
    along_x = per_own * ((zero if height < zero else height) * (width > zero))
    along_y = per_own * ((zero if width < zero else width) * (height > zero))
    result = part(ga, 4 * row, 4 * row + 4)
    result[0] = -x0 - along_x
    result[1] = -y0 - along_y
    result[2] = x1 + along_x
    result[3] = y1 + along_y


@summing_inner
def _sums(gy, box, b):
    """What a box's edges get through the shared areas, without signs, and the sum per own area."""
    left, top, right, bottom = box[0], box[1], box[2], box[3]
    own, columns = _area(left, top, right, bottom), gy.size
    x0, y0, x1 = part(b, 0, columns), part(b, columns, 2 * columns), part(b, 2 * columns, 3 * columns)
    y1, areas = part(b, 3 * columns, 4 * columns), part(b, 4 * columns, 5 * columns)
    zero, half, one = box.dtype.type(0), box.dtype.type(0.5), box.dtype.type(1)
    from_left = from_top = from_right = from_bottom = per_own = zero
    for m in range(columns):
        width = (x1[m] if x1[m] < right else right) - (x0[m] if x0[m] > left else left)
        height = (y1[m] if y1[m] < bottom else bottom) - (y0[m] if y0[m] > top else top)
        crossing = one if width > zero and height > zero else zero
        width, height = (zero if width < zero else width), (zero if height < zero else height)
        union = (own + areas[m]) - width * height
        scale = zero if union == zero else one / union
        overlap = width * height * scale
        per_shared = gy[m] * (one + overlap) * scale * crossing
        per_own -= gy[m] * overlap * scale
        along_x, along_y = per_shared * height, per_shared * width
        from_left += along_x * (one if left > x0[m] else (half if left == x0[m] else zero))
        from_top += along_y * (one if top > y0[m] else (half if top == y0[m] else zero))
        from_right += along_x * (one if right < x1[m] else (half if right == x1[m] else zero))
        from_bottom += along_y * (one if bottom < y1[m] else (half if bottom == y1[m] else zero))
    return from_left, from_top, from_right, from_bottom, per_own


@kernel
def _suppress(boxes, groups, order, candidates, threshold, kept, counts):
    """Boxes (sets, 5, N) and groups come in order of the scores; only the first ones are candidates."""
    coordinates, size = boxes.reshape(-1), 5 * boxes.shape[2]
    if counts.size == 1:
        counts[0] = _suppress_in_set(coordinates, groups[0], order[0], candidates[0], threshold, kept[0])
    else:
        for s in prange(counts.size):
            of_set = part(coordinates, s * size, (s + 1) * size)
            counts[s] = _suppress_in_set(of_set, groups[s], order[s], candidates[s], threshold, kept[s])


@inner
def _suppress_in_set(boxes, groups, order, candidates, threshold, kept):
    is_dropped, overlaps = np.zeros(candidates, np.bool_), np.empty(candidates, boxes.dtype)
    size, count = groups.size, 0
    for i in range(candidates):
        if is_dropped[i]:
            continue
        kept[count] = order[i]
        count += 1
        left, top, right, bottom = boxes[i], boxes[i + size], boxes[i + 2 * size], boxes[i + 3 * size]
        behind = part(overlaps, i + 1, candidates)
        _overlap_all(left, top, right, bottom, boxes[i + 4 * size], boxes, i + 1, behind)
        # Parts, since Numba looks at an index that doesn't count from 0 for whether it is negative.
        others, flags = part(groups, i + 1, candidates), part(is_dropped, i + 1, candidates)
        for j in range(behind.size):
            flags[j] |= (behind[j] > threshold) & (others[j] == groups[i])
    keep_alive(overlaps)
    keep_alive(is_dropped)
    return count
