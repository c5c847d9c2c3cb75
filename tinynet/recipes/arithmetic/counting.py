"""Counting digits in a sequence of images, and adding them up: short sequences learnt, long ones asked for.

Source: Trask et al., "Neural arithmetic logic units", 2018, section 4.2.
"""

from dataclasses import dataclass

import numpy as np

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.errors import MissingExtraError
from tinynet.inspection.figures import new_figure, save_figure
from tinynet.recipes import data as data_sets
from tinynet.recipes.arithmetic.descent import descend, on_device
from tinynet.recipes.arithmetic.tables import markdown_table, write_markdown
from tinynet.recipes.base import Figure, Settings, Study

__all__ = ["COUNTING", "HEADS", "TASKS", "AccumulatorHead", "Counter", "draw_sequences"]

STEPS_PER_EPOCH = 100
TRAINED_LENGTH = 10
# How many sequences of each length are tested.
TEST_LENGTHS = {10: 1000, 100: 200, 1000: 50}
HIDDEN = 32
# The weights of a NAC have a long way to go to −1, 0 and 1, where tanh and σ are flat; they learn at this
# many times the rate of the others.
QUICK = 5
CLASSES = 10


@dataclass(frozen=True)
class CountingTask:
    """What is asked about a sequence of digits.

    Attributes:
        outputs: how many numbers are asked for.
        answer: ``answer(labels)``, labels (N, T) → (N, outputs), float32.
        scores: what is taken from each image: by the sigmoid of what is read for
            each class, or the number that is read.
    """

    outputs: int
    answer: object
    scores: object


def _counts(labels):
    return (labels[..., np.newaxis] == np.arange(CLASSES)).sum(axis=1).astype(np.float32)


def _sums(labels):
    return labels.sum(axis=1, keepdims=True).astype(np.float32)


TASKS = {
    "count": CountingTask(CLASSES, _counts, F.sigmoid),
    "sum": CountingTask(1, _sums, lambda numbers: numbers),
}


class AccumulatorHead(nn.Module):
    """A recurrent NAC, whose state grows at every step by the NAC of what came: (N, T, C) → (N, C).

    A NAC has no bias and no activation, so that the state at the end is the NAC of the sum.
    """

    def __init__(self, size):
        self.accumulator = nn.NAC(size, size)

    def forward(self, x):
        return self.accumulator(x.sum(axis=1))


class RecurrentHead(nn.Module):
    """A recurrent layer, and a dense one that reads its last state: (N, T, C) → (N, C)."""

    def __init__(self, layer, size):
        self.recurrent = layer(size, HIDDEN)
        self.dense = nn.Linear(HIDDEN, size)

    def forward(self, x):
        states, _ = self.recurrent(x)
        return self.dense(states[:, -1])


HEADS = {
    "NAC": AccumulatorHead,
    "LSTM": lambda size: RecurrentHead(nn.LSTM, size),
    "RNN": lambda size: RecurrentHead(nn.RNN, size),
}


class Counter(nn.Module):
    """A small convolutional network that reads each image, and a head that is given what it read.

    (N, T, H, W, C) → (N, outputs).

    Args:
        task: a `CountingTask`.
        head: a name in `HEADS`.
        input_shape: the shape (H, W, C) of an image, at least 5 × 5.
    """

    def __init__(self, task, head, input_shape):
        height, width, channels = input_shape
        features = 16 * ((height - 5) // 4 + 1) * ((width - 5) // 4 + 1)
        self.reader = nn.Sequential(
            nn.Conv2d(channels, 16, 5, stride=4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(features, 64),
            nn.ReLU(),
            nn.Linear(64, task.outputs),
        )
        self.head = HEADS[head](task.outputs)
        self.scores = task.scores

    def read(self, images):
        """Images (M, H, W, C) → what is taken from each, (M, outputs)."""
        return self.scores(self.reader(images))

    def forward(self, images):
        sequences, length = images.shape[:2]
        read = self.read(images.reshape(sequences * length, *images.shape[2:]))
        return self.head(read.reshape(sequences, length, -1))


def draw_sequences(split, count, length, generator):
    """Draws `count` sequences of `length` images, as their indices in a split: (count, length)."""
    return generator.integers(0, len(split), (count, length))


def train(model, task, split, settings, generator):
    """Trains on sequences of ten images; only the answer for all of them is told."""
    rate = settings["learning_rate"]
    quick = list(model.head.parameters()) if isinstance(model.head, AccumulatorHead) else []
    others = [parameter for parameter in model.parameters() if not any(parameter is one for one in quick)]
    groups = [{"params": others}] + ([{"params": quick, "lr": QUICK * rate}] if quick else [])

    def draw_loss(_step):
        indices = draw_sequences(split, settings["batch_size"], TRAINED_LENGTH, generator)
        images, answers = on_device(split.images[indices]), on_device(task.answer(split.labels[indices]))
        return F.mse_loss(model(images), answers)

    descend(optim.Adam(groups, lr=rate), settings["epochs"] * STEPS_PER_EPOCH, draw_loss)


def measure(model, task, split, generator):
    """The mean absolute errors of the answers for each length in `TEST_LENGTHS`, and those of a fixed guess.

    Returns:
        Two dictionaries from lengths to errors: the model's, and those of always answering the mean.
    """
    errors, guesses = {}, {}
    with tn.no_grad():
        read = model.read(on_device(split.images)).numpy()
        for length, count in TEST_LENGTHS.items():
            indices = draw_sequences(split, count, length, generator)
            expected = task.answer(split.labels[indices])
            answers = model.head(on_device(read[indices])).numpy()
            errors[length] = float(np.abs(answers - expected).mean())
            guesses[length] = float(np.abs(expected.mean(axis=0) - expected).mean())
    return errors, guesses


def _conduct(work):
    """Trains three heads for each task and asks for sequences up to a hundred times as long."""
    data = data_sets.load(work.settings["data"])
    seed, errors = work.settings["seed"], {}
    for name, task in TASKS.items():
        for head in HEADS:
            tn.manual_seed(seed)
            model = Counter(task, head, data.train.images.shape[1:])
            train(model, task, data.train, work.settings, np.random.default_rng(seed))
            test = measure(model, task, data.test, np.random.default_rng(seed + 1))
            errors[name, head], errors[name, "the mean"] = test
            text = ", ".join(f"{error:.3g} at {length}" for length, error in test[0].items())
            work.say(f"{name} with {head}: mean absolute error {text}")
    _write_tables(work.folder / "counting.md", errors)
    try:
        _draw(work.folder / "counting.png", errors)
    except MissingExtraError as error:
        work.say(f"no picture: {error}")
    return _results(errors)


def _results(errors):
    results = {
        f"{name}_{head.lower()}_error_at_{length}": error
        for (name, head), lengths in errors.items()
        if head in HEADS
        for length, error in lengths.items()
    }
    for name in TASKS:
        nac, lstm = (results[f"{name}_{head}_error_at_1000"] for head in ("nac", "lstm"))
        results[f"{name}_nac_to_lstm_at_1000"] = nac / lstm
    return results


def _write_tables(path, errors):
    parts = []
    for name in TASKS:
        rows = [
            (head, *(f"{error:.3g}" for error in lengths.values()))
            for (task, head), lengths in errors.items()
            if task == name
        ]
        parts.append(markdown_table((name, *(f"{length} images" for length in TEST_LENGTHS)), rows))
    write_markdown(
        path,
        "Digits counted and added up",
        f"Mean absolute errors on test images, learnt from {TRAINED_LENGTH} images at a time. “Count” asks "
        "how often each digit occurs, ten numbers; “the mean” always answers the mean.",
        *parts,
    )


def _draw(path, errors):
    """The error over the length, a panel for each task."""
    figure = new_figure(9, 4)
    panels = figure.subplots(1, len(TASKS))
    for panel, name in zip(panels, TASKS, strict=True):
        for (task, head), lengths in errors.items():
            if task == name:
                panel.plot(list(lengths), list(lengths.values()), marker="o", label=head)
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set(title=name, xlabel="images in a sequence", ylabel="mean absolute error")
        panel.legend()
    return save_figure(figure, path)


COUNTING = Study(
    name="nalu-counting",
    title="How many of each digit, and their sum: a recurrent NAC, LSTM and RNN on ever longer sequences",
    source="Trask et al., Neural arithmetic logic units, section 4.2",
    settings={
        "digits": Settings(epochs=30, batch_size=32, learning_rate=5e-3),
        "mnist": Settings(epochs=40, batch_size=32, learning_rate=5e-3),
    },
    figures=tuple(
        Figure(f"{name}_nac_to_lstm_at_1000", 0.1, "goal of this project", goal="at most") for name in TASKS
    ),
    conduct=_conduct,
)
