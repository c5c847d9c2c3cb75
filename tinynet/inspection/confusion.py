"""Which classes are taken for which."""

import numpy as np

from tinynet.errors import ArgumentError, ShapeError
from tinynet.inspection.figures import new_figure, save_figure

__all__ = ["confusion_matrix", "confusion_picture"]


def confusion_matrix(labels, predictions, classes=None):
    """Counts, for each true class (row) and each predicted class (column), the samples.

    Args:
        labels: (N,) integers, the true classes.
        predictions: (N,) integers, the predicted classes.
        classes: the number of classes; None takes the largest class that occurs, plus one.

    Returns:
        (classes, classes), int64.

    Raises:
        ShapeError: the arrays aren't of the same shape (N,).
        ArgumentError: a class is negative, or not below `classes`.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ShapeError(
            "confusion_matrix: labels and predictions should have the same shape (N,), "
            f"not {labels.shape} and {predictions.shape}"
        )
    both = np.concatenate([labels, predictions]).astype(np.int64)
    if classes is None:
        classes = int(both.max(initial=-1)) + 1
    if both.size and (both.min() < 0 or both.max() >= classes):
        raise ArgumentError(
            f"confusion_matrix: with {classes} classes, labels and predictions go from 0 to {classes - 1}; "
            f"found {both.min()} to {both.max()}"
        )
    pairs = labels.astype(np.int64) * classes + predictions.astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def confusion_picture(path, matrix, class_names=None):
    """Draws a confusion matrix: counts in cells, shaded by the share of their true class.

    Args:
        path: the PNG file to write.
        matrix: (classes, classes) counts; see `confusion_matrix`.
        class_names: the name of each class; None shows the numbers.

    Returns:
        The path.

    Raises:
        ShapeError: the matrix isn't square.
        MissingExtraError: Matplotlib isn't installed.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ShapeError(f"confusion_picture: matrix should be square, not of shape {matrix.shape}")
    classes = len(matrix)
    class_names = class_names or [str(number) for number in range(classes)]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure = new_figure(2 + 0.5 * classes, 1.5 + 0.5 * classes)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(classes), class_names, rotation=90 if max(map(len, class_names)) > 2 else 0)
    axes.set_yticks(range(classes), class_names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return save_figure(figure, path)
