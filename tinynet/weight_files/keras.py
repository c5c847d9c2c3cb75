"""Keras HDF5, as Keras 1 and 2 write it: weights only (``save_weights``) or a whole model (``save``).

A group for each layer, in it a dataset for each weight; attributes list both in their order. Of a whole model
the weights and the description of the layers are read; nothing of it is built or run.
"""

import json

from tinynet.errors import CheckpointError, MissingExtraError
from tinynet.weight_files.contents import WeightFile, check_unpacked_size, damaged

__all__ = ["read_keras"]

TEXTS = ("backend", "keras_version", "model_config")


def read_keras(path):
    """The weights as ``"layer/weight"``, for example ``"conv1/kernel"``.

    Where a layer has several weights of that name, because it is a model of its own, the full names of its
    weights are kept: ``"layer/inner/kernel"``.

    Raises:
        CheckpointError: the file is damaged, is no Keras file, or points to data outside of it.
        MissingExtraError: h5py isn't installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("reading Keras HDF5 files", "h5py", extra="data") from error
    try:
        with h5py.File(path, "r") as file:
            metadata = {name: _text(file.attrs[name]) for name in TEXTS if name in file.attrs}
            group = _child(path, file, "model_weights") if "model_weights" in file else file
            datasets = _find_datasets(path, group)
            unpacked = sum(dataset.nbytes for dataset in datasets.values())
            check_unpacked_size(path, unpacked, path.stat().st_size)
            arrays = {name: dataset[()] for name, dataset in datasets.items()}
            metadata.update({name: _text(group.attrs[name]) for name in TEXTS[:2] if name in group.attrs})
            if "model_config" in metadata:
                metadata["model_config"] = json.loads(metadata["model_config"])
    except CheckpointError:
        raise
    except Exception as error:  # the HDF5 library reports damage by errors of many kinds
        raise damaged(path, error or type(error).__name__) from error
    if metadata.get("backend") == "theano":
        raise CheckpointError(
            f"load: {path} was written with Theano, which turns convolution kernels around; "
            "convert it with Keras"
        )
    return WeightFile(path, "keras", arrays, metadata)


def _find_datasets(path, group):
    layers = _names(group, "layer_names")
    if layers is None:
        raise CheckpointError(
            f"load: {path} is HDF5, but no weights of Keras 1 or 2 (the attribute layer_names is missing)"
        )
    datasets = {}
    for layer in layers:
        layer_group = _child(path, group, layer)
        for short, full in _short_names(_names(layer_group, "weight_names") or []).items():
            name = f"{layer}/{short}"
            if name in datasets:
                raise damaged(path, f"two weights are named {name}")
            datasets[name] = _checked_dataset(path, name, _child(path, layer_group, full))
    return datasets


def _short_names(names):
    """Short name → name in the file, ``"kernel"`` → ``"conv1_3/kernel:0"``, if unique in the layer."""
    without_number = [name.partition(":")[0] for name in names]
    short = [name.rpartition("/")[2] for name in without_number]
    chosen = short if len(set(short)) == len(short) else without_number
    return dict(zip(chosen, names, strict=True))


def _names(group, attribute):
    """A list of names from an attribute, which Keras splits (name0, name1, ...) when it is long."""
    if attribute in group.attrs:
        return [_text(name) for name in group.attrs[attribute]]
    parts = []
    while f"{attribute}{len(parts)}" in group.attrs:
        parts.append(group.attrs[f"{attribute}{len(parts)}"])
    return [_text(name) for part in parts for name in part] if parts else None


def _child(path, group, name):
    """What lies under a name, which may have several parts; never outside of this file."""
    import h5py

    for part in name.split("/"):
        link = group.get(part, getlink=True)
        if not isinstance(link, h5py.HardLink):
            problem = "is missing" if link is None else "is a link to somewhere else"
            raise CheckpointError(f"load: {path} is refused: {name} {problem}")
        group = group[part]
    return group


def _checked_dataset(path, name, dataset):
    import h5py

    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "biuf":
        raise CheckpointError(f"load: {path} is refused: {name} is no array of numbers")
    if dataset.external is not None or dataset.is_virtual:
        raise CheckpointError(f"load: {path} is refused: {name} takes its numbers from another file")
    return dataset


def _text(value):
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
