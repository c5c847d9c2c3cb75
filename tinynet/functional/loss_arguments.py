"""What the losses have in common: reductions, and arguments that must fit together."""

import math

import numpy as np

from tinynet.autograd import Tensor, as_tensor
from tinynet.backend import array_module, is_on_gpu
from tinynet.errors import ArgumentError, DeviceError, DTypeError, ShapeError
from tinynet.functional.choosing import where
from tinynet.functional.conversion import accurate, cast
from tinynet.functional.reductions import mean
from tinynet.functional.reductions import sum as total

__all__: list[str] = []


def check_reduction(operation, reduction, allowed=("none", "mean", "sum")):
    """Raises ArgumentError unless the reduction is one of those allowed."""
    if reduction not in allowed:
        choices = ", ".join(map(repr, allowed[:-1]))
        raise ArgumentError(f"{operation}: reduction must be {choices} or {allowed[-1]!r}, not {reduction!r}")


def reduced(losses, reduction):
    """The losses, their mean (NaN when there are none) or their sum."""
    if reduction == "mean":
        return mean(losses)
    return total(losses) if reduction == "sum" else losses


def beside(operation, name, value, x):
    """The argument `value` as a tensor on the device of x; Python numbers are put there."""
    if isinstance(value, Tensor) or hasattr(value, "dtype"):
        value = as_tensor(value)
        if array_module(value.data) is not array_module(x.data):
            raise DeviceError(
                f"{operation}: {name} is on {value.device} but the predictions are on {x.device}; "
                "move it with .to(device)"
            )
        return value
    return as_tensor(value, device=x.device)


def matched(operation, x, target, x_name="predictions"):
    """x and a target of the same shape as tensors, the target in the dtype of x.

    Broadcasting is refused on purpose: (N, 1) against (N,) would silently compare every prediction with
    every target.
    """
    x = accurate(x)
    target = beside(operation, "target", target, x)
    if target.shape != x.shape:
        raise ShapeError(f"{operation}: target has shape {target.shape} but {x_name} have shape {x.shape}")
    return x, cast(target, x.dtype)


def broadcastable(operation, name, value, x):
    """`value` as a tensor in the dtype of x. Raises ShapeError unless it broadcasts to the shape of x."""
    value = cast(beside(operation, name, value, x), x.dtype)
    surplus = x.ndim - value.ndim
    if surplus < 0 or any(
        size not in (1, wanted) for size, wanted in zip(value.shape, x.shape[surplus:], strict=True)
    ):
        raise ShapeError(
            f"{operation}: {name} of shape {value.shape} does not broadcast to predictions of shape {x.shape}"
        )
    return value


def weighted(operation, losses, weight):
    """The losses times a weight that broadcasts to their shape; the losses themselves without one."""
    return losses if weight is None else losses * broadcastable(operation, "weight", weight, losses)


def first_where(mask):
    """The first position at which an array of truth values holds, as an index and in words."""
    position = tuple(map(int, np.unravel_index(int(mask.argmax()), mask.shape)))
    if len(position) < 2:
        return position, f" in row {position[0]}" if position else ""
    return position, f" at position {position}"


def class_scores(operation, x, name):
    """Scores (..., C) as a floating-point tensor, checked to have classes."""
    x = accurate(x)
    if not x.ndim or not x.shape[-1]:
        raise ShapeError(f"{operation}: {name} must have classes along the last axis, not shape {x.shape}")
    return x


def class_labels(operation, target, x, name):
    """Labels (...) beside scores (..., C), as a tensor of int64. Their values are not looked at.

    Raises ShapeError when the shapes do not fit, DTypeError when the labels are not integers.
    """
    target = beside(operation, "target", target, x)
    if target.shape != x.shape[:-1]:
        raise ShapeError(
            f"{operation}: target has shape {target.shape} but {name} of shape {x.shape} need "
            f"labels of shape {x.shape[:-1]}"
        )
    if target.dtype.kind not in "iu" and target.size:
        raise DTypeError(
            f"{operation}: target of shape {target.shape} must hold integer labels, not {target.dtype}"
        )
    return cast(target, np.int64)


def check_labels(operation, labels, shape, name, ignore_index=None):
    """Raises ArgumentError, naming the first, when an array of labels holds one that is no class.

    Labels on a GPU are not looked at, since the program would have to wait: see `nan_where_wrong`.

    Args:
        operation: the name for the message.
        labels: integers (...).
        shape: the shape (..., C) of the scores.
        name: what the scores are called.
        ignore_index: a label that is allowed besides 0 … C − 1, or None.
    """
    if is_on_gpu(labels):
        return
    is_wrong = _no_class(labels, shape[-1], ignore_index)
    if is_wrong.any():
        position, place = first_where(is_wrong)
        ignored = "" if ignore_index is None else f" (and {ignore_index} is ignored)"
        raise ArgumentError(
            f"{operation}: the label{place} is {int(labels[position])} but {name} of shape {shape} "
            f"have the classes 0 to {shape[-1] - 1}{ignored}"
        )


def nan_where_wrong(losses, labels, classes, ignore_index=None):
    """Losses (...) of labels on a GPU: NaN for each label that is no class. Others were checked before."""
    if not is_on_gpu(labels):
        return losses
    return where(Tensor(_no_class(labels, classes, ignore_index)), math.nan, losses)


def _no_class(labels, classes, ignore_index):
    is_wrong = (labels < 0) | (labels >= classes)
    if ignore_index is not None:
        is_wrong &= labels != ignore_index
    return is_wrong


def class_weights_beside(operation, class_weights, x):
    """Class weights as a constant tensor (C,) in the dtype of the scores (..., C); None stays None."""
    if class_weights is None:
        return None
    weights = beside(operation, "class_weights", class_weights, x).detach()
    if weights.shape != x.shape[-1:]:
        raise ShapeError(
            f"{operation}: class_weights has shape {weights.shape} but scores of shape {x.shape} "
            f"need {x.shape[-1:]}"
        )
    return cast(weights, x.dtype)
