"""Metrics against NumPy, streamed over batches."""

import math
from typing import NamedTuple

import numpy as np
import pytest

import tinynet as tn
from tinynet import models
from tinynet.errors import ArgumentError, ShapeError
from tinynet.training import (
    Accuracy,
    BinaryAccuracy,
    Metric,
    TopKAccuracy,
    available_metrics,
    resolve_metric,
)
from tinynet.training.metrics import resolve_metrics


def streamed(metric, output, target, batch=7):
    metric = resolve_metric(metric)
    for start in range(0, len(output), batch):
        metric.update(tn.tensor(output[start : start + batch]), tn.tensor(target[start : start + batch]))
    return metric.result()


@pytest.fixture
def scores(rng):
    return rng.normal(size=(50, 12)).astype(np.float32)


@pytest.fixture
def labels(rng):
    return rng.integers(0, 12, 50)


def test_accuracy_and_error_rate(scores, labels):
    expected = np.mean(scores.argmax(axis=1) == labels)
    assert streamed("accuracy", scores, labels) == pytest.approx(expected)
    assert streamed("error_rate", scores, labels) == pytest.approx(1 - expected)
    assert streamed("accuracy", scores, np.eye(12, dtype=np.float32)[labels]) == pytest.approx(expected)
    assert streamed("accuracy", scores, labels.astype(np.uint8)) == pytest.approx(expected)


class ScoresAndMore(NamedTuple):
    features: tn.Tensor
    scores: tn.Tensor


@pytest.mark.parametrize("name", ["accuracy", "error_rate", "top5_accuracy"])
def test_an_output_that_holds_more_names_its_scores(name, scores, labels):
    metric = resolve_metric(name)
    metric.update(ScoresAndMore(tn.tensor(scores[:, :3]), tn.tensor(scores)), tn.tensor(labels))
    assert metric.result() == streamed(name, scores, labels)


def test_models_whose_training_output_holds_more_name_their_scores(rng, labels):
    lengths, others = tn.tensor(rng.random((50, 12))), tn.tensor(rng.random((50, 12)))
    outputs = (
        models.CapsNetOutput(lengths, others, others),
        models.WithAuxiliary(lengths, (others,)),
    )
    for output in outputs:
        metric = Accuracy()
        metric.update(output, tn.tensor(labels))
        assert metric.result() == np.mean(lengths.numpy().argmax(axis=1) == labels)


@pytest.mark.parametrize("k", [1, 3, 5, 12])
def test_top_k_accuracy_against_sorting(scores, labels, k):
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    expected = np.mean((best == labels[:, None]).any(axis=1))
    assert streamed(TopKAccuracy(k), scores, labels) == pytest.approx(expected)


def test_top5_by_name_and_equal_scores(labels):
    flat = np.zeros((50, 12), np.float32)
    assert streamed("top5_accuracy", flat, labels) == pytest.approx(np.mean(labels < 5))
    assert streamed("accuracy", flat, labels) == pytest.approx(np.mean(labels == 0))
    assert resolve_metric("top5_accuracy").name == "top5_accuracy"


def test_scores_that_are_not_numbers_are_never_right(labels):
    broken = np.full((50, 12), np.nan, np.float32)
    assert streamed("top5_accuracy", broken, labels) == 0


def test_accuracy_at_every_position_with_ignored_labels(rng):
    output = rng.normal(size=(6, 5, 4))
    target = rng.integers(0, 4, (6, 5))
    target[2, 1:] = -100
    counted = target != -100
    expected = (output.argmax(axis=-1) == target)[counted].mean()
    assert streamed("accuracy", output, target, batch=4) == pytest.approx(expected)
    assert streamed(TopKAccuracy(1), output, target, batch=4) == pytest.approx(expected)


def test_binary_accuracy_of_probabilities_and_logits(rng):
    logits = rng.normal(size=(40, 1)).astype(np.float32)
    target = rng.integers(0, 2, 40)
    expected = np.mean((logits[:, 0] > 0) == target)
    assert streamed("binary_accuracy", 1 / (1 + np.exp(-logits)), target) == pytest.approx(expected)
    assert streamed(BinaryAccuracy(threshold=0.0), logits, target) == pytest.approx(expected)


def test_errors_of_regression(rng):
    output, target = rng.normal(size=(2, 30, 3))
    difference = output - target
    assert streamed("mean_squared_error", output, target) == pytest.approx(np.mean(difference**2))
    assert streamed("root_mean_squared_error", output, target) == pytest.approx(
        np.sqrt(np.mean(difference**2))
    )
    assert streamed("mean_absolute_error", output, target) == pytest.approx(np.mean(abs(difference)))


def test_callables_give_a_mean_or_a_value_for_each_sample(scores, labels):
    def margin(output, target):
        return output.numpy()[np.arange(len(output)), target.numpy()]

    def mean_margin(output, target):
        return tn.tensor(margin(output, target)).mean()

    expected = scores[np.arange(50), labels].mean()
    assert streamed(margin, scores, labels) == pytest.approx(expected, rel=1e-5)
    assert streamed(mean_margin, scores, labels) == pytest.approx(expected, rel=1e-5)
    assert resolve_metric(mean_margin).name == "mean_margin"


def test_nothing_seen_is_not_a_number_and_reset_forgets(scores, labels):
    metric = Accuracy()
    assert math.isnan(metric.result())
    metric.update(scores, labels)
    metric.reset()
    assert math.isnan(metric.result())


def test_state_goes_on_in_the_middle(scores, labels):
    whole, first, second = Accuracy(), Accuracy(), Accuracy()
    whole.update(scores, labels)
    first.update(scores[:20], labels[:20])
    second.load_state_dict(first.state_dict())
    second.update(scores[20:], labels[20:])
    assert second.result() == whole.result()
    with pytest.raises(ArgumentError, match="metric accuracy: the state should hold total and count"):
        second.load_state_dict({"total": "3", "count": 1})


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ArgumentError, match=r"'acuracy' is not one of accuracy, .*did you mean 'accuracy'\?"):
        resolve_metric("acuracy")
    with pytest.raises(ArgumentError, match="expected a name, a Metric or a callable, not 3"):
        resolve_metric(3)
    with pytest.raises(ArgumentError, match="two metrics are named 'accuracy'"):
        resolve_metrics(["accuracy", Accuracy()])
    for name in available_metrics():
        assert name == "loss" or resolve_metric(name).name == name


def test_the_loss_always_comes_first():
    assert [metric.name for metric in resolve_metrics(["accuracy", "loss"])] == ["loss", "accuracy"]
    assert [metric.name for metric in resolve_metrics("accuracy")] == ["loss", "accuracy"]


def test_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"accuracy: target has shape \(4,\) but output of shape \(5, 3\)"):
        Accuracy().update(np.zeros((5, 3)), np.zeros(4, int))
    with pytest.raises(ShapeError, match=r"binary_accuracy: target has shape \(4,\) but output \(5, 1\)"):
        BinaryAccuracy().update(np.zeros((5, 1)), np.zeros(4))
    with pytest.raises(ArgumentError, match="labels must be integers, not float64"):
        Accuracy().update(np.zeros((5, 3)), np.zeros(5))
    with pytest.raises(ArgumentError, match="k must be at least 1, not 0"):
        TopKAccuracy(0)
    with pytest.raises(TypeError, match="Metric defines no measure"):
        Metric("own").update(np.zeros(3))


@pytest.mark.parametrize("value", [0.1, np.float64(0.1), np.float32(0.5), 3, True])
def test_numbers_that_a_callable_returns_are_kept_exactly(value, cuda):
    for device in ("cpu", cuda):
        metric = resolve_metric(lambda output, target: value)
        with tn.device(device):
            metric.update(tn.tensor(np.zeros((4, 2)), device=device), tn.tensor(np.zeros(4), device=device))
        assert metric.result() == float(value)
        assert metric.state_dict() == {"total": 4 * float(value), "count": 4}
