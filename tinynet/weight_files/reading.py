"""One function for all formats, which are told apart by how their files begin, not by their names."""

import zipfile
from pathlib import Path

from tinynet.errors import ArgumentError, CheckpointError
from tinynet.weight_files.contents import WeightFile, check_is_file, damaged

__all__ = ["read_weights"]

FORMATS = (
    "safetensors, npz, PyTorch state dicts (zip and legacy), Keras HDF5 and TensorFlow.js layers-models "
    "(model.json)"
)
HDF5_START = b"\x89HDF\r\n\x1a\n"
ZIP_START = b"PK\x03\x04"
PICKLE_START = b"\x80"
NEWEST_PICKLE_PROTOCOL = 5
GIT_LFS_START = b"version https://git-lfs"
TAR_MARK, TAR_MARK_AT = b"ustar", 257


def read_weights(path, entry=None) -> WeightFile:
    """Reads a file of weights of any of the known formats; the file itself tells which.

    Args:
        path: the file; for TensorFlow.js ``model.json`` or its folder.
        entry: for PyTorch files with several state dicts, the key of the one to read.

    Returns:
        A `WeightFile`: names and axes are those of the file.

    Raises:
        CheckpointError: the file is missing, damaged, hostile, or of no known format.
        ArgumentError: `entry` is given for a file that has no entries.
        MissingExtraError: the format needs a package that isn't installed.
    """
    path = Path(path)
    name = _recognize(path)
    if name == "zipped PyTorch":
        from tinynet.weight_files.pytorch import read_zipped_pytorch

        return read_zipped_pytorch(path, entry)
    if name == "legacy PyTorch":
        from tinynet.weight_files.pytorch import read_legacy_pytorch

        return read_legacy_pytorch(path, entry)
    if entry is not None:
        raise ArgumentError(f"read_weights: {path} is {name} and has no entry {entry!r}")
    return _reader(name)(path)


def _reader(name):
    if name == "npz":
        from tinynet.weight_files.npz import read_npz

        return read_npz
    if name == "Keras":
        from tinynet.weight_files.keras import read_keras

        return read_keras
    if name == "TensorFlow.js":
        from tinynet.weight_files.tensorflowjs import read_tensorflowjs

        return read_tensorflowjs
    from tinynet.weight_files.safetensors_file import read_safetensors

    return read_safetensors


def _recognize(path):
    if path.is_dir() or path.suffix == ".json":
        return "TensorFlow.js"
    check_is_file(path)
    try:
        with open(path, "rb") as file:
            start = file.read(TAR_MARK_AT + len(TAR_MARK))
    except OSError as error:
        raise CheckpointError(f"load: {path} cannot be read: {error.strerror}") from error
    if path.suffix == ".safetensors" or start[8:9] == b"{":
        return "safetensors"
    if start.startswith(HDF5_START):
        return "Keras"
    if start.startswith(ZIP_START):
        return _recognize_zip(path)
    if start.startswith(PICKLE_START) and start[1:2] <= bytes([NEWEST_PICKLE_PROTOCOL]):
        return "legacy PyTorch"
    raise CheckpointError(f"load: {path} {_what_it_may_be(start)}; known are {FORMATS}")


def _recognize_zip(path):
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception as error:
        raise damaged(path, error or type(error).__name__) from error
    if all(name.endswith(".npy") for name in names):
        return "npz"
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return "zipped PyTorch"
    raise CheckpointError(
        f"load: {path} is a zip archive, but neither npz nor of PyTorch; known are {FORMATS}"
    )


def _what_it_may_be(start):
    if start.startswith(GIT_LFS_START):
        return "is only a pointer of Git LFS to the weights"
    if start[TAR_MARK_AT:] == TAR_MARK:
        return "is a tar archive, perhaps of PyTorch before 0.1.10"
    return "has no known format" if start else "is damaged: it is empty"
