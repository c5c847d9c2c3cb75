"""npz: a zip archive of NumPy's own files. Arrays of Python objects, which are pickles, are refused."""

import math
import zipfile

import numpy as np

from tinynet.errors import CheckpointError
from tinynet.weight_files.contents import WeightFile, check_unpacked_size, damaged

__all__ = ["read_npz"]

SUFFIX = ".npy"


def read_npz(path):
    """The arrays of a file that ``numpy.savez`` or ``numpy.savez_compressed`` wrote.

    Raises:
        CheckpointError: the file is damaged, unpacks to far more than its size, or holds something other
            than numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            check_unpacked_size(path, sum(member.file_size for member in members), path.stat().st_size)
            arrays = {
                member.filename.removesuffix(SUFFIX): _read_member(path, archive, member)
                for member in members
            }
    except CheckpointError:
        raise
    except Exception as error:  # zipfile and NumPy's header let many errors out when bytes are damaged
        raise damaged(path, error or type(error).__name__) from error
    return WeightFile(path, "npz", arrays)


def _read_member(path, archive, member):
    with archive.open(member) as file:
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[np.lib.format.read_magic(file)]
        shape, fortran, dtype = read_header(file)
        if dtype.hasobject or dtype.kind not in "biuf":
            raise CheckpointError(
                f"load: {path} is refused: {member.filename} holds {dtype}, which is no number type"
            )
        expected = math.prod(shape) * dtype.itemsize
        content = file.read()
    if len(content) != expected:
        raise damaged(
            path, f"{member.filename} of shape {shape} needs {expected:,} bytes but has {len(content):,}"
        )
    array = np.frombuffer(bytearray(content), dtype=dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)
