"""Overlaps of all pairs with whole arrays, and suppression by one pass over the boxes in order of scores."""

from tinynet_kernels.dispatch import array_module


def intersection_over_union(a, b):
    xp = array_module(a)
    (*_, shared), union, _ = _areas(xp, _precise(xp, a)[..., :, None, :], _precise(xp, b)[..., None, :, :])
    return _over(xp, shared, union).astype(a.dtype)


def intersection_over_union_backward(gy, a, b):
    return _gradient(gy, a, b), _gradient(gy.swapaxes(-1, -2), b, a)


def suppress(boxes, scores, threshold, groups, least_score):
    xp = array_module(boxes)
    N = scores.shape[1]
    order = xp.argsort(-scores, axis=1, kind="stable")
    ordered = xp.take_along_axis(_precise(xp, boxes), order[..., None], axis=1)
    silences = intersection_over_union(ordered, ordered) > threshold
    if groups is not None:
        of_ordered = xp.take_along_axis(groups, order, axis=1)
        silences &= of_ordered[:, :, None] == of_ordered[:, None, :]
    is_kept = xp.take_along_axis(scores, order, axis=1) >= least_score
    for i in range(N):
        is_kept[:, i + 1 :] &= ~(is_kept[:, i, None] & silences[:, i, i + 1 :])
    counts = is_kept.sum(axis=1).astype(xp.int64)
    kept_first = xp.argsort(~is_kept, axis=1, kind="stable")
    kept = xp.take_along_axis(order, kept_first, axis=1)
    return xp.where(xp.arange(N) < counts[:, None], kept, -1).astype(xp.int64), counts


def _gradient(gy, a, b):
    """The gradient with respect to a (..., N, 4), given gy (..., N, M).

    With the shared area I, the own area A and the union U = A + B − I, the overlap I / U changes by
    ``(1 + I / U) / U`` per shared and by ``−I / U²`` per own area.
    """
    xp = array_module(a)
    corners, other = _precise(xp, a)[..., :, None, :], _precise(xp, b)[..., None, :, :]
    (width, height, shared), union, (own_width, own_height) = _areas(xp, corners, other)
    overlap, gy = _over(xp, shared, union), _precise(xp, gy)
    per_shared, per_own = _over(xp, gy * (1 + overlap), union), _over(xp, -gy * overlap, union)
    along_x, along_y = per_shared * height * (width > 0), per_shared * width * (height > 0)
    own_along_x, own_along_y = per_own * own_height * (own_width > 0), per_own * own_width * (own_height > 0)
    columns = [
        -along_x * _share(corners[..., 0] > other[..., 0], corners[..., 0] == other[..., 0]) - own_along_x,
        -along_y * _share(corners[..., 1] > other[..., 1], corners[..., 1] == other[..., 1]) - own_along_y,
        along_x * _share(corners[..., 2] < other[..., 2], corners[..., 2] == other[..., 2]) + own_along_x,
        along_y * _share(corners[..., 3] < other[..., 3], corners[..., 3] == other[..., 3]) + own_along_y,
    ]
    return xp.stack([column.sum(axis=-1) for column in columns], axis=-1).astype(a.dtype)


def _share(decides, is_equal):
    """How much of a shared edge's gradient an own edge gets: 0, 1, or half where both are in one place."""
    return decides + 0.5 * is_equal


def _areas(xp, a, b):
    """Of boxes that broadcast: width, height and area of what they share, the union, the sides of a."""
    width = xp.maximum(xp.minimum(a[..., 2], b[..., 2]) - xp.maximum(a[..., 0], b[..., 0]), 0)
    height = xp.maximum(xp.minimum(a[..., 3], b[..., 3]) - xp.maximum(a[..., 1], b[..., 1]), 0)
    own = xp.maximum(a[..., 2] - a[..., 0], 0), xp.maximum(a[..., 3] - a[..., 1], 0)
    other = xp.maximum(b[..., 2] - b[..., 0], 0) * xp.maximum(b[..., 3] - b[..., 1], 0)
    shared = width * height
    return (width, height, shared), own[0] * own[1] + other - shared, own


def _over(xp, part, union):
    """part / union, and 0 where the union is 0."""
    return xp.where(union == 0, 0, part / xp.where(union == 0, 1, union))


def _precise(xp, array):
    """As float32 if it is float16, in which the area of a large box is infinite."""
    return array.astype(xp.float32) if array.dtype == xp.float16 else array
