"""Data sets: things with a length that give one sample, a tuple of arrays, for each index.

A transform is a callable ``transform(x, rng)`` for the first element of a sample, the input. All its
randomness comes from ``rng``, which is made from a seed, the epoch and the index of the sample, so that
a sample is the same whoever loads it, in whatever order. A transform without randomness that gives for a
batch what it gives for each sample says so with an attribute ``batched = True``; it is then called once
for a batch, with None as ``rng``.
"""

import bisect
import itertools
import math
import operator

import numpy as np

from tinynet.errors import ArgumentError, ShapeError

__all__ = [
    "ArrayDataset",
    "ConcatDataset",
    "Dataset",
    "MapDataset",
    "Subset",
    "is_batched",
    "random_split",
    "sample_rng",
]


def sample_rng(seed, epoch, index):
    """The random generator of one sample in one epoch."""
    # The index is a spawn key since a SeedSequence cannot tell (seed, epoch) from (seed, epoch, 0).
    return np.random.default_rng(np.random.SeedSequence((seed, epoch), spawn_key=(index,)))


def check_index(index, length):
    """The index as an int of at least 0. Raises IndexError when it is outside a data set of this length."""
    index = operator.index(index)
    if not -length <= index < length:
        raise IndexError(f"sample {index} of a data set of {length}")
    return index % length


def is_batched(transform):
    """Whether a transform (or None, that is, no transform) can be given a whole batch."""
    return transform is None or getattr(transform, "batched", False)


class Dataset:
    """Base of the data sets. Other objects with ``__len__`` and ``__getitem__`` serve as well.

    A subclass defines ``__len__`` and `sample`; one without randomness may define ``__getitem__`` alone
    in place of `sample`.
    """

    def __len__(self):
        raise NotImplementedError(f"{type(self).__name__} does not define __len__")

    def __getitem__(self, index):
        """The sample as it is in epoch 0 of a loader with seed 0."""
        if type(self).sample is Dataset.sample:
            raise NotImplementedError(f"{type(self).__name__} defines neither sample nor __getitem__")
        index = check_index(index, len(self))
        return self.sample(index, sample_rng(0, 0, index))

    def sample(self, index, rng):
        """One sample, its randomness drawn from `rng`.

        Args:
            index: an integer from 0 to ``len(self) - 1``.
            rng: a `numpy.random.Generator`.
        """
        return self[index]

    def batch(self, indices):
        """Many samples at once, as a tuple with each element stacked along a new first axis.

        NotImplemented where samples have to be taken one by one, which is what this definition says.
        """
        return NotImplemented


def draw(dataset, index, rng):
    """One sample of any data set, with the randomness of `rng` where it has use for it."""
    if isinstance(dataset, Dataset):
        return dataset.sample(index, rng)
    return dataset[index]


class ArrayDataset(Dataset):
    """Samples that are the rows of arrays: sample ``i`` is ``(a[i], b[i], …)``.

    Args:
        arrays: one or more arrays of the same length N; NumPy arrays are not copied.
        transform: ``transform(x, rng)`` for the row of the first array.

    Raises:
        ShapeError: the arrays have different lengths.
    """

    def __init__(self, *arrays, transform=None):
        if not arrays:
            raise ArgumentError("ArrayDataset: at least one array is needed")
        self.arrays = tuple(np.asarray(array) for array in arrays)
        self.transform = transform
        shapes = [array.shape for array in self.arrays]
        if not all(shapes) or len({shape[0] for shape in shapes}) > 1:
            raise ShapeError(f"ArrayDataset: the arrays need the same length on axis 0, not shapes {shapes}")

    def __len__(self):
        return len(self.arrays[0])

    def sample(self, index, rng):
        first, *others = (array[index] for array in self.arrays)
        if self.transform is not None:
            first = self.transform(first, rng)
        return first, *others

    def batch(self, indices):
        if not is_batched(self.transform):
            return NotImplemented
        first, *others = (array[indices] for array in self.arrays)
        if self.transform is not None:
            first = self.transform(first, None)
        return first, *others


class Subset(Dataset):
    """The samples of a data set at the given indices, in that order.

    Raises:
        IndexError: an index is outside the data set.
    """

    def __init__(self, dataset, indices):
        self.dataset = dataset
        length = len(dataset)
        self.indices = np.array([check_index(index, length) for index in indices], dtype=np.int64)

    def __len__(self):
        return len(self.indices)

    def sample(self, index, rng):
        return draw(self.dataset, int(self.indices[index]), rng)

    def batch(self, indices):
        if not isinstance(self.dataset, Dataset):
            return NotImplemented
        return self.dataset.batch(self.indices[indices])


class ConcatDataset(Dataset):
    """The samples of several data sets, one after the other."""

    def __init__(self, *datasets):
        if not datasets:
            raise ArgumentError("ConcatDataset: at least one data set is needed")
        self.datasets = datasets
        self._ends = list(itertools.accumulate(len(dataset) for dataset in datasets))

    def __len__(self):
        return self._ends[-1]

    def sample(self, index, rng):
        which = bisect.bisect_right(self._ends, index)
        start = self._ends[which - 1] if which else 0
        return draw(self.datasets[which], index - start, rng)


class MapDataset(Dataset):
    """A data set whose samples went through a function: ``function(*sample)`` gives the new sample."""

    def __init__(self, dataset, function):
        self.dataset = dataset
        self.function = function

    def __len__(self):
        return len(self.dataset)

    def sample(self, index, rng):
        sample = draw(self.dataset, index, rng)
        return self.function(*sample) if isinstance(sample, tuple) else self.function(sample)


def random_split(dataset, parts, seed=0):
    """Splits a data set at random into disjoint subsets.

    Args:
        dataset: the data set, of length N.
        parts: lengths (integers with the sum N) or fractions (floats with the sum 1). Lengths made from
            fractions are rounded down, and what remains goes to the first parts, one sample each.
        seed: the seed of the random order.

    Returns:
        A list with one `Subset` for each part.

    Raises:
        ArgumentError: the parts don't add up.
    """
    lengths = _part_lengths(len(dataset), list(parts))
    order = np.random.default_rng(seed).permutation(len(dataset))
    ends = list(itertools.accumulate(lengths))
    return [Subset(dataset, order[end - length : end]) for length, end in zip(lengths, ends, strict=True)]


def _part_lengths(total, parts):
    if any(part < 0 for part in parts):
        raise ArgumentError(f"random_split: parts must not be negative: {parts}")
    if any(isinstance(part, float) for part in parts):
        if not math.isclose(sum(parts), 1.0, abs_tol=1e-9):
            raise ArgumentError(f"random_split: fractions {parts} add up to {sum(parts)}, not to 1")
        # The tolerance keeps 0.1 + 0.2 + … from losing a sample to rounding.
        lengths = [math.floor(part * total + 1e-6) for part in parts]
        for extra in range(total - sum(lengths)):
            lengths[extra % len(lengths)] += 1
        return lengths
    if sum(parts) != total:
        raise ArgumentError(f"random_split: lengths {parts} add up to {sum(parts)}, not to {total}")
    return parts
