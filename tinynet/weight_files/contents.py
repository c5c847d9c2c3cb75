"""What is read from a file of weights, and the checks that the readers share."""

import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinynet.errors import CheckpointError

__all__ = ["WeightFile", "check_is_file", "check_unpacked_size", "damaged"]

# Compressed weights shrink little; what unpacks to many times its size is made to fill memory.
ALWAYS_ACCEPTED_BYTES = 1 << 26
LARGEST_EXPANSION = 50
LAYOUTS = {"pytorch": "pytorch", "keras": "keras", "tensorflowjs": "keras"}


@dataclass(frozen=True)
class WeightFile:
    """The content of a file of weights.

    Attributes:
        path: where it lies.
        format: ``"safetensors"``, ``"npz"``, ``"pytorch"``, ``"keras"`` or ``"tensorflowjs"``.
        arrays: name → array, in the order of the file, names and axes as in the file. Arrays of a PyTorch
            file can share memory, as its tensors did.
        metadata: what else the file says about itself: numbers and texts by name.
    """

    path: Path
    format: str
    arrays: dict[str, np.ndarray]
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def layout(self):
        """Whose order of axes the format prescribes: ``"pytorch"``, ``"keras"``, or None if nobody's."""
        return LAYOUTS.get(self.format)


def damaged(path, reason):
    """The error for a file that is not what it seems to be."""
    return CheckpointError(f"load: {path} is damaged: {reason}")


def check_is_file(path):
    """Its size in bytes; an error for what is missing, a folder, or something stranger."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise CheckpointError(f"load: {path} does not exist") from None
    except OSError as error:
        raise CheckpointError(f"load: {path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise CheckpointError(f"load: {path} is {kind}")
    return status.st_size


def check_unpacked_size(path, unpacked, packed):
    """Refuses a file whose arrays take far more memory than it has bytes, before the memory is taken."""
    if unpacked > max(ALWAYS_ACCEPTED_BYTES, LARGEST_EXPANSION * packed):
        raise CheckpointError(
            f"load: {path} is refused: its {packed:,} bytes would unpack to {unpacked:,} bytes"
        )
