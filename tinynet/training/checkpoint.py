"""The checkpoint file: a nested state in one safetensors file, checked to the last bit when read.

Arrays are stored as such. All else becomes JSON in the file's metadata, in which ``{"$array": name}``
stands for an array. A SHA-256 over both finds damage that the format itself would not notice. Nothing in
the file is ever run.
"""

import hashlib
import json

import numpy as np

from tinynet import backend
from tinynet.autograd import Tensor
from tinynet.errors import ArgumentError, CheckpointError
from tinynet.nn.serialization import load_tensors, save_tensors

__all__ = ["load_checkpoint", "save_checkpoint"]

FORMAT = "tinynet checkpoint"
VERSION = "1"
_REFERENCE = "$array"


def save_checkpoint(path, state):
    """Writes a state so that a crash at any moment leaves either the previous file or this one whole.

    Args:
        path: the file; its folder must exist.
        state: nested dictionaries with text keys and lists, of numbers (NaN and infinities too), texts,
            truth values, None, arrays and tensors. Tuples come back as lists.

    Raises:
        ArgumentError: something in the state is none of these.
        OSError: the file cannot be written.
    """
    arrays = {}
    text = json.dumps(_separated(state, "", arrays))
    metadata = {"format": FORMAT, "version": VERSION, "state": text, "sha256": _digest(text, arrays)}
    save_tensors(path, arrays, metadata)


def load_checkpoint(path):
    """Reads what `save_checkpoint` wrote, arrays as NumPy arrays.

    Raises:
        CheckpointError: the file is missing, damaged, of another kind or of another version.
    """
    arrays, metadata = load_tensors(path)
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path}: this is not a checkpoint of a training run")
    if metadata.get("version") != VERSION:
        raise CheckpointError(
            f"{path}: this is a checkpoint of version {metadata.get('version')!r}, but only version "
            f"{VERSION!r} can be read"
        )
    text = metadata.get("state", "")
    if metadata.get("sha256") != _digest(text, arrays):
        raise CheckpointError(f"{path}: the file is damaged: its SHA-256 does not match its content")
    try:
        state = _joined(json.loads(text), arrays)
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path}: the state is not valid JSON: {error}") from error
    except KeyError as error:
        raise CheckpointError(f"{path}: the state refers to an array {error} that isn't there") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: the state should be an object, not {type(state).__name__}")
    return state


def _separated(value, path, arrays):
    """The value with references in place of its arrays, which are collected in `arrays`."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key == _REFERENCE:
                raise ArgumentError(f"checkpoint: {key!r} at {path or 'the top'} cannot be a key")
        return {key: _separated(part, _below(path, key), arrays) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_separated(part, _below(path, index), arrays) for index, part in enumerate(value)]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    array = value.data if isinstance(value, Tensor) else value
    if not hasattr(array, "dtype"):
        raise ArgumentError(f"checkpoint: {type(value).__name__} at {path} cannot be stored")
    name = _unused_name(path, arrays)
    arrays[name] = backend.to_numpy(array)
    return {_REFERENCE: name}


def _below(path, key):
    return f"{path}/{key}" if path else str(key)


def _unused_name(path, arrays):
    """The path, made different where keys that contain slashes lead to the same one."""
    while path in arrays:
        path += "'"
    return path


def _joined(value, arrays):
    """The value with arrays in place of their references."""
    if isinstance(value, dict):
        if set(value) == {_REFERENCE}:
            return arrays[value[_REFERENCE]]
        return {key: _joined(part, arrays) for key, part in value.items()}
    if isinstance(value, list):
        return [_joined(part, arrays) for part in value]
    return value


def _digest(text, arrays):
    """SHA-256 of a text and of names, dtypes, shapes and numbers of arrays."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        digest.update(f"\n{name}\n{array.dtype.name} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8))
    return digest.hexdigest()
