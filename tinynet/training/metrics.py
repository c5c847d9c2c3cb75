"""Metrics: what is measured besides the loss, gathered batch by batch as a sum and a count.

A metric is given to the trainer by name, as a `Metric`, or as a callable.

Metrics of classes read scores (..., C), one for each class. A model whose output in training holds more than
these, for its loss, names them: its output has an attribute ``scores``.

On a GPU the sums stay there until somebody wants to know the result: reading a number after every batch would
make the program wait for the GPU each time.
"""

import copy
import difflib
import math

import numpy as np

from tinynet import backend
from tinynet.autograd import Tensor
from tinynet.errors import ArgumentError, ShapeError

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "ErrorRate",
    "FunctionMetric",
    "LossAverage",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "RootMeanSquaredError",
    "TopKAccuracy",
    "available_metrics",
    "fresh",
    "resolve_metric",
    "resolve_metrics",
]


class Metric:
    """A quantity averaged over everything seen since `reset`.

    A subclass defines `measure`. One whose result isn't a quotient of two sums overrides `reset`,
    `update`, `result`, `state_dict` and `load_state_dict`.

    Attributes:
        name: the column of the history.
        total: the sum of what was measured.
        count: how many values that sum has.
    """

    def __init__(self, name):
        self.name = name
        self.reset()

    def reset(self):
        """Forgets everything seen."""
        self.total = 0.0
        self.count = 0

    def measure(self, output, *targets):
        """The sum over one batch and the number of values in it, as Python numbers or GPU arrays ()."""
        raise TypeError(f"{type(self).__name__} defines no measure")

    def update(self, output, *targets):
        """Adds one batch: the model's output and the targets, as tensors."""
        total, count = self.measure(output, *targets)
        # Not in place: what is an array belongs to whoever measured it.
        self.total = self.total + total
        self.count = self.count + count

    def result(self):
        """The average so far; NaN when nothing was seen."""
        self._fetch()
        return self.total / self.count if self.count else math.nan

    def state_dict(self):
        """What `load_state_dict` needs to go on in the middle of an epoch; JSON can hold it."""
        self._fetch()
        return {"total": self.total, "count": self.count}

    def _fetch(self):
        """Turns sums that are on a GPU into numbers, for which the program waits."""
        self.total, self.count = _fetched(self.total), _fetched(self.count)

    def load_state_dict(self, state):
        """Continues from a state given by `state_dict`. Raises ArgumentError for any other."""
        total, count = state.get("total"), state.get("count")
        if set(state) != {"total", "count"} or type(total) not in (int, float) or type(count) is not int:
            raise ArgumentError(f"metric {self.name}: the state should hold total and count, not {state!r}")
        self.total, self.count = total, count


class LossAverage(Metric):
    """The mean of batch losses, each weighted by its number of samples."""

    def __init__(self):
        super().__init__("loss")

    def measure(self, loss, samples):
        if not isinstance(loss, (int, float)):  # on a GPU, where a sum of many would be inexact in float32
            loss = loss.astype(np.float64).reshape(())
        return loss * samples, samples


class Accuracy(Metric):
    """The part of the samples whose highest score is the target's class.

    Args:
        ignore_index: labels of this value don't count.
        name: the column of the history.

    Scores are (..., C); targets are labels (...) or, as in one-hot coding, scores (..., C) themselves.
    Among equal scores the first is the highest.
    """

    def __init__(self, ignore_index=-100, name="accuracy"):
        super().__init__(name)
        self.ignore_index = ignore_index

    def measure(self, output, target, *_):
        scores, labels = _scores_and_labels(self.name, output, target)
        counted = labels != self.ignore_index
        correct = (scores.argmax(axis=-1) == labels) & counted
        return _number(correct.sum()), _number(counted.sum())


class ErrorRate(Accuracy):
    """The part of the samples whose highest score isn't the target's class: 1 − accuracy."""

    def __init__(self, ignore_index=-100, name="error_rate"):
        super().__init__(ignore_index, name)

    def measure(self, output, target, *_):
        correct, count = super().measure(output, target)
        return count - correct, count


class TopKAccuracy(Metric):
    """The part of the samples whose target is among the `k` highest scores.

    Scores are (..., C), targets as for `Accuracy`. Equal scores rank by class number, so that
    ``k = 1`` is the accuracy.
    """

    def __init__(self, k=5, ignore_index=-100, name=None):
        if k < 1:
            raise ArgumentError(f"TopKAccuracy: k must be at least 1, not {k}")
        super().__init__(name or f"top{k}_accuracy")
        self.k = k
        self.ignore_index = ignore_index

    def measure(self, output, target, *_):
        scores, labels = _scores_and_labels(self.name, output, target)
        xp = backend.array_module(scores)
        counted = labels != self.ignore_index
        labels = xp.where(counted, labels, 0)[..., None]
        own = xp.take_along_axis(scores, labels, axis=-1)
        earlier = xp.arange(scores.shape[-1]) < labels
        ahead = (scores > own) | ((scores == own) & earlier)
        found = (ahead.sum(axis=-1) < self.k) & ~xp.isnan(own[..., 0]) & counted
        return _number(found.sum()), _number(counted.sum())


class BinaryAccuracy(Metric):
    """The part of yes-or-no predictions on the right side of the threshold.

    Args:
        threshold: 0.5 for probabilities, 0.0 for logits. The target's threshold is always 0.5.
        name: the column of the history.

    Output and target have the same shape, or differ in axes of size 1 only.
    """

    def __init__(self, threshold=0.5, name="binary_accuracy"):
        super().__init__(name)
        self.threshold = threshold

    def measure(self, output, target, *_):
        predictions, wanted = _same_shape(self.name, output, target)
        correct = (predictions > self.threshold) == (wanted > 0.5)
        return _number(correct.sum()), correct.size


class MeanSquaredError(Metric):
    """The mean of (output − target)² over all elements. Shapes as for `BinaryAccuracy`."""

    def __init__(self, name="mean_squared_error"):
        super().__init__(name)

    def measure(self, output, target, *_):
        predictions, wanted = _same_shape(self.name, output, target)
        error = predictions.astype(np.float64) - wanted
        return _number((error * error).sum()), error.size


class RootMeanSquaredError(MeanSquaredError):
    """The square root of the mean of (output − target)² over all elements."""

    def __init__(self, name="root_mean_squared_error"):
        super().__init__(name)

    def result(self):
        return math.sqrt(super().result())


class MeanAbsoluteError(Metric):
    """The mean of |output − target| over all elements. Shapes as for `BinaryAccuracy`."""

    def __init__(self, name="mean_absolute_error"):
        super().__init__(name)

    def measure(self, output, target, *_):
        predictions, wanted = _same_shape(self.name, output, target)
        error = abs(predictions.astype(np.float64) - wanted)
        return _number(error.sum()), error.size


class FunctionMetric(Metric):
    """A callable ``function(output, *targets)`` as a metric.

    It returns one number, the mean over the batch, or one value for each sample (N, ...).
    """

    def __init__(self, function, name=None):
        super().__init__(name or getattr(function, "__name__", type(function).__name__))
        self.function = function

    def measure(self, output, *targets):
        value = self.function(output, *targets)
        value = value.data if isinstance(value, Tensor) else value
        array = (value if backend.is_on_gpu(value) else np.asarray(value)).astype(np.float64)
        if array.ndim:
            return _number(array.sum()), array.size
        samples = len(targets[0] if targets else output)
        return _number(array) * samples, samples


_METRICS = {
    "accuracy": Accuracy,
    "binary_accuracy": BinaryAccuracy,
    "error_rate": ErrorRate,
    "mean_absolute_error": MeanAbsoluteError,
    "mean_squared_error": MeanSquaredError,
    "root_mean_squared_error": RootMeanSquaredError,
    "top5_accuracy": TopKAccuracy,
}


def available_metrics():
    """The names that `resolve_metric` knows. "loss" is always measured and may be named as well."""
    return sorted([*_METRICS, "loss"])


def resolve_metric(metric):
    """A `Metric` from a name, a `Metric` (as it is), or a callable.

    Raises:
        ArgumentError: the name isn't known, or it is none of these things.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        if metric in _METRICS:
            return _METRICS[metric]()
        close = difflib.get_close_matches(metric, available_metrics(), 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ArgumentError(f"metrics: {metric!r} is not one of {', '.join(available_metrics())}{hint}")
    if callable(metric):
        return FunctionMetric(metric)
    raise ArgumentError(f"metrics: expected a name, a Metric or a callable, not {metric!r}")


def resolve_metrics(metrics):
    """The metrics of a trainer, the average loss first. Raises ArgumentError when two have one name."""
    asked = [metrics] if isinstance(metrics, (str, Metric)) or callable(metrics) else list(metrics)
    resolved = [LossAverage(), *[resolve_metric(metric) for metric in asked if metric != "loss"]]
    names = [metric.name for metric in resolved]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArgumentError(f"metrics: two metrics are named {twice[0]!r}")
    return resolved


def fresh(metrics):
    """Copies of metrics that have seen nothing."""
    copies = [copy.deepcopy(metric) for metric in metrics]
    for metric in copies:
        metric.reset()
    return copies


def _array(value):
    return value.data if isinstance(value, Tensor) else backend.as_array(value)


def _number(array):
    """The only element as a Python number; on a GPU the array itself, which nobody waits for."""
    return array if backend.is_on_gpu(array) else array.item()


def _fetched(number):
    """A number that may still be on a GPU as a Python number."""
    return number.item() if hasattr(number, "item") else number


def _scores_and_labels(metric, output, target):
    """Scores (..., C) and integer labels (...) as arrays."""
    scores, labels = _array(getattr(output, "scores", output)), _array(target)
    if labels.ndim and labels.shape == scores.shape:
        labels = labels.argmax(axis=-1)
    if not scores.ndim or labels.shape != scores.shape[:-1]:
        raise ShapeError(
            f"{metric}: target has shape {labels.shape} but output of shape {scores.shape} needs labels of "
            f"shape {scores.shape[:-1]} or one-hot targets of shape {scores.shape}"
        )
    if labels.dtype.kind not in "iub":
        raise ArgumentError(f"{metric}: labels must be integers, not {labels.dtype}")
    return scores, labels.astype(np.int64, copy=False)


def _same_shape(metric, output, target):
    """Output and target as arrays of one shape."""
    predictions, wanted = _array(output), _array(target)
    if predictions.shape != wanted.shape:
        if _without_ones(predictions.shape) != _without_ones(wanted.shape):
            raise ShapeError(f"{metric}: target has shape {wanted.shape} but output {predictions.shape}")
        wanted = wanted.reshape(predictions.shape)
    return predictions, wanted


def _without_ones(shape):
    return tuple(size for size in shape if size != 1)
