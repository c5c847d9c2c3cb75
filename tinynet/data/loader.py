"""`DataLoader`: the batches of a data set, epoch after epoch, reproducible from a seed."""

import contextlib
import operator

import numpy as np

from tinynet.autograd import Tensor
from tinynet.data.batches import BatchMaker
from tinynet.errors import ArgumentError

__all__ = ["DataLoader"]


class DataLoader:
    """Iterates over a data set in batches: tuples of tensors of length N on their first axis.

    A batch is determined by the arguments, the epoch and its position, whatever the number and type of
    the workers: the order of epoch ``e`` comes from ``numpy.random.default_rng((seed, e))``, the
    randomness of a sample from seed, epoch and the sample's index.

    Args:
        dataset: anything with ``__len__`` and ``__getitem__``; see `Dataset`.
        batch_size: the number of samples N in a batch.
        shuffle: whether each epoch has its own random order.
        seed: a non-negative integer.
        drop_last: whether a last batch of fewer samples is left out.
        transform: ``transform(x, rng)`` for the first element of each sample, after the data set's own.
        collate: turns a list of samples into a batch; None stacks them (`default_collate`). Arrays in
            the tuple it returns become tensors, anything else is passed on.
        workers: how many threads or processes make batches ahead of time; 0 makes each when asked.
        worker_type: ``"thread"``, for work that NumPy or Pillow do without holding the interpreter, or
            ``"process"``, for Python code. Processes are started for each epoch, which costs some tenths
            of a second, and data set, transform and collate must be picklable.
        prefetch: how many batches each worker may be ahead.

    Attributes:
        epoch: the number of the epoch that the next ``iter(loader)`` goes through; counts up by itself.

    Raises:
        ArgumentError: an argument is out of its range.
        LoadingError: from iterating, a sample failed or a worker died.
    """

    def __init__(
        self,
        dataset,
        batch_size=1,
        shuffle=False,
        seed=0,
        drop_last=False,
        transform=None,
        collate=None,
        workers=0,
        worker_type="thread",
        prefetch=2,
    ):
        if worker_type not in ("thread", "process"):
            raise ArgumentError(
                f"DataLoader: worker_type should be 'thread' or 'process', not {worker_type!r}"
            )
        self.dataset = dataset
        self.batch_size = _integer("batch_size", batch_size, least=1)
        self.shuffle = shuffle
        self.seed = _integer("seed", seed, least=0)
        self.drop_last = drop_last
        self.transform = transform
        self.collate = collate
        self.workers = _integer("workers", workers, least=0)
        self.worker_type = worker_type
        self.prefetch = _integer("prefetch", prefetch, least=1)
        self.epoch = 0

    def __len__(self):
        """The number of batches in an epoch."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self):
        """The batches of the epoch that is due, which then counts as begun."""
        batches = self.iterate(self.epoch)
        self.epoch += 1
        return batches

    def iterate(self, epoch, start_batch=0):
        """The batches of one epoch from a position on; those before it are not loaded.

        Args:
            epoch: the number of the epoch. ``self.epoch`` stays as it is.
            start_batch: the position of the first batch, from 0 to ``len(self)``.

        Returns:
            A generator of batches. Its workers end when it is exhausted or closed, which happens at the
            latest when nothing refers to it any more: after ``break``, for example.
        """
        epoch = _integer("epoch", epoch, least=0)
        start_batch = _integer("start_batch", start_batch, least=0)
        if start_batch > len(self):
            raise ArgumentError(f"DataLoader: start_batch is {start_batch}, an epoch has {len(self)} batches")
        return self._batches(epoch, start_batch)

    def _batches(self, epoch, start_batch):
        make_batch = BatchMaker(self.dataset, self.transform, self.collate, self.seed)
        tasks = self._tasks(epoch, start_batch)
        if self.workers == 0:
            made = (make_batch(*task) for task in tasks)
        else:
            from tinynet.data import workers

            run = workers.in_threads if self.worker_type == "thread" else workers.in_processes
            made = run(make_batch, tasks, self.workers, self.workers * self.prefetch)
        with contextlib.closing(made):
            for batch in made:
                yield _to_tensors(batch)

    def _tasks(self, epoch, start_batch):
        """(epoch, indices) for each batch."""
        order = self._order(epoch)
        for batch in range(start_batch, len(self)):
            yield epoch, order[batch * self.batch_size : (batch + 1) * self.batch_size]

    def _order(self, epoch):
        if self.shuffle:
            return np.random.default_rng((self.seed, epoch)).permutation(len(self.dataset))
        return np.arange(len(self.dataset))


def _to_tensors(batch):
    if isinstance(batch, tuple):
        return tuple(Tensor(part) if isinstance(part, np.ndarray) else part for part in batch)
    return batch


def _integer(name, value, least):
    try:
        number = operator.index(value)
    except TypeError:
        raise ArgumentError(f"DataLoader: {name} should be an integer, not {value!r}") from None
    if number < least:
        raise ArgumentError(f"DataLoader: {name} should be at least {least}, not {value}")
    return number
