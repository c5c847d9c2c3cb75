"""Named arrays on disk, in safetensors format: a JSON header and raw numbers, nothing that can run.

A file is written beside its destination, flushed to disk and renamed, so that a crash at any moment leaves
the previous file whole. Reading is done by `tinynet.weight_files`.
"""

import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from tinynet.backend import to_numpy
from tinynet.errors import ArgumentError, DTypeError
from tinynet.weight_files.safetensors_file import DTYPES, load_tensors

__all__ = ["load_tensors", "save_tensors"]

_KNOWN = frozenset(map(np.dtype, DTYPES.values()))


def save_tensors(path, named_arrays, metadata=None):
    """Writes named arrays and texts to a file, all or nothing.

    Args:
        path: the file; its folder must exist.
        named_arrays: a mapping from names to tensors or arrays of any device, shape and layout.
        metadata: a mapping from texts to texts, or None.

    Raises:
        ArgumentError: a name or a metadata entry is not a text.
        DTypeError: an array has a dtype that the format or NumPy does not know.
        OSError: the file cannot be written; a previous file is left as it was.
    """
    from safetensors.numpy import save_file

    arrays = {_checked_name(name): _storable(name, array) for name, array in named_arrays.items()}
    for key, value in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ArgumentError(f"save_tensors: metadata must map text to text, not {key!r} to {value!r}")
    with _replacing(Path(os.path.realpath(path))) as temporary:
        save_file(arrays, temporary, dict(metadata or {}))


def _checked_name(name):
    if not isinstance(name, str) or name == "__metadata__":
        raise ArgumentError(f"save_tensors: {name!r} cannot be the name of an array")
    return name


def _storable(name, array):
    """The array in main memory, contiguous, in the machine's byte order."""
    array = getattr(array, "data", array) if not isinstance(array, np.ndarray) else array
    array = np.asarray(to_numpy(array), order="C")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype not in _KNOWN:
        raise DTypeError(f"save_tensors: {name} has dtype {array.dtype}, which cannot be stored")
    return array


@contextmanager
def _replacing(path):
    """Gives a temporary path in the same folder; what was written there takes the place of `path`."""
    if path.is_dir():
        raise IsADirectoryError(f"save_tensors: {path} is a folder")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        mode = _mode_of_new_file(temporary)
        yield temporary
        os.chmod(temporary, path.stat().st_mode if path.exists() else mode)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _flush_folder(path.parent)


def _mode_of_new_file(path):
    """Makes the file and tells its permissions. The library would make it readable for the owner only."""
    with open(path, "xb") as file:
        return os.fstat(file.fileno()).st_mode


def _flush_folder(folder):
    """Makes the renaming last. Systems on which a folder cannot be opened do it by themselves."""
    with suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
