"""TensorFlow.js layers-models: ``model.json``, which lists the weights, and files of raw numbers beside it.

Weights may be quantised: whole numbers q of 8 or 16 bits for q · scale + min, or floats of 16 bits.
"""

import json
import math
from pathlib import Path

import numpy as np

from tinynet.errors import CheckpointError
from tinynet.weight_files.contents import WeightFile, check_is_file, damaged

__all__ = ["read_tensorflowjs"]

FILE_NAME = "model.json"
MAX_JSON_BYTES = 1 << 26
DTYPES = {"float32": "<f4", "int32": "<i4", "uint8": "u1", "bool": "?"}
QUANTIZED_DTYPES = {"uint8": "u1", "uint16": "<u2", "float16": "<f2"}
TEXTS = ("format", "generatedBy", "convertedBy")


def read_tensorflowjs(path):
    """The weights, under the names that the manifest gives them, for example ``"conv1/kernel"``.

    Args:
        path: of ``model.json``, or the folder that it lies in.

    Raises:
        CheckpointError: a file is missing or damaged, lies outside of the folder, or holds something other
            than numbers.
    """
    path = path / FILE_NAME if path.is_dir() else path
    model = _read_json(path)
    groups = model["weightsManifest"] if isinstance(model, dict) and "weightsManifest" in model else model
    if not isinstance(groups, list):
        raise damaged(path, "it has no manifest of weights")
    arrays: dict[str, np.ndarray] = {}
    read: set[Path] = set()
    try:
        for group in groups:
            weights = [_Weight(weight) for weight in group["weights"]]
            expected = sum(weight.size for weight in weights)
            content = memoryview(_read_shards(path, group["paths"], expected, read))
            for weight in weights:
                if weight.name in arrays:
                    raise damaged(path, f"two weights are named {weight.name}")
                arrays[weight.name] = weight.array(content[: weight.size])
                content = content[weight.size :]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise damaged(path, f"its manifest of weights: {type(error).__name__}: {error}") from error
    metadata = {name: model[name] for name in TEXTS if isinstance(model, dict) and model.get(name)}
    return WeightFile(path, "tensorflowjs", arrays, metadata)


def _read_json(path):
    if check_is_file(path) > MAX_JSON_BYTES:
        raise CheckpointError(f"load: {path} is refused: it has more than {MAX_JSON_BYTES:,} bytes")
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, f"no JSON: {error}") from error


def _read_shards(path, names, expected, read):
    """All shards of a group in one; they must have exactly the expected number of bytes.

    A shard is read once only: `read` collects them. Else a small folder could fill the memory.
    """
    folder = path.parent.resolve()
    shards = []
    for name in names:
        shard = (folder / name).resolve()
        if not shard.is_relative_to(folder):
            raise CheckpointError(f"load: {path} is refused: it points to {name!r}, outside of its folder")
        if shard in read:
            raise damaged(path, f"it lists {name} twice")
        read.add(shard)
        shards.append(shard)
    sizes = [check_is_file(shard) for shard in shards]
    if sum(sizes) != expected:
        raise damaged(
            path, f"{', '.join(names)}: {sum(sizes):,} bytes, but the weights in it take {expected:,}"
        )
    return b"".join(shard.read_bytes() for shard in shards)


class _Weight:
    """An entry of the manifest."""

    def __init__(self, entry):
        self.name, self.shape = str(entry["name"]), tuple(entry["shape"])
        if not all(type(length) is int and length >= 0 for length in self.shape):
            raise ValueError(f"{self.name} has the shape {self.shape}")
        self.quantization = entry.get("quantization")
        known, dtype = DTYPES, entry["dtype"]
        if self.quantization is not None:
            known, dtype = QUANTIZED_DTYPES, self.quantization["dtype"]
        if dtype not in known:
            raise ValueError(f"{self.name} has dtype {dtype!r}; known are {', '.join(known)}")
        self.dtype = np.dtype(known[dtype])
        self.size = math.prod(self.shape) * self.dtype.itemsize

    def array(self, content):
        """(*shape), with quantised numbers as float32."""
        stored = np.frombuffer(bytearray(content), self.dtype).reshape(self.shape)
        stored = stored.astype(self.dtype.newbyteorder("="), copy=False)
        if self.quantization is None:
            return stored
        if self.dtype.kind == "f":
            return stored.astype(np.float32)
        scale, least = float(self.quantization["scale"]), float(self.quantization["min"])
        return (stored * scale + least).astype(np.float32)
