"""Capsules: squashing, routing by agreement, and what a network of capsules is trained with.

Source: Sabour, Frosst & Hinton, "Dynamic routing between capsules", 2017.
"""

import numpy as np

from tinynet.autograd import Function, Tensor, enable_grad, grad
from tinynet.backend import array_module
from tinynet.errors import ArgumentError, ShapeError
from tinynet.functional.activations import relu
from tinynet.functional.arithmetic import power, square
from tinynet.functional.conversion import accurate, cast, floating
from tinynet.functional.creation import zeros
from tinynet.functional.einsum import einsum
from tinynet.functional.elementwise import sqrt, where
from tinynet.functional.joining import stack
from tinynet.functional.loss_arguments import (
    check_labels,
    check_reduction,
    class_labels,
    class_scores,
    nan_where_wrong,
    reduced,
)
from tinynet.functional.reductions import sum as total
from tinynet.functional.shaping import reshape
from tinynet.functional.softmax_functions import softmax
from tinynet_kernels import routing as kernels

__all__ = ["capsule_lengths", "margin_loss", "mask_capsules", "route", "squash"]

_EPSILON = 1e-7  # added to squared lengths: the root of zero has no derivative


class Squash(Function):
    """x · |x| / (1 + |x|²) along the last axis."""

    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return kernels.squash(x.reshape(-1, x.shape[-1])).reshape(x.shape)

    def backward(self, gy):
        (x,) = self.inputs
        squared = total(square(x), axis=-1, keepdims=True)
        shifted = squared + _EPSILON
        inverse_root, shrunk = power(shifted, -0.5), power(squared + 1.0, -1.0)
        slope = (shrunk - squared / (shifted * 2.0)) * shrunk * inverse_root
        inner = total(gy * x, axis=-1, keepdims=True)
        return gy * (squared * shrunk * inverse_root) + x * (inner * slope * 2.0)

    def backward_arrays(self, gy):
        (x,) = self.input_arrays
        columns = x.shape[-1]
        return kernels.squash_backward(gy.reshape(-1, columns), x.reshape(-1, columns)).reshape(x.shape)


def squash(x):
    """x · |x| / (1 + |x|²) along the last axis: the direction stays, the length becomes less than 1.

    x is divided by the root of |x|² + 1e-7 to get its direction, so that zero has a derivative.

    Args:
        x: capsules (..., D), D at least 1.

    Sabour, Frosst & Hinton, 2017, equation 1. Raises ShapeError when there is no last axis.
    """
    return Squash()(_capsules("squash", x))


def capsule_lengths(x):
    """√(Σ x² + 1e-7) along the last axis, (..., D) → (...): how likely what a capsule stands for is there."""
    return sqrt(total(square(_capsules("capsule_lengths", x)), axis=-1) + _EPSILON)


def _capsules(operation, x):
    x = accurate(x)
    if not x.ndim or not x.shape[-1]:
        raise ShapeError(f"{operation}: x must be capsules (..., D), but has shape {x.shape}")
    return x


class Route(Function):
    """Routing, all iterations in one operation. Keeps the sums of each, N · O · D numbers, but no votes.

    Where the coefficients count as constants, those of the last iteration may be kept as well.
    """

    __slots__ = ("iterations", "through_coefficients")
    reads = ((0, 1), (0, 1))

    def __init__(self, iterations, through_coefficients):
        self.iterations = iterations
        self.through_coefficients = through_coefficients

    def forward(self, u, weight):
        is_differentiated = self.needs(0) or self.needs(1)
        keeping = is_differentiated and not self.through_coefficients
        y, *kept = kernels.route(u, weight, self.iterations, keeping)
        if is_differentiated:
            self.kept = kept
        return y

    def backward(self, gy):
        wanted = [index for index in range(2) if self.needs(index)]
        with enable_grad():
            y, _ = composed_route(*self.inputs, self.iterations, self.through_coefficients)
            found = grad(y, [self.inputs[index] for index in wanted], gy, create_graph=True)
        by_input = dict(zip(wanted, found, strict=True))
        return by_input.get(0), by_input.get(1)

    def backward_arrays(self, gy):
        inputs, (sums, *coefficients) = self.input_arrays, self.kept
        gradients = kernels.route_backward(gy, *inputs, sums, self.through_coefficients, *coefficients)
        return tuple([gradient if self.needs(index) else None for index, gradient in enumerate(gradients)])


def route(u, weight, iterations=3, through_coefficients=True):
    """Upper capsules from lower ones, by routing by agreement.

    Lower capsule i votes ``u[n, i] @ weight[i, o]`` on upper capsule o, which is the squashed sum of the
    votes on it, times coefficients that sum to 1 over the upper capsules. In the first iteration all
    coefficients are equal; after each, logits grow by the products of the votes with the capsules that they
    made.

    Args:
        u: lower capsules (N, I, K).
        weight: (I, O, K, D).
        iterations: how often upper capsules are computed, at least once.
        through_coefficients: whether the gradient takes into account that the coefficients depend on the
            votes. Without it they count as constants, which takes two thirds of the time.

    Returns:
        Upper capsules (N, O, D).

    Raises:
        ShapeError: the shapes don't fit together.
        ArgumentError: iterations is not an integer of at least 1.

    Sabour, Frosst & Hinton, 2017, equations 1 to 3 and procedure 1.
    """
    u, weight = _checked("route", u, weight, iterations)
    return Route(int(iterations), bool(through_coefficients))(u, weight)


def composed_route(u, weight, iterations=3, through_coefficients=True):
    """`route`, step by step, from operations on all votes at once, for reading and for further derivatives.

    Returns:
        Upper capsules (N, O, D), and the coefficients of every iteration (iterations, N, I, O).
    """
    u, weight = _checked("route", u, weight, iterations)
    votes = einsum("nik,iokd->niod", u, weight)
    logits = zeros(*votes.shape[:3], dtype=votes.dtype, device=votes.device)
    coefficients = []
    for _ in range(iterations):
        coefficients.append(softmax(logits, axis=2))
        y = squash(einsum("nio,niod->nod", coefficients[-1], votes))
        logits = logits + einsum("niod,nod->nio", votes, y)
        if not through_coefficients:
            logits = logits.detach()
    return y, stack(coefficients)


def _checked(operation, u, weight, iterations):
    u, weight = accurate(u), floating(weight)
    if isinstance(iterations, bool) or not isinstance(iterations, int | np.integer) or iterations < 1:
        raise ArgumentError(f"{operation}: iterations must be an integer of at least 1, not {iterations!r}")
    if u.ndim != 3 or weight.ndim != 4 or not weight.shape[1]:
        raise ShapeError(
            f"{operation}: u must be (N, I, K) and weight (I, O, K, D) with O at least 1, but they have "
            f"shapes {u.shape} and {weight.shape}"
        )
    if u.shape[1:] != (weight.shape[0], weight.shape[2]):
        raise ShapeError(
            f"{operation}: u has {u.shape[1]} capsules of {u.shape[2]} numbers (shape {u.shape}) but weight "
            f"expects {weight.shape[0]} of {weight.shape[2]} (shape {weight.shape})"
        )
    return u, cast(weight, u.dtype)


def margin_loss(lengths, target, positive=0.9, negative=0.1, absent=0.5, reduction="mean"):
    """The loss of classes that are there or not, each by itself: those there are to be long, others short.

    Σ over c of T[c] · max(0, positive − |v[c]|)² + absent · (1 − T[c]) · max(0, |v[c]| − negative)², where
    T[c] is 1 for the target and 0 for others.

    Args:
        lengths: of the capsules of the classes (..., C).
        target: labels (...).
        positive, negative: from where on, and up to where, a length costs nothing.
        absent: the weight of the classes that are not there; below 1 it keeps the beginning of training from
            shrinking all capsules.
        reduction: ``"none"``, ``"mean"`` (over samples) or ``"sum"``.

    Raises:
        ShapeError: the shapes don't fit.
        DTypeError, ArgumentError: labels are no integers, or no classes (on a GPU the loss is NaN instead);
            an unknown reduction.

    Sabour, Frosst & Hinton, 2017, equation 4.
    """
    check_reduction("margin_loss", reduction)
    lengths = class_scores("margin_loss", lengths, "lengths")
    labels = class_labels("margin_loss", target, lengths, "lengths").data
    chosen = _chosen("margin_loss", lengths, labels, "lengths")
    losses = where(
        Tensor(chosen),
        square(relu(positive - lengths)),
        square(relu(lengths - negative)) * absent,
    )
    losses = nan_where_wrong(total(losses, axis=-1), labels, lengths.shape[-1])
    return reduced(losses, reduction)


def mask_capsules(x, labels=None):
    """Capsules side by side, all but one of each sample set to zero: what a decoder is to draw.

    Args:
        x: (N, C, D), one capsule for each class.
        labels: which capsule remains (N,); the longest if None.

    Returns:
        (N, C · D).

    Raises:
        ShapeError: x or the labels have another shape.
        DTypeError, ArgumentError: the labels are no integers, or no classes.
    """
    x = floating(x)
    if x.ndim != 3 or not x.shape[1]:
        raise ShapeError(f"mask_capsules: x must be capsules (N, C, D), but has shape {x.shape}")
    lengths = total(square(x.detach()), axis=-1)
    if labels is None:
        labels = Tensor(lengths.data.argmax(axis=-1))
    chosen = _chosen("mask_capsules", lengths, labels, "lengths")
    return reshape(where(Tensor(chosen[..., None]), x, 0.0), (x.shape[0], x.shape[1] * x.shape[2]))


def _chosen(operation, scores, target, name):
    """True at the class of each label, as an array (..., C)."""
    labels = class_labels(operation, target, scores, name).data
    check_labels(operation, labels, scores.shape, name)
    return labels[..., None] == array_module(labels).arange(scores.shape[-1])
