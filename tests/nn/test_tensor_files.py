"""Tensors on disk: round trips, atomic writing, and files that are damaged or hostile."""

import json
import os
import struct

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.errors import ArgumentError, CheckpointError, DTypeError
from tinynet.nn.serialization import load_tensors, save_tensors

ARRAYS = {
    "float32": np.arange(6, dtype=np.float32).reshape(2, 3),
    "float64": np.linspace(0, 1, 5),
    "float16": np.ones(3, np.float16),
    "integers": np.array([[-(2**40), 7]]),
    "bytes": np.arange(4, dtype=np.uint8),
    "flags": np.array([True, False]),
    "scalar": np.array(3.5, np.float32),
    "empty": np.zeros((0, 3), np.float32),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.safetensors"


def written(path, header, content=b"", length=None):
    """A file with this header (JSON-able, or bytes)."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + content)
    return path


def test_round_trip(path):
    save_tensors(path, ARRAYS, {"epoch": "3", "note": "größer"})
    arrays, metadata = load_tensors(path)
    assert metadata == {"epoch": "3", "note": "größer"}
    assert arrays.keys() == ARRAYS.keys()
    for name, expected in ARRAYS.items():
        assert arrays[name].dtype == expected.dtype
        assert arrays[name].shape == expected.shape
        np.testing.assert_array_equal(arrays[name], expected)
        assert arrays[name].flags.writeable


def test_files_are_read_by_the_safetensors_library(path):
    from safetensors.numpy import load_file

    save_tensors(path, ARRAYS)
    np.testing.assert_array_equal(load_file(path)["float32"], ARRAYS["float32"])


def test_tensors_and_any_memory_layout_are_stored(path):
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    given = {
        "transposed": base.T,
        "strided": base[::2, ::-1],
        "big-endian": base.astype(">f4"),
        "tensor": tn.tensor([1.0, 2.0]),
        "parameter": nn.Linear(2, 2).weight,
    }
    save_tensors(path, given)
    arrays, _ = load_tensors(path)
    for name, expected in given.items():
        np.testing.assert_array_equal(arrays[name], np.asarray(expected))


def test_loaded_arrays_do_not_depend_on_the_file(path):
    save_tensors(path, {"a": np.ones(1000)})
    arrays, _ = load_tensors(path)
    path.write_bytes(b"\0" * path.stat().st_size)
    assert (arrays["a"] == 1).all()


def test_saving_and_loading_a_model(path):
    source = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    target = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    source.save(path)
    assert target.load(path) == ([], [])
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(source(x).numpy(), target(x).numpy())
    with pytest.raises(CheckpointError, match=r"missing: bias \(2,\)"):
        nn.Linear(4, 2).load(path)


def test_nothing_else_is_left_in_the_folder(path):
    save_tensors(path, ARRAYS)
    save_tensors(path, ARRAYS)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_while_writing_leaves_the_previous_file(path, monkeypatch, step):
    save_tensors(path, {"a": np.zeros(3)})

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="the disk is full"):
        save_tensors(path, {"a": np.ones(3)})
    monkeypatch.undo()
    assert (load_tensors(path)[0]["a"] == 0).all()
    assert os.listdir(path.parent) == [path.name]


def test_permissions_are_those_of_any_other_file(path):
    ordinary = path.with_name("ordinary")
    ordinary.touch()
    save_tensors(path, ARRAYS)
    assert path.stat().st_mode == ordinary.stat().st_mode
    path.chmod(0o640)
    save_tensors(path, ARRAYS)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_keeps_pointing_to_the_file(path, tmp_path):
    link = tmp_path / "latest.safetensors"
    link.symlink_to(path)
    save_tensors(link, ARRAYS)
    assert link.is_symlink()
    assert load_tensors(path)[0].keys() == ARRAYS.keys()


def test_what_cannot_be_stored_is_named(path):
    with pytest.raises(DTypeError, match="save_tensors: z has dtype complex128"):
        save_tensors(path, {"z": np.ones(2, np.complex128)})
    with pytest.raises(DTypeError, match="save_tensors: o has dtype object"):
        save_tensors(path, {"o": np.array([None])})
    with pytest.raises(ArgumentError, match="3 cannot be the name of an array"):
        save_tensors(path, {3: np.ones(2)})
    with pytest.raises(ArgumentError, match="'__metadata__' cannot be the name"):
        save_tensors(path, {"__metadata__": np.ones(2)})
    with pytest.raises(ArgumentError, match="metadata must map text to text, not 'epoch' to 3"):
        save_tensors(path, {}, {"epoch": 3})
    assert not path.exists()


def test_missing_folder_and_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.safetensors does not exist"):
        load_tensors(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="is a folder"):
        load_tensors(tmp_path)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        save_tensors(tmp_path, {})


@pytest.mark.parametrize("keep", [0, 5, 8, 20, -1])
def test_truncated_files(path, keep):
    save_tensors(path, ARRAYS)
    content = path.read_bytes()
    path.write_bytes(content[:keep])
    with pytest.raises(CheckpointError, match=r"load: .*weights\.safetensors is damaged: "):
        load_tensors(path)


def test_surplus_bytes(path):
    save_tensors(path, ARRAYS)
    with open(path, "ab") as file:
        file.write(b"more")
    with pytest.raises(CheckpointError, match="is damaged"):
        load_tensors(path)


@pytest.mark.parametrize("length", [2**40, 2**63, 2**64 - 1])
def test_a_huge_header_length_is_refused_at_once(path, length):
    written(path, b"{}", length=length)
    with pytest.raises(CheckpointError, match=f"announces a header of {length} bytes but has only 2"):
        load_tensors(path)


@pytest.mark.parametrize("position", range(8, 60, 3))
def test_flipped_header_bytes_never_pass_as_the_same_content(path, position):
    save_tensors(path, {"a": np.arange(6, dtype=np.float32)})
    content = bytearray(path.read_bytes())
    content[position] ^= 0x80
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        load_tensors(path)


def entry(dtype, shape, start, stop):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b"[1, 2]",
        b"[" * 20_000,
        b'{"a": 3}',
        {"a": entry("F32", [2], 0, 4)},
        {"a": entry("F32", [2], 8, 16)},
        {"a": entry("F32", [2], 8, 0)},
        {"a": entry("F32", [-2], 0, 8)},
        {"a": entry("F32", [2**62, 2**62], 0, 8)},
        {"a": entry("F32", [2], 0, 2**60)},
        {"a": entry("F32", [2], 0, 8), "b": entry("F32", [1], 4, 8)},
        {"a": entry("F32", [1], 0, 4)},
        {"a": entry("NOPE", [2], 0, 8)},
        {"__metadata__": {"a": 3}, "a": entry("F32", [2], 0, 8)},
    ],
)
def test_headers_that_lie(path, header):
    written(path, header, bytes(8))
    with pytest.raises(CheckpointError, match=r"weights\.safetensors is damaged"):
        load_tensors(path)


def test_an_empty_array_of_absurd_shape_takes_no_memory(path):
    written(path, {"a": entry("F32", [0, 2**40], 0, 0)})
    arrays, _ = load_tensors(path)
    assert arrays["a"].size == 0


def test_bfloat16_is_named(path):
    written(path, {"a": entry("BF16", [4], 0, 8)}, bytes(8))
    with pytest.raises(CheckpointError, match="holds a in dtype BF16, which NumPy does not have"):
        load_tensors(path)


def test_a_damaged_file_leaves_the_model_alone(path):
    model = nn.Linear(3, 4)
    before = model.weight.numpy().copy()
    model.save(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CheckpointError):
        model.load(path)
    np.testing.assert_array_equal(model.weight.numpy(), before)
