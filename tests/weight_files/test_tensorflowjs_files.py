"""TensorFlow.js layers-models: shards, quantised weights, and manifests that lie."""

import json

import numpy as np
import pytest

from tinynet.data.files import locate
from tinynet.errors import CheckpointError
from tinynet.weight_files import read_weights

KERNEL = np.arange(12, dtype=np.float32).reshape(3, 4)
STEPS = np.array([3, 0, 7], np.int32)


def entry(name, shape, dtype="float32", **more):
    return {"name": name, "shape": shape, "dtype": dtype, **more}


def write(folder, weights, shards, **more):
    """A model.json with one group, its shards given by name."""
    for name, content in shards.items():
        (folder / name).write_bytes(content)
    manifest = [{"paths": list(shards), "weights": weights}]
    path = folder / "model.json"
    path.write_text(json.dumps({"modelTopology": None, "weightsManifest": manifest, **more}))
    return path


def test_weights_in_shards(tmp_path):
    content = KERNEL.tobytes() + STEPS.tobytes()
    weights = [entry("conv1/kernel", [3, 4]), entry("steps", [3], "int32")]
    path = write(tmp_path, weights, {"a": content[:10], "b": content[10:]}, generatedBy="keras v2")
    for given in (path, tmp_path):
        found = read_weights(given)
        assert (found.format, found.layout, found.path) == ("tensorflowjs", "keras", path)
        assert found.metadata == {"generatedBy": "keras v2"}
        assert list(found.arrays) == ["conv1/kernel", "steps"]
        np.testing.assert_array_equal(found.arrays["conv1/kernel"], KERNEL)
        np.testing.assert_array_equal(found.arrays["steps"], STEPS)


def test_a_manifest_on_its_own(tmp_path):
    write(tmp_path, [entry("x", [3, 4])], {"a": KERNEL.tobytes()})
    manifest = json.loads((tmp_path / "model.json").read_text())["weightsManifest"]
    path = tmp_path / "weights_manifest.json"
    path.write_text(json.dumps(manifest))
    np.testing.assert_array_equal(read_weights(path).arrays["x"], KERNEL)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_quantised_weights(tmp_path, dtype):
    stored = np.array([0, 1, 200], dtype)
    rule = {"dtype": dtype, "scale": 0.5, "min": -3.0}
    write(tmp_path, [entry("x", [3], quantization=rule)], {"a": stored.tobytes()})
    found = read_weights(tmp_path).arrays["x"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [-3.0, -2.5, 97.0])


def test_weights_quantised_to_float16(tmp_path):
    stored = np.array([0.5, -2, 3], np.float16)
    write(tmp_path, [entry("x", [3], quantization={"dtype": "float16"})], {"a": stored.tobytes()})
    found = read_weights(tmp_path).arrays["x"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, stored)


def test_the_pretrained_mobilenet():
    path = locate("weights", "mobilenet-v1-0.25-224-tfjs")
    if path is None:
        pytest.skip("the pretrained weights are not on this machine; TINYNET_DATA names their folder")
    arrays = read_weights(path).arrays
    assert len(arrays) == 137
    assert sum(array.size for array in arrays.values()) == 475_544
    assert arrays["conv_dw_1/depthwise_kernel"].shape == (3, 3, 8, 1)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "link"])
def test_shards_outside_of_the_folder_are_refused(tmp_path, name):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(KERNEL.tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    path = write(folder, [entry("x", [3, 4])], {})
    path.write_text(json.dumps([{"paths": [name], "weights": [entry("x", [3, 4])]}]))
    with pytest.raises(CheckpointError, match=r"outside of its folder"):
        read_weights(path)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (entry("x", [3, 5]), "a: 48 bytes, but the weights in it take 60"),
        (entry("x", [10**6, 25_000]), "take 100,000,000,000"),
        (entry("x", [-3, -4]), "x has the shape"),
        (entry("x", [3.0, 4]), "x has the shape"),
        (entry("x", 12), "manifest of weights"),
        (entry("x", [3, 4], "string"), "x has dtype 'string'; known are"),
        (entry("x", [48], quantization={"dtype": "uint8"}), "KeyError: 'scale'"),
        (entry("x", [48], quantization={"dtype": "uint8", "scale": "a", "min": 0}), "could not convert"),
        ({"name": "x"}, "KeyError: 'shape'"),
        ("x", "manifest of weights"),
    ],
)
def test_manifests_that_lie(tmp_path, weight, message):
    path = write(tmp_path, [weight], {"a": KERNEL.tobytes()})
    with pytest.raises(CheckpointError, match=message) as raised:
        read_weights(path)
    assert str(path) in str(raised.value)


def test_a_shard_that_is_listed_many_times(tmp_path):
    path = write(tmp_path, [entry("x", [3, 4])], {"a": KERNEL.tobytes()})
    for groups in (
        [{"paths": ["a"] * 1000, "weights": [entry("x", [3000, 4])]}],
        [{"paths": ["a"], "weights": [entry(f"x{index}", [3, 4])]} for index in range(1000)],
    ):
        path.write_text(json.dumps(groups))
        with pytest.raises(CheckpointError, match="it lists a twice"):
            read_weights(path)


def test_two_weights_of_one_name(tmp_path):
    path = write(tmp_path, [entry("x", [6]), entry("x", [6])], {"a": KERNEL.tobytes()})
    with pytest.raises(CheckpointError, match="two weights are named x"):
        read_weights(path)


@pytest.mark.parametrize("content", ["", "{", "3", "{}", "[[]]", "[" * 100_000, '{"weightsManifest": 3}'])
def test_no_manifest(tmp_path, content):
    path = tmp_path / "model.json"
    path.write_text(content)
    with pytest.raises(CheckpointError, match=f"{path} is damaged"):
        read_weights(path)


def test_missing_files(tmp_path):
    with pytest.raises(CheckpointError, match=r"model\.json does not exist"):
        read_weights(tmp_path)
    path = write(tmp_path, [entry("x", [3, 4])], {"a": KERNEL.tobytes()})
    (tmp_path / "a").unlink()
    with pytest.raises(CheckpointError, match="a does not exist"):
        read_weights(path)
