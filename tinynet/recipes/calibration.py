"""What makes a network too sure of itself, and temperature scaling as the remedy.

Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural networks", ICML 2017,
sections 3 and 4: depth, width, batch norm and little weight decay each make networks less calibrated.
"""

import csv
import itertools
from typing import NamedTuple

import numpy as np

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.errors import MissingExtraError
from tinynet.inspection import reliability_diagram
from tinynet.inspection.figures import new_figure, save_figure
from tinynet.recipes import data as data_sets
from tinynet.recipes.base import Figure, Settings, Study
from tinynet.training import Trainer
from tinynet.training.calibration import (
    TemperatureScaling,
    expected_calibration_error,
    negative_log_likelihood,
    reliability,
)

__all__ = ["CALIBRATION"]

TRAINING_IMAGES = 15_000  # few, so that a network can learn them by heart
VALIDATION_IMAGES = 5_000
# Temperatures to compare the fitted one with, in steps of 0.3 %.
GRID = np.geomspace(0.25, 20, 1461)


class Kind(NamedTuple):
    """What the networks differ in."""

    depth: int
    width: int
    batch_norm: bool
    weight_decay: float

    def __str__(self):
        norm = "batch norm" if self.batch_norm else "no batch norm"
        return f"{self.depth} layers of {self.width}, {norm}, weight decay {self.weight_decay:g}"


# What the paper says is worst: deep, wide, with batch norm, without weight decay.
WORST = Kind(6, 256, True, 0.0)
KINDS = (
    *itertools.starmap(Kind, itertools.product((2, 6), (256,), (False, True), (0.0, 0.3))),
    WORST._replace(width=32),
)


class Row(NamedTuple):
    """What became of one network: its accuracy, its calibration error before and after scaling, and T."""

    accuracy: float
    error_before: float
    error_after: float
    temperature: float


def _conduct(work):
    """Trains networks that differ in one thing at a time, and calibrates each."""
    data = data_sets.load(work.settings["data"])
    train, validation = data_sets.hold_out(data.train, VALIDATION_IMAGES, work.settings["seed"])
    train = (train.images[:TRAINING_IMAGES], train.labels[:TRAINING_IMAGES])
    rows = {}
    for kind in KINDS:
        tn.manual_seed(work.settings["seed"])
        trainer = _train(work, _network(train[0].shape[1:], len(data.class_names), kind), kind, train)
        held_out = trainer.predict(validation.images)
        scaling = TemperatureScaling().fit(held_out, validation.labels)
        logits = trainer.predict(data.test.images)
        rows[kind] = row = _measure(logits, scaling, data.test.labels)
        work.say(
            f"{kind}: accuracy {row.accuracy:.2%}, calibration error {row.error_before:.4f}, "
            f"after scaling {row.error_after:.4f} (T = {row.temperature:.3f})"
        )
        if kind == WORST:
            results = _results(row, logits, scaling, data.test.labels)
            results["temperature_error"] = _off_the_grid(scaling, held_out, validation.labels)
            bins = [reliability(z, data.test.labels) for z in (logits, scaling(logits))]
    _write_table(work.folder / "calibration.csv", rows)
    _draw(work, rows, bins)
    return results


def _network(input_shape, num_classes, kind):
    layers = [nn.Flatten()]
    size = int(np.prod(input_shape))
    for _ in range(kind.depth):
        layers.append(nn.Linear(size, kind.width))
        layers += [nn.BatchNorm1d(kind.width)] if kind.batch_norm else []
        layers.append(nn.ReLU())
        size = kind.width
    return nn.Sequential(*layers, nn.Linear(size, num_classes))


def _train(work, model, kind, train):
    rate = work.settings["learning_rate"]
    optimizer = optim.AdamW(model.parameters(), lr=rate, weight_decay=kind.weight_decay)
    trainer = Trainer(model, optimizer, F.cross_entropy)
    work.fit(trainer, *train)
    return trainer


def _measure(logits, scaling, labels):
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    before, after = (float(expected_calibration_error(z, labels)) for z in (logits, scaling(logits)))
    return Row(accuracy, before, after, float(scaling.temperature))


def _off_the_grid(scaling, logits, labels):
    """By which share the fitted temperature differs from the best one of a fine grid."""
    best = min(GRID, key=lambda temperature: negative_log_likelihood(logits / temperature, labels))
    return float(abs(scaling.temperature / best - 1))


def _results(row, logits, scaling, labels):
    """What temperature scaling does to the network that the paper calls the worst."""
    scaled = scaling(logits)
    return {
        "test_accuracy": row.accuracy,
        "calibration_error_before": row.error_before,
        "calibration_error_after": row.error_after,
        "calibration_error_ratio": row.error_after / row.error_before,
        "temperature": row.temperature,
        "changed_predictions": int((scaled.argmax(axis=1) != logits.argmax(axis=1)).sum()),
        "negative_log_likelihood_before": float(negative_log_likelihood(logits, labels)),
        "negative_log_likelihood_after": float(negative_log_likelihood(scaled, labels)),
    }


def _write_table(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*Kind._fields, *Row._fields])
        writer.writerows([*kind, *row] for kind, row in rows.items())


def _draw(work, rows, bins):
    """The reliability of the worst network before and after scaling, and the errors of all networks."""
    titles = ["as trained", f"divided by T = {rows[WORST].temperature:.2f}"]
    try:
        reliability_diagram(work.folder / "reliability.png", bins, titles)
        _draw_errors(work.folder / "calibration.png", rows)
    except MissingExtraError as error:
        work.say(f"no picture: {error}")


def _draw_errors(path, rows):
    figure = new_figure(7.5, 0.45 * len(rows) + 1)
    axes = figure.subplots()
    places = np.arange(len(rows))
    for offset, label, column in ((-0.2, "as trained", 1), (0.2, "temperature scaled", 2)):
        axes.barh(places + offset, [row[column] for row in rows.values()], 0.38, label=label)
    axes.set_yticks(places, [str(kind) for kind in rows])
    axes.invert_yaxis()
    axes.set_xlabel("expected calibration error, test images")
    axes.legend()
    return save_figure(figure, path)


CALIBRATION = Study(
    name="calibration",
    title="Depth, width, batch norm and weight decay against calibration; temperature scaling",
    source="Articles on deep learning research papers, On Calibration of Modern Neural Networks",
    settings={
        "fashion-mnist": Settings(epochs=15, batch_size=100, learning_rate=1e-3),
        "mnist": Settings(epochs=15, batch_size=100, learning_rate=1e-3),
    },
    figures=(
        Figure("calibration_error_ratio", 0.5, "goal of this project", "fashion-mnist", goal="at most"),
        Figure("changed_predictions", 0, "Guo et al., section 4.2", goal="exactly"),
        Figure("temperature_error", 0.01, "goal of this project", goal="at most"),
    ),
    conduct=_conduct,
)
