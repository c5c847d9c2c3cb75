"""From what the caller gives (arrays, a data set, a loader) to batches of tensors on the right device."""

import contextlib

import numpy as np

from tinynet import backend
from tinynet.autograd import Tensor
from tinynet.data import ArrayDataset, DataLoader, ImageSplit
from tinynet.errors import ArgumentError, ShapeError
from tinynet.training.uploads import Uploads

__all__ = ["Placement", "as_loader", "batches_between", "samples_in"]

_PIXEL_MAXIMUM = 255


def as_loader(verb, x, y=None, batch_size=32, shuffle=False, seed=0, workers=0):
    """A `DataLoader` for arrays, images with labels, a data set, or a loader, which is taken as it is.

    Args:
        verb: what is being done, for error messages.
        x: an array, tensor or list of inputs (N, ...), a data set, an `ImageSplit`, or a `DataLoader`.
        y: targets (N, ...) that go with an array; None otherwise, or where there are none.
        batch_size, shuffle, seed, workers: for the loader that is made.

    Raises:
        ShapeError: `x` and `y` have different lengths.
        ArgumentError: `y` beside a data set or loader; no samples; or `x` is nothing of the above.
    """
    if y is not None and isinstance(x, (DataLoader, ImageSplit)):
        raise ArgumentError(f"{verb}: y is given, but x is a {type(x).__name__} with targets of its own")
    if isinstance(x, DataLoader):
        loader = x
    else:
        dataset = _as_dataset(verb, x, y)
        loader = DataLoader(dataset, batch_size, shuffle=shuffle, seed=seed, workers=workers)
    if not len(loader):
        raise ArgumentError(f"{verb}: there is not a single batch in {len(loader.dataset)} samples")
    return loader


def _as_dataset(verb, x, y):
    if isinstance(x, ImageSplit):
        return x.dataset()
    if _is_array(x) or isinstance(x, list) or y is not None:
        arrays = [_as_numpy(part) for part in (x, y) if part is not None]
        if len({len(array) if array.ndim else None for array in arrays}) > 1:
            raise ShapeError(
                f"{verb}: x and y need the same length on axis 0, not shapes {arrays[0].shape} and "
                f"{arrays[1].shape}"
            )
        return ArrayDataset(*arrays)
    if hasattr(x, "__len__") and hasattr(x, "__getitem__") and not isinstance(x, (str, bytes, dict, tuple)):
        return x
    raise ArgumentError(f"{verb}: x should be an array, a data set or a DataLoader, not {type(x).__name__}")


def _is_array(x):
    marks = ("__array_interface__", "__cuda_array_interface__")
    return isinstance(x, Tensor) or any(hasattr(x, mark) for mark in marks)


def _is_of_numbers(x):
    return isinstance(x, np.ndarray) and x.dtype.kind in "fiub"


def _as_numpy(x):
    return backend.to_numpy(backend.as_array(_plain(x)))


def _plain(x):
    """The array of a tensor; anything else as it is."""
    return x.data if isinstance(x, Tensor) else x


def batches_between(loader, start, stop):
    """The batches from number `start` up to number `stop` of the endless sequence of a loader's epochs.

    Batch number ``i`` is batch ``i % len(loader)`` of epoch ``i // len(loader)``, so that a training
    epoch may be shorter or longer than one pass over the data, and can be entered anywhere.
    """
    while start < stop:
        epoch, position = divmod(start, len(loader))
        with contextlib.closing(loader.iterate(epoch, position)) as batches:
            for batch in batches:
                yield batch if isinstance(batch, tuple) else (batch,)
                start += 1
                if start == stop:
                    return


def samples_in(batch):
    """The number of samples N in a batch."""
    return len(batch[0])


class Placement:
    """Puts batches where a model is: on its device, the inputs in its dtype.

    Of each batch the first element is the input. Floating-point inputs get the dtype of the model's
    parameters. uint8 inputs are taken for pixels and become numbers from 0 to 1 in that dtype. Inputs of
    other dtypes (words, for instance), and all targets, keep theirs.
    """

    def __init__(self, model):
        parameters = [parameter for parameter in model.parameters() if parameter.dtype.kind == "f"]
        self.dtype = parameters[0].dtype if parameters else backend.default_dtype()
        self.device = parameters[0].device if parameters else backend.default_device()
        self._uploads = Uploads(self.device) if self.device.kind == "cuda" else None

    def __call__(self, batch):
        """The batch as a tuple of tensors; elements that are no arrays are passed on as they are."""
        x, *targets = self._moved(batch)
        if isinstance(x, Tensor):
            x = self._converted(x)
        return x, *targets

    def _moved(self, batch):
        """The batch with its arrays, wherever they are, as tensors on the device."""
        parts = [_plain(part) for part in batch]
        if self._uploads is not None:
            places = [index for index, part in enumerate(parts) if _is_of_numbers(part)]
            arrived = self._uploads([parts[index] for index in places])
            for index, array in zip(places, arrived, strict=True):
                parts[index] = array
        return [Tensor(backend.to_device(part, self.device)) if _is_array(part) else part for part in parts]

    def _converted(self, x):
        if x.dtype == np.uint8:
            return Tensor(x.data.astype(self.dtype) / self.dtype.type(_PIXEL_MAXIMUM))
        if x.dtype.kind == "f" and x.dtype != self.dtype:
            return Tensor(x.data.astype(self.dtype))
        return x
