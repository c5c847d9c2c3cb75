"""Keras HDF5 files: weights only, whole models, and files that point elsewhere."""

import json
import sys

import numpy as np
import pytest

from tinynet.data.files import locate
from tinynet.errors import CheckpointError, MissingExtraError
from tinynet.weight_files import read_weights

KERNEL = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
BIAS = np.ones(4, np.float32)


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py", reason="Keras HDF5 files need h5py")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.h5"


def write_layers(group, layers):
    """`layers` maps names of layers to dictionaries of name → array (or None: the name is only listed)."""
    group.attrs["layer_names"] = [name.encode() for name in layers]
    for layer, weights in layers.items():
        layer_group = group.require_group(layer)
        layer_group.attrs["weight_names"] = [name.encode() for name in weights]
        for name, array in weights.items():
            if array is not None:
                layer_group[name] = array


LAYERS = {"conv1": {"conv1_3/kernel:0": KERNEL, "conv1_3/bias:0": BIAS}, "relu": {}}


def test_weights_only(h5py, path):
    with h5py.File(path, "w") as file:
        write_layers(file, LAYERS)
        file.attrs["backend"] = b"tensorflow"
    found = read_weights(path)
    assert (found.format, found.layout, found.metadata) == ("keras", "keras", {"backend": "tensorflow"})
    assert list(found.arrays) == ["conv1/kernel", "conv1/bias"]
    np.testing.assert_array_equal(found.arrays["conv1/kernel"], KERNEL)


def test_whole_model(h5py, path):
    config = {"class_name": "Sequential", "config": []}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.15.0"
        write_layers(file.create_group("model_weights"), LAYERS)
    found = read_weights(path)
    assert list(found.arrays) == ["conv1/kernel", "conv1/bias"]
    assert found.metadata == {"keras_version": "2.15.0", "model_config": config}


def test_models_in_models_keep_full_names(h5py, path):
    inner = {"a/kernel:0": KERNEL, "b/kernel:0": KERNEL + 1}
    with h5py.File(path, "w") as file:
        write_layers(file, {"inner": inner})
    assert list(read_weights(path).arrays) == ["inner/a/kernel", "inner/b/kernel"]


def test_lists_of_names_in_pieces(h5py, path):
    with h5py.File(path, "w") as file:
        write_layers(file, {"a": LAYERS["conv1"], "b": LAYERS["conv1"]})
        names = file.attrs["layer_names"]
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:1], names[1:]
    assert len(read_weights(path).arrays) == 4


def test_squeezenet_is_the_same_in_both_formats(h5py):
    path = locate("weights", "squeezenet/squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5")
    if path is None:
        pytest.skip("the pretrained weights are not on this machine; TINYNET_DATA names their folder")
    found = read_weights(path).arrays
    converted = read_weights(path.with_name("squeezenet_v1.1_notop.npz")).arrays
    assert len(found) == 50
    assert sum(array.size for array in found.values()) == 722_496
    assert found.keys() == converted.keys()
    for name, expected in converted.items():
        np.testing.assert_array_equal(found[name], expected, err_msg=name)


def test_links_out_of_the_file_are_refused(h5py, path, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = KERNEL
    for link in (h5py.ExternalLink(str(tmp_path / "secret.h5"), "data"), h5py.SoftLink("/other")):
        with h5py.File(path, "w") as file:
            write_layers(file, {"conv1": {"kernel:0": None}})
            file["conv1"]["kernel:0"] = link
        with pytest.raises(CheckpointError, match=r"refused: kernel:0 is a link to somewhere else"):
            read_weights(path)


def test_numbers_of_other_files_are_refused(h5py, path, tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(48))
    with h5py.File(path, "w") as file:
        write_layers(file, {"conv1": {"kernel:0": None}})
        file["conv1"].create_dataset("kernel:0", (12,), "f4", external=[(str(secret), 0, 48)])
    with pytest.raises(CheckpointError, match="conv1/kernel takes its numbers from another file"):
        read_weights(path)
    layout = h5py.VirtualLayout((12,), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "data", (12,))
    with h5py.File(path, "w") as file:
        write_layers(file, {"conv1": {"kernel:0": None}})
        file["conv1"].create_virtual_dataset("kernel:0", layout)
    with pytest.raises(CheckpointError, match="conv1/kernel takes its numbers from another file"):
        read_weights(path)


def test_arrays_that_are_announced_but_not_there_take_no_memory(h5py, path):
    with h5py.File(path, "w") as file:
        write_layers(file, {"conv1": {"kernel:0": None}})
        file["conv1"].create_dataset("kernel:0", (10**6, 25_000), "f4", chunks=(1000, 1000))
    with pytest.raises(CheckpointError, match="would unpack to 100,000,000,000 bytes"):
        read_weights(path)


def test_other_content_is_refused(h5py, path):
    with h5py.File(path, "w") as file:
        file["data"] = KERNEL
    with pytest.raises(CheckpointError, match="no weights of Keras 1 or 2"):
        read_weights(path)
    with h5py.File(path, "w") as file:
        write_layers(file, {"conv1": {"kernel:0": np.array([b"text"])}})
    with pytest.raises(CheckpointError, match="conv1/kernel is no array of numbers"):
        read_weights(path)
    with h5py.File(path, "w") as file:
        write_layers(file, {"conv1": {"kernel:0": None}})
    with pytest.raises(CheckpointError, match="kernel:0 is missing"):
        read_weights(path)
    with h5py.File(path, "w") as file:
        write_layers(file, LAYERS)
        file.attrs["backend"] = b"theano"
    with pytest.raises(CheckpointError, match="written with Theano"):
        read_weights(path)


def test_a_description_that_is_no_json(h5py, path):
    for text in ("{", "[" * 100_000):
        with h5py.File(path, "w") as file:
            file.create_dataset("filler", data=np.zeros(4))
            write_layers(file.create_group("model_weights"), LAYERS)
            file.attrs.create("model_config", text[:60_000])
        with pytest.raises(CheckpointError, match=f"{path} is damaged"):
            read_weights(path)


def test_truncated_files(h5py, path):
    with h5py.File(path, "w") as file:
        write_layers(file, LAYERS)
    content = path.read_bytes()
    for length in range(8, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=str(path)):
            read_weights(path)


def test_h5py_is_an_extra(path, monkeypatch):
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        MissingExtraError, match=r"h5py, which is not installed: pip install 'tinynet\[data\]'"
    ):
        read_weights(path)
