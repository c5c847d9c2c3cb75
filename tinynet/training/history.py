"""`History`: the figures of each epoch, as rows that can be read, saved and plotted."""

import csv
import math

from tinynet.errors import ArgumentError, DataError, MissingExtraError
from tinynet.training.files import written_whole

__all__ = ["History", "lower_is_better"]

_NOT_CURVES = ("epoch", "seconds", "peak_memory")
_MANY_EPOCHS = 30  # from here on marking each epoch would hide the curve


class History:
    """The figures of each epoch: ``history["val_loss"]`` is a column, ``history.epochs[3]`` a row.

    Attributes:
        epochs: one dictionary for each epoch: ``epoch`` (from 1), ``loss`` and metrics, the same with
            ``val_`` in front for validation data, ``learning_rate`` (that of the last step, or of the next
            where a schedule is stepped every batch), ``seconds``, ``peak_memory``, and what callbacks
            added. The peak is in MiB (2²⁰ bytes): the most that large arrays in main memory took at once
            in the epoch, or since it was resumed; activations and gradients above all. It counts what
            comes from `tinynet_kernels.memory`, which are results of kernels and arithmetic from 64 KiB
            on, but neither the parameters and the optimiser's state nor the data.
        interrupted: whether Ctrl-C ended the training before its time.
    """

    def __init__(self, epochs=()):
        self.epochs = [dict(row) for row in epochs]
        self.interrupted = False

    def __len__(self):
        return len(self.epochs)

    def __getitem__(self, name):
        """The column of this name, None where an epoch lacks it. Raises ArgumentError for unknown names."""
        if name not in self.columns:
            raise ArgumentError(
                f"history: there is no {name!r}; there is {', '.join(self.columns) or 'nothing'}"
            )
        return [row.get(name) for row in self.epochs]

    def __repr__(self):
        return f"History({len(self)} epochs: {', '.join(self.columns)})"

    @property
    def columns(self):
        """The names of all figures, in the order in which they first came."""
        return list(dict.fromkeys(name for row in self.epochs for name in row))

    def append(self, row):
        """Adds the figures of one epoch."""
        self.epochs.append(dict(row))

    def best(self, metric, mode=None):
        """The row in which a figure is best. NaN is never best; of equals the first is taken.

        Args:
            metric: the name of the figure.
            mode: ``"min"`` or ``"max"``; None takes the lowest loss or error and the highest of others.

        Raises:
            ArgumentError: no epoch has that figure as a number.
        """
        values = self[metric]
        numbered = [(v, row) for v, row in zip(values, self.epochs, strict=True) if _is_number(v)]
        if not numbered:
            raise ArgumentError(f"history: no epoch has a number for {metric!r}")
        pick = min if lower_is_better(metric, mode) else max
        return pick(numbered, key=lambda pair: pair[0])[1]

    def to_csv(self, path):
        """Writes one line for each epoch. Numbers are written so that they are read back exactly."""
        with written_whole(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.epochs)

    @classmethod
    def from_csv(cls, path):
        """Reads what `to_csv` wrote. Raises DataError when the lines don't fit the header."""
        with open(path, newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
        if not lines:
            return cls()
        header, *rows = lines
        for number, row in enumerate(rows, start=2):
            if len(row) != len(header):
                raise DataError(
                    f"{path}: line {number} has {len(row)} fields, but the header has {len(header)}"
                )
        return cls(
            {name: _parsed(text) for name, text in zip(header, row, strict=True) if text} for row in rows
        )

    def plot(self, path):
        """Draws the curves of all figures into an image file; training and validation share a panel.

        The learning rate has a panel if it changes.
        Needs matplotlib (the extra ``plot``). pyplot and its global state are not used.
        """
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError as error:
            raise MissingExtraError("History.plot", "matplotlib", "plot") from error
        panels = list(dict.fromkeys(name.removeprefix("val_") for name in self._curves()))
        figure = Figure(figsize=(5 * max(len(panels), 1), 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        for number, panel in enumerate(panels, start=1):
            self._draw(figure.add_subplot(1, len(panels), number), panel)
        with written_whole(path) as temporary:
            figure.savefig(temporary, dpi=120)

    def _curves(self):
        """The columns that are worth a curve."""
        dull = set(_NOT_CURVES)
        if "learning_rate" in self.columns and len(set(self["learning_rate"])) == 1:
            dull.add("learning_rate")
        return [name for name in self.columns if name not in dull and any(map(_is_number, self[name]))]

    def _draw(self, axes, panel):
        for name, label in ((panel, "training"), (f"val_{panel}", "validation")):
            if name in self._curves():
                values = [value if _is_number(value) else math.nan for value in self[name]]
                numbers = [row.get("epoch", index) for index, row in enumerate(self.epochs, start=1)]
                marker = "o" if len(values) < _MANY_EPOCHS else None
                axes.plot(numbers, values, label=label, marker=marker, markersize=3)
        axes.set_title(panel.replace("_", " "))
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if f"val_{panel}" in self._curves():
            axes.legend()


def lower_is_better(metric, mode=None):
    """Whether smaller values of a metric are better: as `mode` says, or else for losses and errors.

    Raises:
        ArgumentError: the mode is neither ``"min"``, ``"max"`` nor None.
    """
    if mode not in (None, "min", "max"):
        raise ArgumentError(f"mode should be 'min', 'max' or None, not {mode!r}")
    if mode is not None:
        return mode == "min"
    return any(word in metric for word in ("loss", "error"))


def _is_number(value):
    return isinstance(value, (int, float)) and not math.isnan(value)


def _parsed(text):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
