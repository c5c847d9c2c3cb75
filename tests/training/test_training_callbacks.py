"""Callbacks: order, keeping the best, stopping early, files, schedules, progress."""

import io
import re

import numpy as np
import pytest
from training_problems import make_trainer, three_classes

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.errors import ArgumentError
from tinynet.training import (
    Callback,
    Checkpoint,
    CSVLog,
    EarlyStopping,
    History,
    KeepBest,
    Plots,
    Progress,
    ScheduleCallback,
)


class Script(Callback):
    """Puts prescribed values of a figure into the rows, before other callbacks see them."""

    def __init__(self, values, name="val_loss"):
        self.values = values
        self.name = name

    def on_epoch_end(self, fit, row):
        row[self.name] = self.values[row["epoch"] - 1]


def fit(callbacks, epochs=6, trainer=None, **options):
    trainer = trainer or make_trainer()
    return trainer.fit(*three_classes(32), epochs=epochs, callbacks=callbacks, verbose=0, **options)


def test_moments_and_their_order(tmp_path):
    moments = []

    class Log(Callback):
        def __init__(self, name):
            self.name = name

        def on_fit_begin(self, fit):
            moments.append((self.name, "fit begins", fit.epoch, fit.batch, fit.model.training))

        def on_epoch_begin(self, fit):
            moments.append((self.name, "epoch begins", fit.epoch, fit.batch))

        def on_batch_end(self, fit):
            moments.append((self.name, "batch ends", fit.epoch, fit.batch, fit.batch_samples))

        def on_epoch_end(self, fit, row):
            moments.append((self.name, "epoch ends", row["epoch"], fit.epoch))

        def on_fit_end(self, fit):
            moments.append((self.name, "fit ends", fit.epoch))

    class Last(Log):
        runs_last = True

    fit([Last("last"), Log("a")], epochs=1, batch_size=20)
    assert moments == [
        ("a", "fit begins", 0, 0, True),
        ("last", "fit begins", 0, 0, True),
        ("a", "epoch begins", 0, 0),
        ("last", "epoch begins", 0, 0),
        ("a", "batch ends", 0, 1, 20),
        ("last", "batch ends", 0, 1, 20),
        ("a", "batch ends", 0, 2, 12),
        ("last", "batch ends", 0, 2, 12),
        ("a", "epoch ends", 1, 1),
        ("last", "epoch ends", 1, 1),
        ("a", "fit ends", 1),
        ("last", "fit ends", 1),
    ]


class Weights(Callback):
    """Remembers the weights of every epoch."""

    def on_fit_begin(self, fit):
        self.of_epoch = {}

    def on_epoch_end(self, fit, row):
        self.of_epoch[row["epoch"]] = fit.model[0].weight.numpy().copy()


def test_keep_best_restores_and_writes_the_best_epoch(tmp_path):
    weights = Weights()
    keep = KeepBest(path=tmp_path / "best" / "model.safetensors")
    trainer = make_trainer()
    fit([Script([3.0, float("nan"), 1.0, 2.0, 1.0, 5.0]), weights, keep], trainer=trainer)
    assert (keep.best, keep.best_epoch) == (1.0, 3)
    np.testing.assert_array_equal(trainer.model[0].weight.numpy(), weights.of_epoch[3])
    other = make_trainer(seed=9)
    other.model.load(tmp_path / "best" / "model.safetensors")
    np.testing.assert_array_equal(other.model[0].weight.numpy(), weights.of_epoch[3])


def test_keep_best_of_what_should_be_high_without_restoring():
    weights = Weights()
    keep = KeepBest("score", restore=False)
    trainer = make_trainer()
    fit([Script([0.1, 0.9, 0.3], "score"), weights, keep], epochs=3, trainer=trainer)
    assert keep.best_epoch == 2
    np.testing.assert_array_equal(trainer.model[0].weight.numpy(), weights.of_epoch[3])
    np.testing.assert_array_equal(keep.weights["0.weight"], weights.of_epoch[2])


def test_early_stopping_counts_epochs_without_improvement():
    stop = EarlyStopping(patience=1, min_delta=0.1)
    history = fit([Script([3.0, 2.0, 1.95, 1.8, 1.79, 1.78, 0.0]), stop], epochs=7)
    assert len(history) == 6
    assert history["val_loss"][-1] == 1.78  # what a callback adds to a row stays in the history
    assert stop.best_epoch == 4
    history = fit([Script([3.0, 2.0, 1.0, 0.5]), stop], epochs=4)  # a second fit begins anew
    assert len(history) == 4


def test_watched_figures_must_exist():
    with pytest.raises(ArgumentError, match="EarlyStopping: there is no 'val_acc'; there is epoch, loss"):
        fit([EarlyStopping("val_acc")], epochs=1)
    with pytest.raises(ArgumentError, match="mode should be 'min', 'max' or None, not 'least'"):
        KeepBest(mode="least")
    watch = KeepBest()
    fit([watch], epochs=1)  # without validation data, the loss
    assert watch.best_epoch == 1


def test_csv_log_and_plots_follow_the_history(tmp_path):
    pytest.importorskip("matplotlib", reason="curves need matplotlib")
    history = fit([CSVLog(tmp_path / "log.csv"), Plots(tmp_path / "curves.png", every=2)], epochs=3)
    assert History.from_csv(tmp_path / "log.csv").epochs == history.epochs
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ArgumentError, match="every must be at least 1, not 0"):
        Plots("curves.png", every=0)


def test_plateau_gets_the_monitored_figure():
    model = nn.Linear(4, 3)
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    plateau = optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    trainer = tn.Trainer(model, optimizer, F.cross_entropy)
    history = fit([Script([3.0, 3.0, 2.0, 2.5, 1.0]), ScheduleCallback(plateau)], 5, trainer)
    assert history["learning_rate"] == [1.0, 1.0, 0.5, 0.5, 0.25]
    with pytest.raises(ArgumentError, match="ReduceLROnPlateau can only be stepped every 'epoch'"):
        ScheduleCallback(plateau, every="batch")


def test_checkpoints_are_written_when_asked(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        "tinynet.training.fit.save_checkpoint",
        lambda path, state: written.append((state["position"]["epoch"], state["position"]["batch"])),
    )
    fit([Checkpoint(tmp_path / "c", every_epochs=2)], epochs=5, batch_size=8)
    assert written == [(2, 0), (4, 0), (5, 0)]
    written.clear()
    fit([Checkpoint(tmp_path / "c", every_epochs=None, every_batches=3)], epochs=2, batch_size=8)
    assert written == [(0, 3), (1, 3), (2, 0)]
    written.clear()
    fit([Checkpoint(tmp_path / "c", every_epochs=None, every_seconds=1e-9)], epochs=1, batch_size=8)
    assert written == [(0, 1), (0, 2), (0, 3), (0, 4), (1, 0)]
    written.clear()
    early = EarlyStopping(patience=0)
    fit([Checkpoint(tmp_path / "c", every_epochs=None), Script([1.0, 2.0, 3.0]), early], epochs=3)
    assert written == [(2, 0)]
    with pytest.raises(ArgumentError, match="Checkpoint: every_batches must be positive, not 0"):
        Checkpoint(tmp_path / "c", every_batches=0)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_prints_a_line_for_each_epoch(capsys):
    trainer = make_trainer()
    trainer.fit(*three_classes(32), validation_data=three_classes(8), epochs=2, verbose=1)
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("compiling")]
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2  loss ")
    for part in ("accuracy", "val_loss", "val_accuracy", "samples/s", "MiB"):
        assert part in lines[1]
    trainer.fit(*three_classes(32), epochs=2, verbose=0)
    assert capsys.readouterr().out == ""


def test_progress_shows_a_bar_on_a_terminal():
    terminal = Terminal()
    fit([Progress(file=terminal)], epochs=1, batch_size=8)
    assert "0/4" in terminal.getvalue()
    assert "epoch 1/1" in terminal.getvalue()
    assert "\r" in terminal.getvalue()
    plain = Terminal()
    fit([Progress(verbose=2, file=plain)], epochs=1, batch_size=8)
    assert plain.getvalue().count("\n") == 1
    assert "\r" not in plain.getvalue()


def test_progress_shows_figures_of_the_last_batch_but_not_of_every_one():
    """Looking at them would make the program wait for a GPU."""
    fits = []

    class Counted(Progress):
        def on_batch_end(self, fit):
            fits.append(fit)
            fit.figures = lambda: looks.append(fit.batch) or {"loss": 0.25}
            super().on_batch_end(fit)
            del fit.figures

    looks = []
    fit([Counted(file=Terminal())], epochs=1, batch_size=2)
    assert len(fits) == 16
    assert looks[0] == 1
    assert looks[-1] == 16
    assert len(looks) < 16


def test_progress_shows_what_the_memory_pools_hold(cuda_stand_in):
    on_cpu, on_gpu, terminal = io.StringIO(), io.StringIO(), Terminal()
    fit([Progress(verbose=2, file=on_cpu, show_memory=True)], epochs=1)
    assert re.search(r"MiB  CPU [\d,]+ \+ [\d,]+ MiB\n$", on_cpu.getvalue())
    callbacks = [Progress(file=terminal, show_memory=True), Progress(2, on_gpu, show_memory=True)]
    make_trainer(device="cuda").fit(*three_classes(32), callbacks=callbacks, verbose=0)
    assert re.search(r"MiB  CPU [\d,]+ \+ [\d,]+ MiB, GPU 3 \+ 2 MiB\n$", on_gpu.getvalue())
    assert "GPU 3 + 2 MiB" in terminal.getvalue()


def test_fit_shows_memory_on_request(capsys):
    make_trainer().fit(*three_classes(32), verbose=2)
    make_trainer().fit(*three_classes(32), verbose=2, show_memory=True)
    plain, asked = capsys.readouterr().out.splitlines()[-2:]
    assert " + " not in plain
    assert re.search(r"CPU [\d,]+ \+ [\d,]+ MiB$", asked)


def test_progress_says_once_that_kernels_are_compiled():
    plain = io.StringIO()
    progress = Progress(verbose=2, file=plain)
    for name in ("_forward", "_adam"):
        progress.announce_compilation(name)
    assert plain.getvalue() == "compiling kernels for this processor: some seconds, in the first run only\n"
    silent = io.StringIO()
    Progress(verbose=0, file=silent).announce_compilation("_forward")
    assert silent.getvalue() == ""
