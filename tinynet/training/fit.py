"""`Fit`: one training run, from the first batch or a checkpoint to the last epoch."""

import time
from contextlib import closing, contextmanager

from tinynet.errors import ArgumentError
from tinynet.training import state
from tinynet.training.batches import Placement, batches_between, samples_in
from tinynet.training.checkpoint import load_checkpoint, save_checkpoint
from tinynet.training.history import History
from tinynet.training.interrupts import InterruptWatch
from tinynet.training.loss_watch import LossWatch
from tinynet.training.metrics import fresh
from tinynet_kernels import memory

__all__ = ["Fit", "check_counts", "modes_kept"]

_MEBIBYTE = 2**20


class Fit:
    """A running ``Trainer.fit``; what callbacks are given.

    Attributes:
        trainer, model, optimizer: what learns.
        loader: the training batches.
        validation: the loader of the validation data, or None.
        epochs: how many epochs there shall be.
        steps: how many batches an epoch has.
        history: the `History` so far.
        epoch: how many epochs are complete.
        batch: how many batches of the running epoch are done.
        batch_samples: the number of samples in the last batch.
        stopped: whether `stop` was called.
    """

    def __init__(self, trainer, loader, validation=None, epochs=1, steps=None, callbacks=()):
        self.trainer = trainer
        self.model = trainer.model
        self.optimizer = trainer.optimizer
        self.loader = loader
        self.validation = validation
        self.epochs = epochs
        self.steps = len(loader) if steps is None else steps
        # Stable: among themselves callbacks keep the order in which they were given.
        self.callbacks = sorted(callbacks, key=lambda callback: callback.runs_last)
        self.metrics = fresh(trainer.metrics)
        self.history = History()
        self.epoch = self.batch = self.batch_samples = 0
        self.stopped = False
        self._interrupt = InterruptWatch()
        self._losses = LossWatch()
        self.seconds = 0.0

    @property
    def seconds(self):
        """How long the running epoch has taken so far, validation included."""
        return time.perf_counter() - self._start

    @seconds.setter
    def seconds(self, elapsed):
        self._start = time.perf_counter() - elapsed

    @property
    def _is_unfinished(self):
        return self.epoch < self.epochs and not self.stopped

    def stop(self):
        """Makes the running epoch the last."""
        self.stopped = True

    def figures(self):
        """Loss and metrics of the running epoch so far. On a GPU the program waits for them.

        Raises AnomalyError when a loss isn't finite, see `Trainer`.
        """
        self._losses.look()
        return {metric.name: metric.result() for metric in self.metrics}

    def save_checkpoint(self, path):
        """Saves everything needed to go on from here, between two batches or two epochs.

        Raises AnomalyError when a loss isn't finite, see `Trainer`; the file is then left as it is.
        """
        self._losses.look()
        save_checkpoint(path, state.capture(self))

    def run(self, resume=None):
        """Trains. Returns the history.

        Args:
            resume: the path of a checkpoint to go on from, or None.
        """
        with modes_kept(self.model), self._interrupt:
            self.model.train()
            self._tell("on_fit_begin")
            if resume is not None:
                state.restore(self, load_checkpoint(resume), resume)
            self._place = Placement(self.model)
            while self._is_unfinished and not self._interrupt.requested:
                self._run_epoch()
            if self._interrupt.requested and self._is_unfinished:
                self.history.interrupted = True
                self._tell("on_interrupt")
            self._tell("on_fit_end")
        return self.history

    def _run_epoch(self):
        """Runs what is left of an epoch; after Ctrl-C returns where it is, to be continued."""
        if not self.batch:
            self.seconds = 0.0
        memory.reset_peak()
        self._tell("on_epoch_begin")
        start = self.epoch * self.steps
        with closing(batches_between(self.loader, start + self.batch, start + self.steps)) as batches:
            for batch in batches:
                self._train_on(batch)
                if self._interrupt.requested:
                    break
        if self.batch < self.steps:
            return
        self._losses.look()
        validation = self._validate()
        if validation is not None:
            self._finish_epoch(validation)

    def _train_on(self, batch):
        place = f"epoch {self.epoch + 1}, batch {self.batch + 1} of {self.steps}"
        self.batch_samples = samples_in(batch)
        self.trainer.train_on_batch(self._place(batch), self.metrics, place, self._losses)
        self.batch += 1
        self._tell("on_batch_end")

    def _validate(self):
        """Figures by name for the validation data; None when Ctrl-C came before they were complete."""
        if self.validation is None:
            return {}
        figures = self.trainer.evaluate_loader(self.validation, lambda: self._interrupt.requested)
        return figures and {f"val_{name}": value for name, value in figures.items()}

    def _finish_epoch(self, validation):
        row = {
            "epoch": self.epoch + 1,
            **self.figures(),
            **validation,
            "learning_rate": float(self.optimizer.groups[0]["lr"]),
            "seconds": self.seconds,
            "peak_memory": round(memory.statistics().peak_in_use / _MEBIBYTE, 3),
        }
        self.history.append(row)
        self.epoch += 1
        self.batch = 0
        for metric in self.metrics:
            metric.reset()
        self._tell("on_epoch_end", self.history.epochs[-1])

    def _tell(self, moment, *arguments):
        for callback in self.callbacks:
            getattr(callback, moment)(self, *arguments)


@contextmanager
def modes_kept(model):
    """Puts every module back into the mode (training or inference) that it had before the block."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def check_counts(**counts):
    """Raises ArgumentError unless each is an integer of at least 1 (or 0 for epochs), or None."""
    for name, count in counts.items():
        least = 0 if name == "epochs" else 1
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < least):
            raise ArgumentError(f"fit: {name} should be an integer of at least {least}, not {count!r}")
