"""`Callback`: the moments of a fit at which other code can step in."""

from tinynet.errors import ArgumentError

__all__ = ["Callback", "monitored"]


class Callback:
    """Base of the callbacks. Each method gets the running `Fit`: its model, history, epoch, batch, stop().

    A callback whose memory matters for resuming puts it into `state_dict`: nested dictionaries and lists
    of numbers, texts and arrays. They become part of the checkpoint.

    Attributes:
        runs_last: whether this callback's turn comes after all others, so that it sees their work.
    """

    runs_last = False

    def on_fit_begin(self, fit):
        """Before the first batch, and before a checkpoint is restored: forget earlier fits."""

    def on_epoch_begin(self, fit):
        """Before the first batch of an epoch, or the first after resuming. ``fit.epoch`` counts from 0."""

    def on_batch_end(self, fit):
        """After an optimiser step. ``fit.batch`` batches of the epoch are done."""

    def on_epoch_end(self, fit, row):
        """After training and validation of an epoch; `row` is the last row of the history, to be added to."""

    def on_interrupt(self, fit):
        """After Ctrl-C, when the batch at hand is done."""

    def on_fit_end(self, fit):
        """After the last epoch, or after an interrupted one. Not called when an error ends the fit."""

    def state_dict(self):
        """What `load_state_dict` needs to go on; empty when there is nothing to remember."""
        return {}

    def load_state_dict(self, state):
        """Continues from a state given by `state_dict`. Raises an error for a state that is no such."""


def monitored(callback, row, metric):
    """The figure that a callback watches: its name and value in this row of the history.

    Args:
        callback: for the error message.
        row: figures by name.
        metric: the name; None takes the validation loss, and without validation data the loss.

    Raises:
        ArgumentError: there is no such figure.
    """
    name = metric or ("val_loss" if "val_loss" in row else "loss")
    if name not in row:
        raise ArgumentError(f"{type(callback).__name__}: there is no {name!r}; there is {', '.join(row)}")
    return name, row[name]


def check_state(callback, state, **kinds):
    """Raises ArgumentError unless a state has exactly the given fields, each of one of the given types."""
    name = type(callback).__name__
    if set(state) != set(kinds):
        raise ArgumentError(f"{name}: the state should hold {sorted(kinds)}, but holds {sorted(state)}")
    for field, kind in kinds.items():
        if isinstance(state[field], bool) or not isinstance(state[field], kind):
            raise ArgumentError(f"{name}: {field} should not be {state[field]!r}")
