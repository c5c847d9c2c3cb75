"""safetensors: a JSON header and raw numbers. Damaged files are refused before memory is taken."""

from pathlib import Path

import numpy as np

from tinynet.errors import CheckpointError
from tinynet.weight_files.contents import WeightFile, check_is_file, damaged

__all__ = ["DTYPES", "load_tensors", "read_safetensors"]

DTYPES = {
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
LENGTH_BYTES = 8


def read_safetensors(path):
    """The content of a safetensors file as a `WeightFile`; errors as in `load_tensors`."""
    arrays, metadata = load_tensors(path)
    return WeightFile(Path(path), "safetensors", arrays, metadata)


def load_tensors(path):
    """Reads named arrays and texts from a safetensors file.

    Returns:
        (arrays, metadata): a dictionary of NumPy arrays, which share no memory with the file, and a
        dictionary of texts.

    Raises:
        CheckpointError: the file is missing, damaged, or holds a dtype that NumPy does not have; the
            message names the file and what is wrong with it.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    _check_header_length(path)
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
        raise damaged(path, error) from error


def _owned(array):
    return array if array.flags.owndata and array.flags.writeable else array.copy()


def _check_header_length(path):
    """Refuses a file without room for the header that it announces."""
    size = check_is_file(path)
    try:
        with open(path, "rb") as file:
            start = file.read(LENGTH_BYTES)
    except OSError as error:
        raise CheckpointError(f"load: {path} cannot be read: {error.strerror}") from error
    if len(start) < LENGTH_BYTES:
        raise damaged(path, f"its {size} bytes are too few for a safetensors file")
    announced = int.from_bytes(start, "little")
    if announced > size - LENGTH_BYTES:
        raise damaged(
            path,
            f"it announces a header of {announced} bytes but has only {size - LENGTH_BYTES} after the "
            "announcement",
        )


def _check_dtype(path, name, dtype):
    if dtype not in DTYPES:
        raise CheckpointError(
            f"load: {path} holds {name} in dtype {dtype}, which NumPy does not have; known are "
            f"{', '.join(DTYPES)}"
        )
