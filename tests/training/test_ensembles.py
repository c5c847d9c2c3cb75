"""Ensembles and ten crops: means of probabilities, also through the trainer."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.data import load_digits, ten_crops
from tinynet.errors import ArgumentError, ShapeError
from tinynet.training import Trainer
from tinynet.training.ensembles import Ensemble, TenCrop, ensemble_accuracy, mean_log_probabilities


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def classifier(seed, features=12, classes=4):
    generator = tn.Generator(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(features, classes, generator=generator))


def test_the_mean_is_that_of_probabilities(rng):
    logits = rng.normal(size=(3, 5, 4)) * 4
    found = mean_log_probabilities(list(logits))
    np.testing.assert_allclose(np.exp(found.numpy()), softmax(logits).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(F.softmax(found).numpy(), softmax(logits).mean(axis=0), rtol=1e-12)


def test_extreme_logits_do_not_overflow():
    sure = np.array([[1e4, -1e4]], np.float32)
    found = mean_log_probabilities([sure, -sure]).numpy()
    np.testing.assert_allclose(found, np.log([[0.5, 0.5]]), rtol=1e-6)
    assert found.dtype == np.float32


def test_a_single_member_answers_as_by_itself(rng):
    x, model = rng.random((6, 2, 2, 3), np.float32), classifier(0)
    np.testing.assert_allclose(
        F.softmax(Ensemble([model])(x)).numpy(), F.softmax(model(x)).numpy(), rtol=1e-5
    )


def test_an_ensemble_is_a_model_for_the_trainer(rng):
    x, y = rng.random((50, 2, 2, 3), np.float32), rng.integers(0, 4, 50)
    members = [classifier(seed) for seed in range(3)]
    ensemble = Ensemble(members)
    assert ensemble.num_parameters() == 3 * members[0].num_parameters()
    mean = np.mean([softmax(Trainer(member).predict(x)) for member in members], axis=0)
    found = Trainer(ensemble).predict(x, batch_size=7)
    np.testing.assert_allclose(softmax(found), mean, rtol=1e-5)
    scores = Trainer(ensemble, loss=F.cross_entropy, metrics=["accuracy"]).evaluate(x, y)
    assert scores["loss"] == pytest.approx(-np.log(mean[np.arange(50), y]).mean(), rel=1e-5)
    assert scores["accuracy"] == pytest.approx((mean.argmax(axis=1) == y).mean())


def test_accuracies_of_members_and_ensemble(rng):
    """Three members, each wrong on other samples: together they are right everywhere."""
    labels = rng.integers(0, 4, 30)
    answers = np.tile(np.eye(4)[labels], (3, 1, 1))
    for member in range(3):
        answers[member, member::3] = np.roll(answers[member, member::3], 1, axis=-1)
    members = []
    for answer in answers:
        layer = nn.Linear(30, 4, bias=False)
        layer.load_state_dict({"weight": 5 * answer})
        members.append(layer)
    found = ensemble_accuracy(Ensemble(members), np.eye(30), labels, batch_size=8)
    assert found.members == pytest.approx((2 / 3,) * 3)
    assert found.ensemble == 1
    assert found.gain == pytest.approx(1 / 3)


def test_an_ensemble_of_trained_networks_beats_the_mean_of_its_members():
    (x, y), (x_test, y_test) = load_digits()
    members = []
    for seed in range(4):
        generator = tn.Generator(seed)
        model = nn.Sequential(
            nn.Flatten(),
            nn.Linear(64, 16, generator=generator),
            nn.ReLU(),
            nn.Linear(16, 10, generator=generator),
        )
        trainer = Trainer(model, optim.Adam(model.parameters(), lr=0.01), F.cross_entropy)
        trainer.fit(x, y, epochs=4, batch_size=32, seed=seed, verbose=0)
        members.append(model)
    found = ensemble_accuracy(Ensemble(members), x_test, y_test)
    assert min(found.members) > 0.8
    assert found.gain > 0


def test_ten_crops_are_averaged(rng):
    x, model = rng.random((5, 4, 6, 3), np.float32), classifier(1)
    expected = np.mean([F.softmax(model(np.ascontiguousarray(c))).numpy() for c in ten_crops(x, 2)], axis=0)
    found = Trainer(TenCrop(model, 2)).predict(x)
    np.testing.assert_allclose(softmax(found), expected, rtol=1e-5)


def test_ten_crops_do_not_see_mirror_images(rng):
    x, model = rng.random((3, 5, 5, 1), np.float32), TenCrop(classifier(2, features=9), 3)
    np.testing.assert_allclose(model(x).numpy(), model(x[:, :, ::-1]).numpy(), rtol=1e-5)
    assert repr(model).startswith("TenCrop(")


def test_errors():
    with pytest.raises(ArgumentError, match="Ensemble: at least one model"):
        Ensemble([])
    with pytest.raises(ShapeError, match=r"3 inputs need labels of shape \(3,\), not \(2,\)"):
        ensemble_accuracy(Ensemble([classifier(0)]), np.ones((3, 2, 2, 3)), [0, 1])
    with pytest.raises(ShapeError, match=r"ten_crops: x has 2×2 pixels .* window of 3×3"):
        TenCrop(classifier(0), 3)(np.ones((1, 2, 2, 3)))
