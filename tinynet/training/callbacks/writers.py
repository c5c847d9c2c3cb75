"""Callbacks that write files: the history as a table and as curves, and checkpoints."""

import time
from pathlib import Path

from tinynet.errors import ArgumentError
from tinynet.training.callbacks.base import Callback

__all__ = ["CSVLog", "Checkpoint", "Plots"]


class CSVLog(Callback):
    """Writes the history to a CSV file after each epoch; see `History.to_csv`."""

    def __init__(self, path):
        self.path = Path(path)

    def on_epoch_end(self, fit, row):
        fit.history.to_csv(self.path)


class Plots(Callback):
    """Draws the curves of the history into an image file after every `every` epochs and at the end."""

    def __init__(self, path, every=1):
        if every < 1:
            raise ArgumentError(f"Plots: every must be at least 1, not {every}")
        self.path = Path(path)
        self.every = every

    def on_epoch_end(self, fit, row):
        if row["epoch"] % self.every == 0:
            fit.history.plot(self.path)

    def on_fit_end(self, fit):
        if len(fit.history) % self.every:
            fit.history.plot(self.path)


class Checkpoint(Callback):
    """Saves everything that is needed to go on, in one file; see ``Trainer.fit(resume=...)``.

    The file is replaced as a whole, so that a crash at any moment leaves the previous one. It is written
    as often as any of the conditions asks for, after the last epoch, and on Ctrl-C.

    Args:
        path: the file.
        every_epochs: after every so many epochs; None for the last only.
        every_batches: after every so many batches, counted from the beginning of each epoch.
        every_seconds: at the first end of a batch that comes so many seconds after the last writing.

    Raises:
        ArgumentError: an interval isn't positive.
    """

    runs_last = True

    def __init__(self, path, every_epochs=1, every_batches=None, every_seconds=None):
        intervals = {
            "every_epochs": every_epochs,
            "every_batches": every_batches,
            "every_seconds": every_seconds,
        }
        for name, interval in intervals.items():
            if interval is not None and not interval > 0:
                raise ArgumentError(f"Checkpoint: {name} must be positive, not {interval}")
        self.path = Path(path)
        self.every_epochs = every_epochs
        self.every_batches = every_batches
        self.every_seconds = every_seconds

    def on_fit_begin(self, fit):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._last_time = time.monotonic()

    def on_batch_end(self, fit):
        by_count = self.every_batches is not None and fit.batch % self.every_batches == 0
        elapsed = time.monotonic() - self._last_time
        if by_count or (self.every_seconds is not None and elapsed >= self.every_seconds):
            self._save(fit)

    def on_epoch_end(self, fit, row):
        by_count = self.every_epochs is not None and row["epoch"] % self.every_epochs == 0
        if by_count or fit.stopped or row["epoch"] == fit.epochs:
            self._save(fit)

    def on_interrupt(self, fit):
        self._save(fit)

    def _save(self, fit):
        fit.save_checkpoint(self.path)
        self._last_time = time.monotonic()
