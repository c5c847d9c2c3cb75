"""Making one batch: drawing its samples, transforming them, and putting them together."""

import numpy as np

from tinynet.data.datasets import Dataset, draw, is_batched, sample_rng
from tinynet.errors import ShapeError, TinynetError

__all__ = ["BatchMaker", "LoadingError", "default_collate"]


class LoadingError(TinynetError, RuntimeError):
    """A batch could not be made. The message names the sample and the error at fault.

    Attributes:
        traceback_text: where the original error arose, as text, when that was in a worker process.
    """

    traceback_text = None


class BatchMaker:
    """Makes batches from the indices of their samples. The same arguments make the same batch anywhere.

    Args:
        dataset: what the samples are drawn from.
        transform: ``transform(x, rng)`` for the first element of each sample, or None.
        collate: turns a list of samples into a batch, or None for `default_collate`.
        seed: where all randomness of the samples comes from, together with epoch and index.
    """

    def __init__(self, dataset, transform, collate, seed):
        self.dataset = dataset
        self.transform = transform
        self.collate = collate
        self.seed = seed

    def __call__(self, epoch, indices):
        """The batch of the samples at `indices`: a tuple of arrays, or what `collate` returns.

        Raises:
            LoadingError: a sample, or putting the batch together, failed.
        """
        batch = self._whole_batch(indices)
        if batch is not NotImplemented:
            return batch
        samples = [self._sample(epoch, int(index)) for index in indices]
        try:
            return (self.collate or default_collate)(samples)
        except Exception as error:
            places = ", ".join(str(index) for index in indices)
            raise LoadingError(
                f"DataLoader: the samples {places} do not make a batch: {_describe(error)}"
            ) from error

    def _whole_batch(self, indices):
        """The batch without looking at single samples, or NotImplemented where that cannot be done."""
        whole = self.collate is None and is_batched(self.transform) and isinstance(self.dataset, Dataset)
        if not whole:
            return NotImplemented
        try:
            batch = self.dataset.batch(indices)
            if batch is NotImplemented or self.transform is None:
                return batch
            first, *others = batch
            return self.transform(first, None), *others
        except Exception:
            # One by one, the samples show which of them is at fault.
            return NotImplemented

    def _sample(self, epoch, index):
        try:
            rng = sample_rng(self.seed, epoch, index)
            sample = draw(self.dataset, index, rng)
            if self.transform is None:
                return sample
            if not isinstance(sample, tuple):
                return self.transform(sample, rng)
            first, *others = sample
            return self.transform(first, rng), *others
        except Exception as error:
            raise LoadingError(
                f"DataLoader: sample {index} in epoch {epoch} failed: {_describe(error)}"
            ) from error


def _describe(error):
    return f"{type(error).__name__}: {error}"


def default_collate(samples):
    """Stacks each element of the samples along a new first axis.

    Args:
        samples: a list of N tuples, or of N single elements. Elements are arrays or numbers.

    Returns:
        A tuple of arrays of length N. Python floats become float32, Python integers int64.

    Raises:
        ShapeError: the samples differ in how many elements they have, or elements differ in shape.
    """
    rows = [sample if isinstance(sample, tuple) else (sample,) for sample in samples]
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise ShapeError(f"collate: samples have different numbers of elements: {sorted(lengths)}")
    return tuple(_stack(column, number) for number, column in enumerate(zip(*rows, strict=True)))


def _stack(elements, number):
    if isinstance(elements[0], float) and not isinstance(elements[0], np.generic):
        return np.array(elements, dtype=np.float32)
    arrays = [np.asarray(element) for element in elements]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise ShapeError(
            f"collate: element {number} has different shapes: {', '.join(map(str, shapes))}; "
            "resize or pad, or give the loader a collate function"
        )
    return np.stack(arrays)
