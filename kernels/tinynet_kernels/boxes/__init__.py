"""Boxes: how much they overlap, and which of them to keep where several mark the same thing.

A box is (x0, y0, x1, y1), its two corners, with x0 ≤ x1 and y0 ≤ y1; where this does not hold it is empty, as
is a box without width or height. Boxes come in sets (..., N, 4), one for each index of the leading axes,
which are as a rule the images of a batch.

Sources: Everingham et al., The PASCAL Visual Object Classes Challenge (2010), section 4.2, for the overlap;
Neubeck & Van Gool, Efficient Non-Maximum Suppression (2006), for the greedy algorithm, which Girshick et al.,
Rich Feature Hierarchies for Accurate Object Detection (2014), section 2.2, run for each class.
"""

import math

from tinynet_kernels.dispatch import FLOATS, Family

__all__ = ["intersection_over_union", "intersection_over_union_backward", "suppress"]

_family = Family(__name__, gpu=FLOATS)


def intersection_over_union(a, b):
    """The area that two boxes share over the area that they cover together, for all pairs.

    Two boxes without area have 0. A box with a NaN among its corners has NaN with every other.

    Args:
        a: (..., N, 4), floating-point.
        b: (..., M, 4), with the same leading axes.

    Returns:
        (..., N, M), from 0 to 1.
    """
    _check_pairs("intersection_over_union", a, b)
    y = _family.take(a, b).intersection_over_union(_sets(a), _sets(b))
    return y.reshape(*a.shape[:-1], b.shape[-2])


def intersection_over_union_backward(gy, a, b):
    """The gradients with respect to a (..., N, 4) and b (..., M, 4), given gy (..., N, M).

    Where two edges lie in the same place each gets half of the gradient that the nearer one would get, as
    where the smaller of two equal numbers is taken. Nothing draws boxes together that only touch.
    """
    _check_pairs("intersection_over_union_backward", a, b)
    expected = (*a.shape[:-1], b.shape[-2])
    if gy.shape != expected:
        raise ValueError(
            f"boxes.intersection_over_union_backward: gy has shape {gy.shape}, but a (shape {a.shape}) and b "
            f"(shape {b.shape}) need {expected}"
        )
    rows = gy.reshape(math.prod(a.shape[:-2]), *expected[-2:])
    ga, gb = _family.take(gy, a, b).intersection_over_union_backward(rows, _sets(a), _sets(b))
    return ga.reshape(a.shape), gb.reshape(b.shape)


def suppress(boxes, scores, threshold, groups=None, least_score=-math.inf):
    """Greedy non-maximum suppression: which boxes stay if each silences the lesser ones that it overlaps.

    The box of the highest score is kept, every box that overlaps it by more than the threshold is dropped,
    and so on with those that are left. Of equal scores the lower index comes first. A box with NaN among its
    corners overlaps no other.

    Args:
        boxes: (..., N, 4), floating-point.
        scores: (..., N).
        threshold: from 0 to 1. A box whose overlap, in the precision of the boxes, is exactly this stays.
        groups: integers (..., N); a box is dropped only because of one of the same group, as its class. None
            for a single group.
        least_score: a box of a lower score, or of NaN, is dropped from the start.

    Returns:
        The indices of the boxes that are kept, in order of their scores (..., N), int64, filled up with -1;
        and how many there are (...), int64. The shapes do not depend on the values, so that nothing has to
        wait for the result when it is computed on a GPU.

    Raises:
        TypeError: the boxes are not floating-point, or the groups no integers.
        ValueError: the shapes disagree, or the threshold is out of range.
    """
    _check_boxes("suppress", "boxes", boxes)
    for name, array in (("scores", scores), ("groups", groups)):
        if array is not None and array.shape != boxes.shape[:-1]:
            raise ValueError(
                f"boxes.suppress: {name} have shape {array.shape}, but boxes (shape {boxes.shape}) need "
                f"{boxes.shape[:-1]}"
            )
    if groups is not None and groups.dtype.kind not in "iu":
        raise TypeError(f"boxes.suppress: groups must be integers, not {groups.dtype}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"boxes.suppress: threshold must be from 0 to 1, not {threshold}")
    leading, sets = boxes.shape[:-2], _sets(boxes)
    scores_of_sets = scores.reshape(sets.shape[:-1])
    groups_of_sets = None if groups is None else groups.reshape(sets.shape[:-1])
    take = _family.take(boxes, scores)
    kept, counts = take.suppress(sets, scores_of_sets, float(threshold), groups_of_sets, float(least_score))
    return kept.reshape(scores.shape), counts.reshape(leading)


def _sets(boxes):
    """The boxes (sets, N, 4), with the leading axes made one."""
    return boxes.reshape(math.prod(boxes.shape[:-2]), *boxes.shape[-2:])


def _check_boxes(function, name, boxes):
    if boxes.ndim < 2 or boxes.shape[-1] != 4:
        raise ValueError(f"boxes.{function}: {name} must be boxes (..., N, 4), but has shape {boxes.shape}")
    if boxes.dtype.kind != "f":
        raise TypeError(f"boxes.{function}: {name} must be floating-point, not {boxes.dtype}")


def _check_pairs(function, a, b):
    _check_boxes(function, "a", a)
    _check_boxes(function, "b", b)
    if a.shape[:-2] != b.shape[:-2]:
        raise ValueError(
            f"boxes.{function}: a (shape {a.shape}) and b (shape {b.shape}) must have the same axes before "
            "their last two"
        )
