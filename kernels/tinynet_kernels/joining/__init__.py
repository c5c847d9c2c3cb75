"""Joining arrays along an axis, and taking the result apart again.

Before the axis, all arrays have the same shape; from the axis on, the elements of each lie side by side. So
joining is copying rows: row r of the result is row r of the first array, then row r of the second, and so on.
"""

from itertools import accumulate

from tinynet_kernels.dispatch import FLOATS, Family

__all__ = ["join", "split"]

_family = Family(__name__, gpu=FLOATS)


def join(arrays, axis):
    """Arrays (..., size, ...), alike but for their sizes along `axis` ≥ 0, as one: NumPy's concatenate.

    Raises:
        ValueError: there is no array or no such axis, or dtypes or other sizes differ.
    """
    if not arrays:
        raise ValueError("joining.join: at least one array is needed")
    first = arrays[0]
    _check_axis("join", first, axis)
    for index, array in enumerate(arrays):
        if array.ndim != first.ndim or _without(array.shape, axis) != _without(first.shape, axis):
            raise ValueError(
                f"joining.join: array {index} has shape {array.shape}, but array 0 has {first.shape}; only "
                f"axis {axis} may differ"
            )
        if array.dtype != first.dtype:
            raise ValueError(f"joining.join: array {index} is {array.dtype} but array 0 is {first.dtype}")
    return _family.take(*arrays).join(arrays, axis)


def split(whole, sizes, axis):
    """Cuts an array along `axis` ≥ 0 into parts of these sizes, the reverse of `join`.

    Returns:
        A list of arrays, which may share their memory with `whole`.

    Raises:
        ValueError: there is no such axis, or the sizes don't add up to its length.
    """
    _check_axis("split", whole, axis)
    if sum(sizes) != whole.shape[axis]:
        raise ValueError(
            f"joining.split: sizes {tuple(sizes)} add up to {sum(sizes)}, but axis {axis} of `whole` (shape "
            f"{whole.shape}) has {whole.shape[axis]}"
        )
    ends = list(accumulate(sizes))
    front = (slice(None),) * axis
    places = [(*front, slice(end - size, end)) for size, end in zip(sizes, ends, strict=True)]
    return _family.take(whole).split(whole, places)


def _check_axis(function, array, axis):
    if not 0 <= axis < array.ndim:
        raise ValueError(f"joining.{function}: there is no axis {axis} in an array of shape {array.shape}")


def _without(shape, axis):
    return shape[:axis] + shape[axis + 1 :]
