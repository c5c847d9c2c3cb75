"""Boxes: conversion, how much they overlap, and losses that draw one box onto another.

A box is (x0, y0, x1, y1), its two corners, with x0 ≤ x1 and y0 ≤ y1; where this does not hold it counts as
empty. The measures take two sets of boxes and compare all pairs; the losses compare box with box.

Sources: Rezatofighi et al., "Generalized intersection over union: a metric and a loss for bounding box
regression", 2019; Zheng et al., "Distance-IoU loss: faster and better learning for bounding box regression",
2020.
"""

import math

from tinynet.autograd import Function, Tensor, enable_grad, grad
from tinynet.errors import ShapeError
from tinynet.functional.activations import relu
from tinynet.functional.arithmetic import square
from tinynet.functional.choosing import maximum, minimum, where
from tinynet.functional.conversion import accurate
from tinynet.functional.joining import concatenate, split, unbind
from tinynet.functional.loss_arguments import beside, check_reduction, matched, reduced
from tinynet.functional.reductions import sum as total
from tinynet.functional.shaping import expand_dims, squeeze
from tinynet.functional.trigonometric import arctan2
from tinynet_kernels import boxes as kernels

__all__ = [
    "box_area",
    "box_iou",
    "centres_to_corners",
    "complete_box_iou",
    "complete_box_iou_loss",
    "corners_to_centres",
    "distance_box_iou",
    "distance_box_iou_loss",
    "generalized_box_iou",
    "generalized_box_iou_loss",
]


def corners_to_centres(boxes):
    """(x0, y0, x1, y1) → (x, y, width, height), where (x, y) is the centre. Boxes are (..., 4)."""
    low, high = _corners(_boxes("corners_to_centres", "boxes", boxes))
    return concatenate([(low + high) / 2, high - low], axis=-1)


def centres_to_corners(boxes):
    """(x, y, width, height), where (x, y) is the centre → (x0, y0, x1, y1). Boxes are (..., 4)."""
    centre, sides = split(_boxes("centres_to_corners", "boxes", boxes), 2, axis=-1)
    half = sides / 2
    return concatenate([centre - half, centre + half], axis=-1)


def box_area(boxes):
    """The areas (...) of boxes (..., 4); 0 for the empty ones."""
    return _area(*_corners(_boxes("box_area", "boxes", boxes)))


class BoxIntersectionOverUnion(Function):
    __slots__ = ()
    operation = "box_iou"
    reads = ((0, 1), (0, 1))

    def forward(self, a, b):
        return kernels.intersection_over_union(a, b)

    def backward(self, gy):
        a, b = self.inputs
        with enable_grad():
            pairs = expand_dims(a, -2), expand_dims(b, -3)  # two tensors even where a and b are one
            wanted = [index for index in range(2) if self.needs(index)]
            found = grad(
                _overlap(*map(_corners, pairs)), [pairs[index] for index in wanted], gy, create_graph=True
            )
            by_input = dict(zip(wanted, found, strict=True))
            return tuple(
                [
                    squeeze(by_input[index], axis) if index in by_input else None
                    for index, axis in enumerate((-2, -3))
                ]
            )

    def backward_arrays(self, gy):
        return kernels.intersection_over_union_backward(gy, *self.input_arrays)


def box_iou(a, b):
    """Intersection over union of all pairs: the area that both cover over the area that any of them covers.

    Args:
        a: boxes (..., N, 4).
        b: boxes (..., M, 4) with the same leading axes.

    Returns:
        (..., N, M), from 0 to 1; 0 for two boxes without area.
    """
    return BoxIntersectionOverUnion()(*_two_sets("box_iou", a, b))


def generalized_box_iou(a, b):
    """`box_iou` minus the share of the smallest box around both that none of them covers, for all pairs.

    From −1 to 1. Boxes that do not touch have the less the farther they lie apart. Takes and returns the
    shapes of `box_iou`. Rezatofighi et al., 2019, algorithm 1.
    """
    return _generalized(*_pairs("generalized_box_iou", a, b))


def distance_box_iou(a, b):
    """`box_iou` minus d² / c², for all pairs.

    d is how far apart the centres are, c the diagonal of the smallest box around both. Takes and returns the
    shapes of `box_iou`. Zheng et al., 2020, equation 7.
    """
    return _distance(*_pairs("distance_box_iou", a, b))


def complete_box_iou(a, b):
    """`distance_box_iou` minus α v, where v tells how different the proportions are, for all pairs.

    v = 4 / π² · (arctan(w / h) − arctan(w' / h'))², and α = v / (1 − IoU + v). Takes and returns the shapes
    of `box_iou`. Zheng et al., 2020, equations 8 to 11.
    """
    return _complete(*_pairs("complete_box_iou", a, b))


def generalized_box_iou_loss(predictions, target, reduction="mean"):
    """1 − the `generalized_box_iou` of each prediction with its target.

    Args:
        predictions: boxes (..., 4).
        target: boxes of the same shape.
        reduction: ``"none"``, ``"mean"`` (over the boxes) or ``"sum"``.
    """
    pair = _matched("generalized_box_iou_loss", predictions, target, reduction)
    return reduced(1 - _generalized(*pair), reduction)


def distance_box_iou_loss(predictions, target, reduction="mean"):
    """1 − the `distance_box_iou` of each prediction with its target.

    Takes the arguments of `generalized_box_iou_loss`.
    """
    pair = _matched("distance_box_iou_loss", predictions, target, reduction)
    return reduced(1 - _distance(*pair), reduction)


def complete_box_iou_loss(predictions, target, reduction="mean"):
    """1 − the `complete_box_iou` of each prediction with its target, in whose gradient α is a constant.

    So do its authors compute it: α weighs the proportions, but is nothing to be made smaller itself. Takes
    the arguments of `generalized_box_iou_loss`.
    """
    pair = _matched("complete_box_iou_loss", predictions, target, reduction)
    return reduced(1 - _complete(*pair, with_constant_weight=True), reduction)


# In what follows, boxes a and b are pairs of corners (..., 2) that broadcast against each other.


def _generalized(a, b):
    around = _area(*_around(a, b))
    shared, union = _shared_and_union(a, b)
    return _ratio(shared, union) - _ratio(around - union, around)


def _distance(a, b):
    low, high = _around(a, b)
    apart = ((a[0] + a[1]) - (b[0] + b[1])) / 2
    return _overlap(a, b) - _ratio(total(square(apart), axis=-1), total(square(high - low), axis=-1))


def _complete(a, b, with_constant_weight=False):
    v = square(_proportion(*a) - _proportion(*b)) * (4 / math.pi**2)
    weight = _ratio(v, 1 - _overlap(a, b) + v)
    return _distance(a, b) - (weight.detach() if with_constant_weight else weight) * v


def _proportion(low, high):
    """arctan(width / height), of a box that is a point 0."""
    width, height = unbind(relu(high - low), axis=-1)
    is_point = Tensor((width.data == 0) & (height.data == 0))
    return arctan2(width, where(is_point, 1.0, height))


def _overlap(a, b):
    """The intersection over union."""
    return _ratio(*_shared_and_union(a, b))


def _shared_and_union(a, b):
    shared = _area(maximum(a[0], b[0]), minimum(a[1], b[1]))
    return shared, _area(*a) + _area(*b) - shared


def _around(a, b):
    """The corners of the smallest box around both."""
    return minimum(a[0], b[0]), maximum(a[1], b[1])


def _area(low, high):
    width, height = unbind(relu(high - low), axis=-1)
    return width * height


def _ratio(part, whole):
    """part / whole, and 0 where the whole is 0."""
    is_nothing = Tensor(whole.data == 0)
    return where(is_nothing, 0.0, part / where(is_nothing, 1.0, whole))


def _boxes(operation, name, value):
    """An argument as floating-point boxes (..., 4)."""
    value = accurate(value)
    if not value.ndim or value.shape[-1] != 4:
        raise ShapeError(f"{operation}: {name} must be boxes (..., 4), but has shape {value.shape}")
    return value


def _two_sets(operation, a, b):
    a = _boxes(operation, "a", a)
    b = _boxes(operation, "b", beside(operation, "b", b, a))
    if min(a.ndim, b.ndim) < 2 or a.shape[:-2] != b.shape[:-2]:
        raise ShapeError(
            f"{operation}: a and b must be boxes (..., N, 4) and (..., M, 4), not {a.shape} and {b.shape}"
        )
    return a, b


def _corners(boxes):
    return split(boxes, 2, axis=-1)


def _pairs(operation, a, b):
    """The corners of two sets of boxes, in shapes that make pairs of all when they are broadcast."""
    a, b = _two_sets(operation, a, b)
    return _corners(expand_dims(a, -2)), _corners(expand_dims(b, -3))


def _matched(operation, predictions, target, reduction):
    check_reduction(operation, reduction)
    predictions = _boxes(operation, "predictions", predictions)
    return map(_corners, matched(operation, predictions, target))
