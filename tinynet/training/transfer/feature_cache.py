"""Features of a frozen network, computed once and kept on disk."""

import hashlib
from pathlib import Path

import numpy as np

from tinynet import __version__, backend
from tinynet.autograd import Tensor
from tinynet.errors import CheckpointError
from tinynet.inspection.layers import layer_outputs, layers_by_name
from tinynet.nn.serialization import load_tensors, save_tensors

__all__ = ["FeatureCache"]


class FeatureCache:
    """A file with what one layer of a network puts out for one set of inputs.

    Beside the features the file holds hashes of the network (its layers, their options and all weights), of
    the inputs, and the name of the layer. Features are only taken from it when all of them agree, so a
    cache can never be out of date; it is then written anew. What is not seen is a change of the program
    code itself, of a function in an `nn.Lambda` for instance; delete the file after such a change.

    The file is in safetensors format, written whole or not at all.

    Args:
        path: the file; its folder is made where needed.
    """

    def __init__(self, path):
        self.path = Path(path)

    def features(self, model, x, layer, batch_size=64):
        """The outputs of a layer, from the file if it holds them, else computed and then written to it.

        Args:
            model: a module; it runs in inference mode and is then as it was before.
            x: inputs (N, ...), an array or tensor, converted as `Trainer.predict` converts them.
            layer: the dotted name of a layer that gives a tensor (N, ...).
            batch_size: how many samples go through the model at once.

        Returns:
            A NumPy array (N, ...).

        Raises:
            UnknownNameError: there is no such layer.
            OSError: the file cannot be written.
        """
        layers_by_name(model, [layer])
        x = backend.to_numpy(x.data) if isinstance(x, Tensor) else np.asarray(x)
        key = _key(model, x, layer)
        features = self._read(key)
        if features is None:
            batches = [outputs[layer] for outputs in layer_outputs(model, x, [layer], batch_size)]
            features = np.concatenate(batches)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_tensors(self.path, {"features": features}, key)
        return features

    def holds(self, model, x, layer):
        """Whether the file has the features of this layer of this model for these inputs."""
        x = backend.to_numpy(x.data) if isinstance(x, Tensor) else np.asarray(x)
        return self._read(_key(model, x, layer)) is not None

    def _read(self, key):
        """The features if the file is whole and made for this key, else None."""
        try:
            arrays, found = load_tensors(self.path)
        except CheckpointError:  # missing or damaged: made anew
            return None
        return arrays.get("features") if found == key else None


def _key(model, x, layer):
    """What the features depend on, as texts."""
    return {
        "tinynet": __version__,
        "layer": layer,
        "model": _model_hash(model),
        "inputs": _array_hash(hashlib.sha256(), x).hexdigest(),
    }


def _model_hash(model):
    """A hash of the layers with their options, and of the names and contents of all weights and buffers."""
    total = hashlib.sha256(repr(model).encode())
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        total.update(name.encode())
        _array_hash(total, tensor.numpy())
    return total.hexdigest()


def _array_hash(total, array):
    """Adds dtype, shape and contents of an array to a hash."""
    total.update(f"{array.dtype.str}{array.shape}".encode())
    total.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
    return total
