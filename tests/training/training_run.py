"""A training run as a program of its own, to be killed and resumed.

    python training_run.py FOLDER [--resume] [--signal NAME BATCHES]

Writes FOLDER/checkpoint.safetensors while it runs, and at the end FOLDER/weights.npz and
FOLDER/history.json. Everything that has a state takes part: dropout, batch statistics, Adam, a schedule
stepped every batch, shuffling, validation, KeepBest and EarlyStopping.
"""

import argparse
import json
import os
import signal
from pathlib import Path

import numpy as np
from training_problems import make_trainer, snapshot, three_classes, without_times

import tinynet as tn
from tinynet import optim
from tinynet.training import Callback, Checkpoint, EarlyStopping, KeepBest

EPOCHS = 5
BATCHES = 12  # in an epoch


class SignalAfter(Callback):
    """Sends a signal to this process after so many batches, once the checkpoint that is due was written."""

    runs_last = True

    def __init__(self, name, batches):
        self.number = signal.Signals[name]
        self.batches = batches

    def on_batch_end(self, fit):
        if fit.epoch * fit.steps + fit.batch == self.batches:
            os.kill(os.getpid(), self.number)


def run(folder, resume=None, extra=(), epochs=EPOCHS, **options):
    """Trains. Returns the trainer and the history."""
    base = make_trainer()
    trainer = tn.Trainer(
        base.model,
        base.optimizer,
        base.loss,
        ["accuracy"],
        clip_norm=1.0,
        schedule=optim.OneCycleLR(base.optimizer, 0.05, EPOCHS * BATCHES),
        schedule_every="batch",
    )
    checkpoint = Checkpoint(Path(folder) / "checkpoint.safetensors", every_batches=5)
    options = {"batch_size": 8, "seed": 4, "verbose": 0, **options}
    callbacks = [KeepBest("val_accuracy"), EarlyStopping(patience=20), checkpoint, *extra]
    history = trainer.fit(
        *three_classes(8 * BATCHES),
        validation_data=three_classes(32, seed=1),
        epochs=epochs,
        callbacks=callbacks,
        resume=resume,
        **options,
    )
    return trainer, history


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--signal", nargs=2)
    arguments = parser.parse_args()
    extra = []
    if arguments.signal:
        name, batches = arguments.signal
        extra = [SignalAfter(name, int(batches))]
    resume = arguments.folder / "checkpoint.safetensors" if arguments.resume else None
    trainer, history = run(arguments.folder, resume, extra)
    np.savez(arguments.folder / "weights.npz", **snapshot(trainer))
    record = {"interrupted": history.interrupted, "epochs": without_times(history)}
    (arguments.folder / "history.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main()
