"""Resuming: a run that was killed or interrupted goes on to the same last bit."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import training_run
from training_problems import assert_same_numbers, make_trainer, snapshot, three_classes, without_times

import tinynet as tn
from tinynet.errors import CheckpointError
from tinynet.training import Callback, Checkpoint, KeepBest, load_checkpoint

PROGRAM = Path(__file__).with_name("training_run.py")


def run_program(folder, *arguments):
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM.parent)}
    command = [sys.executable, str(PROGRAM), str(folder), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def result_of(folder):
    with np.load(folder / "weights.npz") as file:
        weights = dict(file)
    return weights, json.loads((folder / "history.json").read_text())


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Weights, optimiser state and history of a run that nothing disturbed, in a process of its own."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    finished = run_program(folder)
    assert finished.returncode == 0, finished.stderr
    return result_of(folder)


@pytest.mark.slow
def test_killed_in_mid_epoch_and_resumed(tmp_path, uninterrupted):
    killed = run_program(tmp_path, "--signal", "SIGKILL", "33")  # two batches after a checkpoint
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "weights.npz").exists()
    position = load_checkpoint(tmp_path / "checkpoint.safetensors")["position"]
    assert (position["epoch"], position["batch"]) == (2, 5)
    resumed = run_program(tmp_path, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    weights, history = result_of(tmp_path)
    assert history == uninterrupted[1]
    assert_same_numbers(weights, uninterrupted[0])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind exist on POSIX only")
def test_interrupted_by_ctrl_c_and_resumed(tmp_path, uninterrupted):
    interrupted = run_program(tmp_path, "--signal", "SIGINT", "33")
    assert interrupted.returncode == 0, interrupted.stderr
    assert result_of(tmp_path)[1]["interrupted"]
    assert len(result_of(tmp_path)[1]["epochs"]) == 2
    position = load_checkpoint(tmp_path / "checkpoint.safetensors")["position"]
    assert (position["epoch"], position["batch"]) == (2, 9)
    resumed = run_program(tmp_path, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    weights, history = result_of(tmp_path)
    assert history == uninterrupted[1]
    assert_same_numbers(weights, uninterrupted[0])


class StopAfter(Callback):
    """Raises an error after so many batches of the whole run."""

    runs_last = True

    def __init__(self, batches):
        self.batches = batches

    def on_batch_end(self, fit):
        if fit.epoch * fit.steps + fit.batch == self.batches:
            raise RuntimeError("stopped here")


@pytest.mark.parametrize("batches", [5, 10, 13, 17, 37, 59])
def test_resumed_from_any_checkpoint(tmp_path, batches):
    expected, expected_history = training_run.run(tmp_path / "whole")
    with pytest.raises(RuntimeError, match="stopped here"):
        training_run.run(tmp_path / "part", extra=[StopAfter(batches)])
    path = tmp_path / "part" / "checkpoint.safetensors"
    trainer, history = training_run.run(tmp_path / "part", resume=path)
    assert without_times(history) == without_times(expected_history)
    assert_same_numbers(snapshot(trainer), snapshot(expected))
    assert_same_checkpoints(path, tmp_path / "whole" / "checkpoint.safetensors")


def assert_same_checkpoints(first, second):
    """Fails unless all parts are equal, KeepBest's weights and the generators' states among them."""
    parts, others = load_checkpoint(first)["parts"], load_checkpoint(second)["parts"]
    assert {"generator default", "generator model.4.generator", "callback KeepBest"} <= parts.keys()
    best, other_best = parts["callback KeepBest"], others["callback KeepBest"]
    assert_same_numbers(best.pop("weights"), other_best.pop("weights"))
    for name in ("model", "optimizer"):
        arrays, other_arrays = parts.pop(name), others.pop(name)
        arrays, other_arrays = arrays.pop("arrays", arrays), other_arrays.pop("arrays", other_arrays)
        assert_same_numbers(arrays, other_arrays)
    assert parts == others


def test_a_finished_run_can_go_on_for_more_epochs(tmp_path):
    x, y = three_classes(40)
    path = tmp_path / "checkpoint.safetensors"
    whole = make_trainer()
    whole_history = whole.fit(x, y, epochs=4, verbose=0)
    make_trainer().fit(x, y, epochs=2, verbose=0, callbacks=[Checkpoint(path)])
    trainer = make_trainer(seed=5)
    history = trainer.fit(x, y, epochs=4, verbose=0, resume=path)
    assert without_times(history) == without_times(whole_history)
    assert_same_numbers(snapshot(trainer), snapshot(whole))
    assert len(make_trainer().fit(x, y, epochs=2, verbose=0, resume=path)) == 2  # nothing left to do


def test_other_data_are_refused_in_mid_epoch_only(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(RuntimeError, match="stopped here"):
        training_run.run(tmp_path, extra=[StopAfter(5)])
    with pytest.raises(CheckpointError, match="in the middle of an epoch with seed = 4, not 5"):
        training_run.run(tmp_path, resume=path, seed=5)
    with pytest.raises(CheckpointError, match="in the middle of an epoch with batch_size = 8, not 16"):
        training_run.run(tmp_path, resume=path, batch_size=16)
    x, y = three_classes(40)
    make_trainer().fit(x, y, epochs=1, verbose=0, callbacks=[Checkpoint(path)])
    history = make_trainer().fit(x, y, epochs=2, verbose=0, batch_size=10, seed=8, resume=path)
    assert len(history) == 2


class PressCtrlC(Callback):
    """Ctrl-C, once or several times, after the second batch or at the end of an epoch."""

    def __init__(self, moment, times=1, epoch=1):
        self.moment = moment
        self.times = times
        self.epoch = epoch
        self.handlers = []

    def on_batch_end(self, fit):
        if self.moment == "batch" and fit.batch == 2:
            self._press()

    def on_epoch_end(self, fit, row):
        if self.moment == "epoch" and row["epoch"] == self.epoch:
            self._press()

    def _press(self):
        for _ in range(self.times):
            signal.raise_signal(signal.SIGINT)
            self.handlers.append(signal.getsignal(signal.SIGINT))


@pytest.fixture
def python_handler():
    """Python's own way with Ctrl-C, whatever the test runner made of it."""
    outer = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, outer)


@pytest.mark.usefixtures("python_handler")
def test_ctrl_c_finishes_the_batch_saves_and_hands_the_handler_back(tmp_path, capsys):
    path = tmp_path / "checkpoint.safetensors"
    callbacks = [PressCtrlC("batch"), Checkpoint(path)]
    history = make_trainer().fit(*three_classes(), epochs=3, batch_size=16, callbacks=callbacks, verbose=2)
    assert history.interrupted
    assert len(history) == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert load_checkpoint(path)["position"]["batch"] == 2
    assert "interrupted after batch 2 of 6" in capsys.readouterr().out


@pytest.mark.usefixtures("python_handler")
def test_ctrl_c_between_epochs(tmp_path, capsys):
    path = tmp_path / "checkpoint.safetensors"
    callbacks = [PressCtrlC("epoch"), Checkpoint(path)]
    history = make_trainer().fit(*three_classes(), epochs=3, callbacks=callbacks)
    assert history.interrupted
    assert load_checkpoint(path)["position"]["epoch"] == len(history) == 1
    assert "interrupted after epoch 1" in capsys.readouterr().out


@pytest.mark.usefixtures("python_handler")
def test_ctrl_c_when_all_is_done_interrupts_nothing():
    press = PressCtrlC("epoch", epoch=2)
    history = make_trainer().fit(*three_classes(), epochs=2, callbacks=[press], verbose=0)
    assert len(press.handlers) == 1
    assert not history.interrupted
    assert len(history) == 2


@pytest.mark.usefixtures("python_handler")
def test_ctrl_c_during_validation_repeats_the_validation_later(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    x, y = three_classes()
    options = {"validation_data": three_classes(32, seed=1), "epochs": 2, "batch_size": 16, "verbose": 0}
    whole = make_trainer()
    whole_history = whole.fit(x, y, **options)
    trainer = make_trainer()
    plain_loss = trainer.loss

    def loss_with_ctrl_c(output, target):
        if not trainer.model.training:
            signal.raise_signal(signal.SIGINT)
        return plain_loss(output, target)

    trainer.loss = loss_with_ctrl_c
    history = trainer.fit(x, y, **options, callbacks=[Checkpoint(path)])
    assert history.interrupted
    assert len(history) == 0
    assert load_checkpoint(path)["position"]["batch"] == 6  # all of the epoch
    resumed = make_trainer()
    resumed_history = resumed.fit(x, y, **options, resume=path)
    assert without_times(resumed_history) == without_times(whole_history)
    assert_same_numbers(snapshot(resumed), snapshot(whole))


@pytest.mark.usefixtures("python_handler")
def test_second_ctrl_c_stops_at_once():
    press = PressCtrlC("batch", times=2)
    with pytest.raises(KeyboardInterrupt):
        make_trainer().fit(*three_classes(), callbacks=[press], verbose=0)
    assert press.handlers == [signal.default_int_handler]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_given_generators_are_part_of_the_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    x, y = three_classes(16)

    def noisy_trainer(seed):
        noise = tn.Generator(seed)
        return make_trainer(
            regularizer=lambda model: tn.tensor(noise.uniform(())), generators={"noise": noise}
        )

    whole = noisy_trainer(1).fit(x, y, epochs=3, verbose=0)
    noisy_trainer(1).fit(x, y, epochs=1, verbose=0, callbacks=[Checkpoint(path)])
    resumed = noisy_trainer(2).fit(x, y, epochs=3, verbose=0, resume=path)
    assert without_times(resumed) == without_times(whole)
    with pytest.raises(CheckpointError, match="holds the state of generator noise, which is not here"):
        make_trainer().fit(x, y, epochs=3, verbose=0, resume=path)


def test_fit_and_resume_on_a_gpu(tmp_path, cuda):
    x, y = three_classes(40)
    path = tmp_path / "checkpoint.safetensors"
    trainer = make_trainer(device=cuda)
    history = trainer.fit(x, y, epochs=4, verbose=0, callbacks=[Checkpoint(path, every_epochs=2), KeepBest()])
    assert all(parameter.device == cuda for parameter in trainer.model.parameters())
    assert history["loss"][-1] < history["loss"][0]
    assert isinstance(trainer.predict(x), np.ndarray)
    resumed = make_trainer(device=cuda)
    assert len(resumed.fit(x, y, epochs=5, verbose=0, callbacks=[KeepBest()], resume=path)) == 5
