"""Cross-validation: every sample is tested once, by a classifier that has not seen it."""

import copy

import numpy as np

from tinynet.errors import ArgumentError, ShapeError

__all__ = ["cross_validate", "folds_of"]


def folds_of(labels, folds=5, seed=0):
    """Cuts samples into folds in which each class has the same share, up to one sample.

    Args:
        labels: (N,) integers.
        folds: how many, at least 2.
        seed: determines which samples come into which fold.

    Returns:
        A list with a pair of int64 arrays for each fold, both sorted: the places of the samples to learn
        from, which are those of all other folds, and of the samples of this fold, to test on.

    Raises:
        ShapeError: labels are not of shape (N,).
        ArgumentError: there are fewer samples than folds, or fewer than 2 folds.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ShapeError(f"folds_of: labels should be of shape (N,), not {labels.shape}")
    if isinstance(folds, bool) or not isinstance(folds, int) or not 2 <= folds <= len(labels):
        raise ArgumentError(
            f"folds_of: folds should be an integer from 2 to the number of samples, {len(labels)}, "
            f"not {folds!r}"
        )
    # Shuffled, then sorted by class, and dealt out like cards: each fold gets its share of each class.
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    dealt = shuffled[np.argsort(labels[shuffled], kind="stable")]
    number = np.empty(len(labels), np.int64)
    number[dealt] = np.arange(len(labels)) % folds
    return [(np.flatnonzero(number != fold), np.flatnonzero(number == fold)) for fold in range(folds)]


def cross_validate(classifier, x, labels, folds=5, seed=0):
    """The accuracy on each fold of a classifier that was fitted to the other folds.

    Args:
        classifier: an object with ``fit(x, labels)`` and ``accuracy(x, labels)``, for example a
            `LogisticRegression`. It stays as it is: each fold has a copy of its own.
        x: (N, ...), an array.
        labels: (N,) integers.
        folds, seed: see `folds_of`.

    Returns:
        (folds,) float64.

    Raises:
        ShapeError: x and labels differ in length.
        ArgumentError: see `folds_of`.
    """
    x, labels = np.asarray(x), np.asarray(labels)
    if len(x) != len(labels):
        raise ShapeError(f"cross_validate: x has {len(x)} samples, but labels have {len(labels)}")
    scores = []
    for train, test in folds_of(labels, folds, seed):
        own = copy.deepcopy(classifier)
        own.fit(x[train], labels[train])
        scores.append(own.accuracy(x[test], labels[test]))
    return np.array(scores)
