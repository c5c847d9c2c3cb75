"""Named arrays on disk, in safetensors format: a JSON header and raw numbers, nothing that can run.

A file is written beside its destination, flushed to disk and renamed, so that a crash at any moment leaves
the previous file whole. Damaged and hostile files are refused before any memory is taken for their content.
"""

import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from tinynet.backend import to_numpy
from tinynet.errors import ArgumentError, CheckpointError, DTypeError

__all__ = ["load_tensors", "save_tensors"]

_DTYPES = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I8": np.int8,
    "U16": np.uint16,
    "I16": np.int16,
    "U32": np.uint32,
    "I32": np.int32,
    "U64": np.uint64,
    "I64": np.int64,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
}
_KNOWN = frozenset(map(np.dtype, _DTYPES.values()))
_LENGTH_BYTES = 8


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


def load_tensors(path):
    """Reads what `save_tensors` wrote.

    Returns:
        (arrays, metadata): a dictionary of NumPy arrays, which share no memory with the file, and a
        dictionary of texts.

    Raises:
        CheckpointError: the file is missing, damaged, or holds a dtype that NumPy does not have; the
            message names the file and what is wrong with it.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    _check_file(path)
    try:
        with safe_open(path, framework="np") as file:
            names = list(file.keys())
            for name in names:
                _check_dtype(path, name, file.get_slice(name).get_dtype())
            arrays = {name: _owned(file.get_tensor(name)) for name in names}
            return arrays, dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"load: {path} is damaged: {error}") from error


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


def _owned(array):
    return array if array.flags.owndata and array.flags.writeable else array.copy()


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


def _check_file(path):
    """Refuses what is not a regular file with room for the header that it announces."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise CheckpointError(f"load: {path} is {kind}")
        with open(path, "rb") as file:
            start = file.read(_LENGTH_BYTES)
    except FileNotFoundError:
        raise CheckpointError(f"load: {path} does not exist") from None
    except OSError as error:
        raise CheckpointError(f"load: {path} cannot be read: {error.strerror}") from error
    if len(start) < _LENGTH_BYTES:
        raise CheckpointError(
            f"load: {path} is damaged: its {status.st_size} bytes are too few for a safetensors file"
        )
    announced = int.from_bytes(start, "little")
    if announced > status.st_size - _LENGTH_BYTES:
        raise CheckpointError(
            f"load: {path} is damaged: it announces a header of {announced} bytes but has only "
            f"{status.st_size - _LENGTH_BYTES} after the announcement"
        )


def _check_dtype(path, name, dtype):
    if dtype not in _DTYPES:
        raise CheckpointError(
            f"load: {path} holds {name} in dtype {dtype}, which NumPy does not have; known are "
            f"{', '.join(_DTYPES)}"
        )
