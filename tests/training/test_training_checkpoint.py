"""The checkpoint file: what can be stored, and crashes while writing."""

import json
import math
import os

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError
from tinynet.nn.serialization import load_tensors
from tinynet.training import load_checkpoint, save_checkpoint


def test_nested_states_come_back(tmp_path):
    path = tmp_path / "state.safetensors"
    state = {
        "numbers": [1, -(2**100), 0.1 + 0.2, math.inf, True, None, "é"],
        "arrays": {"a": np.arange(6.0).reshape(2, 3).T, "empty": np.zeros((0, 3), np.uint8)},
        "tuple": (1, (2.5, np.float32(0.1))),
        "tensor": tn.tensor([1.0, 2.0]),
        "scalar": np.array(3, np.int64),
    }
    save_checkpoint(path, state)
    again = load_checkpoint(path)
    assert again["numbers"] == state["numbers"]
    assert again["tuple"] == [1, [2.5, float(np.float32(0.1))]]
    np.testing.assert_array_equal(again["arrays"]["a"], state["arrays"]["a"])
    assert again["arrays"]["empty"].shape == (0, 3)
    assert again["arrays"]["empty"].dtype == np.uint8
    assert again["tensor"].dtype == np.float32
    assert again["scalar"].shape == ()
    save_checkpoint(path, {"nan": math.nan})
    assert math.isnan(load_checkpoint(path)["nan"])


def test_all_but_the_arrays_is_plain_json(tmp_path):
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, {"epoch": 3, "model": {"weight": np.ones(2)}})
    arrays, metadata = load_tensors(path)
    assert json.loads(metadata["state"]) == {"epoch": 3, "model": {"weight": {"$array": "model/weight"}}}
    assert list(arrays) == ["model/weight"]


def test_names_with_slashes_do_not_collide(tmp_path):
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, {"a": {"b": np.zeros(2)}, "a/b": np.ones(3)})
    assert load_checkpoint(path)["a"]["b"].shape == (2,)
    assert load_checkpoint(path)["a/b"].shape == (3,)


def test_what_cannot_be_stored(tmp_path):
    path = tmp_path / "state.safetensors"
    with pytest.raises(ArgumentError, match="set at model/x cannot be stored"):
        save_checkpoint(path, {"model": {"x": {1, 2}}})
    with pytest.raises(ArgumentError, match="3 at the top cannot be a key"):
        save_checkpoint(path, {3: 1})
    assert not list(tmp_path.iterdir())


# Crashes


@pytest.mark.parametrize("function", ["os.replace", "os.fsync", "safetensors.numpy.save_file"])
def test_a_crash_while_writing_leaves_the_previous_checkpoint(tmp_path, monkeypatch, function):
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, {"version": 1})

    def crash(*_, **__):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(function, crash)
        with pytest.raises(OSError, match="no space left"):
            save_checkpoint(path, {"version": 2})
    assert load_checkpoint(path) == {"version": 1}
    assert os.listdir(tmp_path) == ["state.safetensors"]


def test_garbage_of_an_earlier_crash_is_in_nobodys_way(tmp_path):
    (tmp_path / ".state.safetensors.0badc0de.tmp").write_bytes(b"half a checkpoint")
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, {"version": 1})
    save_checkpoint(path, {"version": 2})
    assert load_checkpoint(path) == {"version": 2}
