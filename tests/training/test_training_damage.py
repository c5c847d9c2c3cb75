"""Damaged, forged and unfitting checkpoints: a clear error, and nothing of the trainer has changed."""

import copy
import math

import numpy as np
import pytest
from training_problems import assert_same_numbers, make_trainer, snapshot, three_classes

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.errors import CheckpointError
from tinynet.nn.serialization import load_tensors, save_tensors
from tinynet.training import (
    Callback,
    Checkpoint,
    EarlyStopping,
    KeepBest,
    load_checkpoint,
    save_checkpoint,
)
from tinynet.training import checkpoint as checkpoint_module


def make_parts(seed=0, model=None):
    """A trainer with a schedule, of the usual model or another."""
    model = make_trainer(seed).model if model is None else model
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    schedule = optim.StepLR(optimizer, 2)
    return tn.Trainer(model, optimizer, F.cross_entropy, metrics=["accuracy"], schedule=schedule)


@pytest.fixture(scope="module")
def checkpoint_bytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.safetensors"
    make_parts().fit(*three_classes(24), epochs=3, verbose=0, callbacks=[KeepBest(), Checkpoint(path)])
    return path.read_bytes()


@pytest.fixture
def path(tmp_path, checkpoint_bytes):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(checkpoint_bytes)
    return path


def trained():
    """A trainer with a history of its own: another seed, one epoch."""
    trainer = make_parts(seed=1)
    trainer.fit(*three_classes(24, seed=1), epochs=1, verbose=0)
    return trainer


def assert_refused(path, trainer, message, callbacks=None):
    """Fails unless resuming raises CheckpointError, names the file, and changes nothing."""
    before = copy.deepcopy((snapshot(trainer), trainer.schedule and trainer.schedule.state_dict()))
    random_state = tn.default_generator().get_state()
    callbacks = [KeepBest()] if callbacks is None else callbacks
    with pytest.raises(CheckpointError, match=message) as caught:
        trainer.fit(*three_classes(24), epochs=5, verbose=0, callbacks=callbacks, resume=path)
    assert path.name in str(caught.value)
    assert_same_numbers(snapshot(trainer), before[0])
    assert (trainer.schedule and trainer.schedule.state_dict()) == before[1]
    assert tn.default_generator().get_state() == random_state


def test_the_undamaged_file_is_accepted(path):
    history = trained().fit(*three_classes(24), epochs=5, verbose=0, callbacks=[KeepBest()], resume=path)
    assert len(history) == 5


@pytest.mark.parametrize("length", [0, 3, 8, 40, 1000, 0.5, 0.9, -100, -1])
def test_truncated(path, checkpoint_bytes, length):
    """`length` is a number of bytes, from the end when negative, or a part of the whole."""
    stop = int(length * len(checkpoint_bytes)) if isinstance(length, float) else length
    path.write_bytes(checkpoint_bytes[:stop])
    assert_refused(path, trained(), "is damaged")


def test_flipped_bytes_are_noticed_anywhere(path, checkpoint_bytes):
    trainer = trained()
    last = len(checkpoint_bytes) - 1
    for position in [*range(12), *range(12, last, last // 60), last]:
        damaged = bytearray(checkpoint_bytes)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        assert_refused(path, trainer, "is damaged|is not a checkpoint|of version")


@pytest.mark.parametrize("bit", range(8))
def test_a_single_bit_of_a_weight_is_noticed(path, checkpoint_bytes, bit):
    damaged = bytearray(checkpoint_bytes)
    damaged[-100] ^= 1 << bit
    path.write_bytes(damaged)
    assert_refused(path, trained(), "the file is damaged: its SHA-256 does not match its content")


@pytest.mark.parametrize("length", [2**20, 2**40, 2**63, 2**64 - 1])
def test_a_huge_header_takes_no_memory(path, checkpoint_bytes, length):
    path.write_bytes(length.to_bytes(8, "little") + checkpoint_bytes[8:])
    assert_refused(path, trained(), "is damaged")


def test_missing_file_and_folder(tmp_path):
    assert_refused(tmp_path / "nowhere.safetensors", trained(), "does not exist")
    assert_refused(tmp_path, trained(), "is a folder")


def test_other_kinds_of_files(path):
    arrays, metadata = load_tensors(path)
    save_tensors(path, arrays)
    assert_refused(path, trained(), "this is not a checkpoint of a training run")
    save_tensors(path, arrays, {**metadata, "version": "7"})
    assert_refused(path, trained(), "a checkpoint of version '7', but only version '1' can be read")
    save_tensors(path, arrays, {**metadata, "state": metadata["state"].replace('"epoch"', '"epoc"')})
    assert_refused(path, trained(), "SHA-256 does not match")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the state is not valid JSON"),
        ("[" * 100_000, "the state is not valid JSON"),
        ("[1]", "the state should be an object, not list"),
        ('{"a": {"$array": "nowhere"}}', "the state refers to an array 'nowhere' that isn't there"),
        ('{"a": {"$array": ["list"]}}', "the state is not valid JSON"),
        ("{}", "the state should hold position, data, history, parts, but holds "),
    ],
)
def test_forged_json(path, text, message):
    """Somebody who forges the JSON can forge its hash as well."""
    forged_hash = checkpoint_module._digest(text, {})
    metadata = {"format": "tinynet checkpoint", "version": "1", "state": text, "sha256": forged_hash}
    save_tensors(path, {}, metadata)
    assert_refused(path, trained(), message)


WEIGHT = "parts/model/0.weight"
RATE = "parts/optimizer/groups/0/lr"
FORGED = [
    ("position", {}, "the position should hold epoch, batch, seconds, stopped"),
    ("position", 3, "the state has a wrong position: '3'"),
    ("position/epoch", "3", "the position has a wrong epoch: '3'"),
    ("position/epoch", True, "the position has a wrong epoch: 'True'"),
    ("position/epoch", -1, "the position has a negative epoch: -1"),
    ("position/epoch", 4, "the history has 3 rows after 4 epochs"),
    ("position/batch", 2, "it stands at batch 2 of 1"),
    ("position/seconds", math.nan, "the position has a negative seconds: nan"),
    ("position/stopped", 0, "the position has a wrong stopped: '0'"),
    ("history/0", [], "the history has a malformed row"),
    ("history/0/loss", {}, "the history has a malformed row"),
    ("parts/model", [], "the state of model is malformed"),
    (
        WEIGHT,
        np.zeros((4, 15), np.float32),
        r"0\.weight is float32 \(4, 15\) in the file but float32 \(4, 16\)",
    ),
    (WEIGHT, np.zeros((4, 16)), r"0\.weight is float64 \(4, 16\) in the file but float32"),
    (WEIGHT, "zeros", r"0\.weight is not an array"),
    ("parts/model/extra", np.zeros(1), "extra is not expected"),
    ("parts/optimizer", {}, "the state of optimizer does not fit"),
    ("parts/optimizer/steps", [1], "the state of optimizer does not fit"),
    (RATE, "fast", "the state of optimizer does not fit"),
    ("parts/generator default", {}, "the state of generator default does not fit"),
    ("parts/generator default/state/inc", -1, "the state of generator default does not fit"),
    ("parts/metric accuracy/count", 1.5, "the state of metric accuracy does not fit"),
    ("parts/callback ScheduleCallback/count", -1, "the state of callback ScheduleCallback does not fit"),
    ("parts/callback KeepBest/best", "low", "KeepBest: best should not be 'low'"),
    ("parts/callback KeepBest/weights", {"x": np.zeros(1)}, "KeepBest: .* are not those of this model"),
    ("parts/generator default", None, "it lacks the state of generator default"),
    ("parts/model/1.running_mean", None, r"1\.running_mean is missing"),
    ("parts/optimizer/arrays/0.first_moment", None, "the state of optimizer does not fit"),
]


@pytest.mark.parametrize(("place", "value", "message"), FORGED)
def test_forged_states(path, place, value, message):
    """One value at one place is another; None takes it away."""
    state = load_checkpoint(path)
    *way, last = [int(key) if key.isdigit() else key for key in place.split("/")]
    target = state
    for key in way:
        target = target[key]
    if value is None:
        del target[last]
    else:
        target[last] = value
    save_checkpoint(path, state)
    assert_refused(path, trained(), message)


def test_another_model_optimizer_or_set_of_callbacks(path):
    other = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    assert_refused(path, make_parts(model=other), "it holds the state of generator model.4.generator")
    wider = make_parts().model
    wider[5] = nn.Linear(16, 4)
    assert_refused(
        path, make_parts(model=wider), r"5\.weight is float32 \(16, 3\) in the file but float32 \(16, 4\)"
    )
    trainer = make_trainer(seed=1)
    assert_refused(path, trainer, "it holds the state of callback ScheduleCallback, which is not here")
    callbacks = [KeepBest(), EarlyStopping()]
    assert_refused(path, trained(), "it lacks the state of callback EarlyStopping", callbacks)


def test_parts_that_were_set_are_put_back_when_a_later_one_refuses(path):
    """A callback of the user's that accepts no state comes last, after model and optimiser were set."""

    class Stubborn(Callback):
        def state_dict(self):
            return {"mood": "bad"}

        def load_state_dict(self, state):
            if state["mood"] != "bad":
                raise KeyError("good")

    state = load_checkpoint(path)
    state["parts"]["callback Stubborn"] = {"mood": "good"}
    save_checkpoint(path, state)
    message = "the state of callback Stubborn does not fit: KeyError: 'good'; nothing was restored"
    assert_refused(path, trained(), message, [KeepBest(), Stubborn()])
