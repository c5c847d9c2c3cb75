"""Callbacks: what happens besides learning while a model is fitted."""

from tinynet.training.callbacks.base import Callback
from tinynet.training.callbacks.keepers import EarlyStopping, KeepBest
from tinynet.training.callbacks.schedules import ScheduleCallback
from tinynet.training.callbacks.writers import Checkpoint, CSVLog, Plots

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "KeepBest",
    "Plots",
    "ScheduleCallback",
]
