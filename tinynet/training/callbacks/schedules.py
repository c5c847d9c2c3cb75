"""Stepping a learning-rate schedule."""

from tinynet.errors import ArgumentError
from tinynet.optim import ReduceLROnPlateau
from tinynet.training.callbacks.base import Callback, monitored

__all__ = ["ScheduleCallback"]


class ScheduleCallback(Callback):
    """Steps a schedule of `tinynet.optim` after each epoch or batch.

    Args:
        schedule: the schedule. One that reacts to a plateau, alone or behind a warm-up, is given the
            monitored figure.
        every: ``"epoch"`` or ``"batch"``; a plateau is looked for after epochs only.
        monitor: the figure for a plateau; None takes the validation loss, and without validation data
            the loss.

    Raises:
        ArgumentError: `every` is something else, or ``"batch"`` for a schedule that needs a figure.
    """

    def __init__(self, schedule, every="epoch", monitor=None):
        if every not in ("epoch", "batch"):
            raise ArgumentError(f"schedule: every should be 'epoch' or 'batch', not {every!r}")
        self.needs_figure = _reacts_to_plateau(schedule)
        if self.needs_figure and every == "batch":
            raise ArgumentError(f"schedule: {type(schedule).__name__} can only be stepped every 'epoch'")
        self.schedule = schedule
        self.every = every
        self.monitor = monitor

    def on_batch_end(self, fit):
        if self.every == "batch":
            self.schedule.step()

    def on_epoch_end(self, fit, row):
        if self.needs_figure:
            self.schedule.step(monitored(self, row, self.monitor)[1])
        elif self.every == "epoch":
            self.schedule.step()

    def state_dict(self):
        return self.schedule.state_dict()

    def load_state_dict(self, state):
        self.schedule.load_state_dict(state)


def _reacts_to_plateau(schedule):
    following = getattr(schedule, "then", None)
    return isinstance(schedule, ReduceLROnPlateau) or isinstance(following, ReduceLROnPlateau)
