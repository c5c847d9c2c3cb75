"""Reading pickled arrays, bytes, numbers, lists and dictionaries without running what a pickle says."""

import io

from tinynet.errors import DataError
from tinynet.pickles.arrays import NUMPY_NAMES, PickledArray
from tinynet.pickles.machine import PickleError, read_pickle

__all__ = ["load_array_pickle"]


def load_array_pickle(data, name):
    """Reads a pickle of plain data and arrays, as Python 2 wrote them (protocol 2), or a later Python.

    Args:
        data: the pickle, bytes.
        name: what error messages call it.

    Returns:
        The object; strings of Python 2 are `bytes`, arrays read-only. Arrays are found as values of the
        outermost dictionary only.

    Raises:
        DataError: the pickle is damaged, or wants anything but plain data.
    """
    try:
        found = read_pickle(io.BytesIO(data), NUMPY_NAMES, byte_strings=True, max_bytes=len(data))
    except PickleError as error:
        raise DataError(f"{name}: not a pickle of plain data and arrays: {error}") from error
    if isinstance(found, dict):
        return {
            key: value.array if isinstance(value, PickledArray) else value for key, value in found.items()
        }
    return found
