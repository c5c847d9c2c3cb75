"""Noticing that a loss isn't finite, without waiting for the GPU at every batch."""

import math

from tinynet.backend import array_module, is_on_gpu, to_numpy
from tinynet.errors import AnomalyError

__all__ = ["LossWatch", "require_finite"]

_MOST_PENDING = 256  # losses: more would take memory on the GPU for nothing


class LossWatch:
    """Keeps losses that are on a GPU, until it is time to look at them all at once."""

    def __init__(self):
        self._pending = []

    def note(self, loss, place):
        """Takes the loss of a batch, an array of one element, and in words which batch that was.

        Raises:
            AnomalyError: it isn't finite; for a loss on a GPU this is raised by a later call or by `look`.
        """
        if not is_on_gpu(loss):
            require_finite(loss.item(), place)
            return
        self._pending.append((loss.reshape(()), place))
        if len(self._pending) >= _MOST_PENDING:
            self.look()

    def look(self):
        """Raises AnomalyError, naming the first batch, if one of the losses noted isn't finite. May wait."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        arrays = [loss for loss, _ in pending]
        values = to_numpy(array_module(arrays[0]).stack(arrays)).tolist()
        for value, (_, place) in zip(values, pending, strict=True):
            require_finite(value, place)


def require_finite(value, place):
    """Raises AnomalyError unless the loss of the batch at this place is finite."""
    if not math.isfinite(value):
        raise AnomalyError(
            f"fit: the loss is {value} in {place}; lower the learning rate, clip the gradients, or find "
            "the operation with detect_anomaly()"
        )
