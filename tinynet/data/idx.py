"""The IDX file format of MNIST: a header with dtype and dimensions, then the numbers, big-endian.

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits" (its format notes).
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from tinynet.errors import ArgumentError, DataError, DTypeError

__all__ = ["read_idx", "write_idx"]

CHUNK = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
MAX_DIMENSIONS = 8
# Deflate cannot pack more than about this many bytes into one.
MAX_DEFLATE_RATIO = 1032

DTYPES = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(np.int16),
    0x0C: np.dtype(np.int32),
    0x0D: np.dtype(np.float32),
    0x0E: np.dtype(np.float64),
}
CODES = {dtype: code for code, dtype in DTYPES.items()}


def read_idx(path, max_bytes=1 << 31):
    """Reads an IDX file, plain or compressed with gzip.

    The header is not trusted: memory is taken only for bytes that the file really holds, and a file
    that cannot hold what it announces is refused before anything is read.

    Args:
        path: the file.
        max_bytes: the most bytes of numbers that are accepted.

    Returns:
        An array of the announced shape and dtype (uint8, int8, int16, int32, float32 or float64), in
        the machine's byte order.

    Raises:
        DataError: the file is no IDX file, is damaged, announces more than `max_bytes`, or holds fewer
            or more bytes than it announces. The message names the file, what was expected and what found.
        OSError: the file cannot be read.
    """
    path = Path(path)
    with open(path, "rb") as raw:
        compressed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        length = os.fstat(raw.fileno()).st_size
        stream = gzip.GzipFile(fileobj=raw) if compressed else raw
        try:
            dtype, shape, header_length = _read_header(stream, path)
            expected = math.prod(shape) * dtype.itemsize
            _check_size(path, shape, dtype, expected, max_bytes)
            if compressed:
                possible = length * MAX_DEFLATE_RATIO
                if expected > possible:
                    raise _wrong_size(path, shape, dtype, expected, f"at most {possible:,}")
            elif expected != length - header_length:
                raise _wrong_size(path, shape, dtype, expected, f"{length - header_length:,}")
            data = _read_exactly(stream, path, shape, dtype, expected)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path}: damaged gzip file: {error}") from error
    array = np.frombuffer(data, dtype=dtype.newbyteorder(">")).reshape(shape)
    return array.astype(dtype, copy=False)


def _read_header(stream, path):
    magic = stream.read(4)
    if len(magic) < 4:
        raise DataError(f"{path}: not an IDX file: expected a header of 4 bytes, found {len(magic)}")
    zeros, code, dimensions = struct.unpack(">HBB", magic)
    if zeros != 0 or code not in DTYPES:
        codes = ", ".join(f"0x{known:02x}" for known in DTYPES)
        raise DataError(
            f"{path}: not an IDX file: expected the bytes 00 00, a type of {codes} and the number of "
            f"dimensions, found {magic.hex(' ')}"
        )
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise DataError(f"{path}: expected 1 to {MAX_DIMENSIONS} dimensions, found {dimensions}")
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DataError(
            f"{path}: expected {4 * dimensions} bytes with {dimensions} dimensions, found {len(sizes)}"
        )
    return DTYPES[code], struct.unpack(f">{dimensions}I", sizes), 4 + len(sizes)


def _check_size(path, shape, dtype, expected, max_bytes):
    if expected > max_bytes:
        raise DataError(
            f"{path}: the header announces {expected:,} bytes (shape {shape}, {dtype}); "
            f"at most {max_bytes:,} are accepted"
        )


def _read_exactly(stream, path, shape, dtype, expected):
    data = bytearray()
    while len(data) < expected:
        chunk = stream.read(min(CHUNK, expected - len(data)))
        if not chunk:
            raise _wrong_size(path, shape, dtype, expected, f"{len(data):,}")
        data += chunk
    if stream.read(1):
        raise _wrong_size(path, shape, dtype, expected, f"at least {expected + 1:,}")
    return data


def _wrong_size(path, shape, dtype, expected, found):
    return DataError(
        f"{path}: expected {expected:,} bytes after the header (shape {shape}, {dtype}), found {found}"
    )


def write_idx(path, array):
    """Writes an array as an IDX file, compressed when the name ends in ``.gz``.

    The file appears under its name only when it is complete. Equal arrays give equal files.

    Args:
        path: the file.
        array: 1 to 8 axes; uint8, int8, int16, int32, float32 or float64.

    Raises:
        DTypeError: IDX has no such dtype.
        ArgumentError: IDX cannot hold an array of this shape.
    """
    path = Path(path)
    array = np.asarray(array)
    dtype = array.dtype.newbyteorder("=")
    if dtype not in CODES:
        known = ", ".join(str(one) for one in CODES)
        raise DTypeError(f"write_idx: array has dtype {array.dtype}; the format knows {known}")
    if not 1 <= array.ndim <= MAX_DIMENSIONS or max(array.shape) >= 1 << 32:
        raise ArgumentError(
            f"write_idx: array has shape {array.shape}; the format takes 1 to {MAX_DIMENSIONS} axes "
            "shorter than 2**32"
        )
    header = struct.pack(f">HBB{array.ndim}I", 0, CODES[dtype], array.ndim, *array.shape)
    data = header + array.astype(dtype.newbyteorder(">")).tobytes()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(data)
    os.replace(unfinished, path)
