"""What makes a network too sure of itself, and temperature scaling as the remedy.

Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural networks", ICML 2017,
sections 3 and 4: depth, batch norm and little weight decay each make networks less calibrated.
"""

import csv
import itertools

import numpy as np

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.errors import MissingExtraError
from tinynet.inspection import reliability_diagram
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

WIDTH = 256
TRAINING_IMAGES = 15_000  # few, so that a network can learn them by heart
VALIDATION_IMAGES = 5_000
DEPTHS = (2, 6)
WEIGHT_DECAYS = (0.0, 0.3)
# What the paper says is worst: deep, with batch norm, without weight decay.
WORST = (6, True, 0.0)

COLUMNS = ("depth", "batch_norm", "weight_decay", "accuracy", "error_before", "error_after", "temperature")


def _conduct(work):
    """Trains networks that differ in one thing at a time, and calibrates each."""
    data = data_sets.load(work.settings["data"])
    train, validation = data_sets.hold_out(data.train, VALIDATION_IMAGES, work.settings["seed"])
    train = (train.images[:TRAINING_IMAGES], train.labels[:TRAINING_IMAGES])
    rows = []
    for depth, batch_norm, decay in itertools.product(DEPTHS, (False, True), WEIGHT_DECAYS):
        tn.manual_seed(work.settings["seed"])
        model = _network(train[0].shape[1:], len(data.class_names), depth, batch_norm)
        trainer = _train(model, decay, train, work.settings)
        scaling = TemperatureScaling().fit(trainer.predict(validation.images), validation.labels)
        logits = trainer.predict(data.test.images)
        row = _measure(depth, batch_norm, decay, logits, scaling, data.test.labels)
        rows.append(row)
        work.say(
            f"{depth} layers, {'batch norm' if batch_norm else 'no batch norm'}, weight decay {decay}: "
            f"accuracy {row[3]:.2%}, calibration error {row[4]:.4f}, after scaling {row[5]:.4f} "
            f"(T = {row[6]:.3f})"
        )
        if (depth, batch_norm, decay) == WORST:
            results = _results(row, logits, scaling, data.test.labels)
            _draw(work, logits, scaling, data.test.labels)
    with open(work.folder / "calibration.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    return results


def _network(input_shape, num_classes, depth, batch_norm):
    layers = [nn.Flatten()]
    size = int(np.prod(input_shape))
    for _ in range(depth):
        layers.append(nn.Linear(size, WIDTH))
        layers += [nn.BatchNorm1d(WIDTH)] if batch_norm else []
        layers.append(nn.ReLU())
        size = WIDTH
    return nn.Sequential(*layers, nn.Linear(size, num_classes))


def _train(model, weight_decay, train, settings):
    optimizer = optim.AdamW(model.parameters(), lr=settings["learning_rate"], weight_decay=weight_decay)
    trainer = Trainer(model, optimizer, F.cross_entropy)
    options = {name: settings[name] for name in ("epochs", "batch_size", "seed")}
    trainer.fit(*train, verbose=0, **options)
    return trainer


def _measure(depth, batch_norm, decay, logits, scaling, labels):
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    before, after = (expected_calibration_error(z, labels) for z in (logits, scaling(logits)))
    return depth, batch_norm, decay, accuracy, float(before), float(after), float(scaling.temperature)


def _results(row, logits, scaling, labels):
    """What temperature scaling does to the network that the paper calls the worst."""
    scaled = scaling(logits)
    before, after, temperature = row[4:]
    return {
        "test_accuracy": row[3],
        "calibration_error_before": before,
        "calibration_error_after": after,
        "calibration_error_ratio": after / before,
        "temperature": temperature,
        "changed_predictions": int((scaled.argmax(axis=1) != logits.argmax(axis=1)).sum()),
        "negative_log_likelihood_before": float(negative_log_likelihood(logits, labels)),
        "negative_log_likelihood_after": float(negative_log_likelihood(scaled, labels)),
    }


def _draw(work, logits, scaling, labels):
    bins = [reliability(z, labels) for z in (logits, scaling(logits))]
    titles = ["as trained", f"divided by T = {scaling.temperature:.2f}"]
    try:
        reliability_diagram(work.folder / "reliability.png", bins, titles)
    except MissingExtraError as error:
        work.say(f"no picture: {error}")


CALIBRATION = Study(
    name="calibration",
    title="Depth, batch norm and weight decay against calibration; temperature scaling",
    source="Articles on deep learning research papers, On Calibration of Modern Neural Networks",
    settings={
        "fashion-mnist": Settings(epochs=15, batch_size=100, learning_rate=1e-3),
        "mnist": Settings(epochs=15, batch_size=100, learning_rate=1e-3),
    },
    figures=(
        Figure("calibration_error_ratio", 0.5, "goal of this project", "fashion-mnist", goal="at most"),
        Figure("changed_predictions", 0, "Guo et al., section 4.2", goal="exactly"),
    ),
    conduct=_conduct,
)
