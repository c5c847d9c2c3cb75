"""Callbacks that watch a figure: keeping the best weights, and stopping when nothing improves."""

import math
from pathlib import Path

import numpy as np

from tinynet.errors import ArgumentError
from tinynet.training.callbacks.base import Callback, check_state, monitored
from tinynet.training.history import lower_is_better

__all__ = ["EarlyStopping", "KeepBest"]

_NUMBER_OR_NONE = (int, float, type(None))


class _Watcher(Callback):
    """Remembers the best value of a figure.

    Attributes:
        best: the best value so far, None before the first. NaN is never best.
        best_epoch: the epoch (from 1) that had it.
    """

    def __init__(self, monitor=None, mode=None, min_delta=0.0):
        lower_is_better("", mode)
        self.monitor = monitor
        self.mode = mode
        self.min_delta = min_delta
        self._forget()

    def _forget(self):
        self.best = None
        self.best_epoch = 0

    def on_fit_begin(self, fit):
        self._forget()

    def _improves(self, row):
        """Whether this row is better than all before by more than ``min_delta``; if so, remembers it."""
        name, value = monitored(self, row, self.monitor)
        if math.isnan(value):
            return False
        if self.best is not None:
            gain = self.best - value if lower_is_better(name, self.mode) else value - self.best
            # Two equal infinities differ by NaN, which is no improvement.
            if not gain > self.min_delta:
                return False
        self.best, self.best_epoch = value, row["epoch"]
        return True

    def state_dict(self):
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state):
        check_state(self, state, best=_NUMBER_OR_NONE, best_epoch=int)
        self.best, self.best_epoch = state["best"], state["best_epoch"]


class KeepBest(_Watcher):
    """Keeps the weights of the best epoch and puts them into the model when the fit ends.

    Args:
        monitor: the figure to watch; None takes the validation loss, and without validation data the loss.
        mode: ``"min"`` or ``"max"``; None takes the lowest loss or error and the highest of others.
        path: a safetensors file to which the best weights are written as well.
        restore: whether the model gets the best weights at the end.
    """

    def __init__(self, monitor=None, mode=None, path=None, restore=True):
        super().__init__(monitor, mode)
        self.path = None if path is None else Path(path)
        self.restore = restore

    def _forget(self):
        super()._forget()
        self.weights = {}

    def on_fit_begin(self, fit):
        super().on_fit_begin(fit)
        self._shapes = {name: tensor.shape for name, tensor in fit.model.state_dict().items()}

    def on_epoch_end(self, fit, row):
        if not self._improves(row):
            return
        self.weights = {name: tensor.numpy().copy() for name, tensor in fit.model.state_dict().items()}
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fit.model.save(self.path)

    def on_fit_end(self, fit):
        if self.restore and self.weights:
            fit.model.load_state_dict(self.weights)

    def state_dict(self):
        return {**super().state_dict(), "weights": self.weights}

    def load_state_dict(self, state):
        check_state(self, state, best=_NUMBER_OR_NONE, best_epoch=int, weights=dict)
        shapes = {name: np.shape(array) for name, array in state["weights"].items()}
        if shapes not in ({}, self._shapes):
            raise ArgumentError("KeepBest: the best weights in the state are not those of this model")
        self.best, self.best_epoch, self.weights = state["best"], state["best_epoch"], state["weights"]


class EarlyStopping(_Watcher):
    """Stops the fit after more than `patience` epochs in a row without improvement.

    Args:
        monitor: the figure to watch; None takes the validation loss, and without validation data the loss.
        patience: how many epochs without improvement are borne.
        min_delta: how much better counts as an improvement.
        mode: ``"min"`` or ``"max"``; None takes the lowest loss or error and the highest of others.
    """

    def __init__(self, monitor=None, patience=5, min_delta=0.0, mode=None):
        super().__init__(monitor, mode, min_delta)
        self.patience = patience

    def _forget(self):
        super()._forget()
        self.epochs_without_improvement = 0

    def on_epoch_end(self, fit, row):
        if self._improves(row):
            self.epochs_without_improvement = 0
            return
        self.epochs_without_improvement += 1
        if self.epochs_without_improvement > self.patience:
            fit.stop()

    def state_dict(self):
        return {**super().state_dict(), "epochs_without_improvement": self.epochs_without_improvement}

    def load_state_dict(self, state):
        check_state(self, state, best=_NUMBER_OR_NONE, best_epoch=int, epochs_without_improvement=int)
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.epochs_without_improvement = state["epochs_without_improvement"]
