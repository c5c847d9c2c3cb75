import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet.errors import ArgumentError, ShapeError
from tinynet.training.transfer import LogisticRegression, cross_validate, folds_of
from tinynet.training.transfer.limited_memory_bfgs import minimize


def clouds(rng, count=300, features=6, classes=3, spread=1.5):
    labels = np.arange(count) % classes
    centres = rng.standard_normal((classes, features))
    x = centres[labels] + spread * rng.standard_normal((count, features))
    return 5 + x * np.geomspace(0.01, 100, features), labels


@given(
    seed=st.integers(0, 1000),
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    folds=st.integers(2, 6),
)
@settings(deadline=None, max_examples=50)
def test_folds_share_samples_and_classes_evenly(seed, counts, folds):
    labels = np.repeat(np.arange(len(counts)), counts)
    if len(labels) < folds:
        with pytest.raises(ArgumentError, match="folds should be an integer from 2"):
            folds_of(labels, folds, seed)
        return
    pairs = folds_of(labels, folds, seed)
    assert len(pairs) == folds
    np.testing.assert_array_equal(
        np.sort(np.concatenate([test for _, test in pairs])), np.arange(len(labels))
    )
    for train, test in pairs:
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(labels)))
    for label in range(len(counts)):
        shares = [(labels[test] == label).sum() for _, test in pairs]
        assert max(shares) - min(shares) <= 1
    sizes = [len(test) for _, test in pairs]
    assert max(sizes) - min(sizes) <= 1


def test_folds_come_from_the_seed():
    labels = np.arange(40) % 2
    same = [np.array([test for _, test in folds_of(labels, 4, seed)]) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(same[0], same[1])
    assert not np.array_equal(same[0], same[2])


@pytest.mark.parametrize("folds", [1, 0, 2.0, True])
def test_wrong_numbers_of_folds_are_refused(folds):
    with pytest.raises(ArgumentError, match="folds should be an integer from 2 to the number of samples, 8"):
        folds_of(np.zeros(8, int), folds)


class Recorder:
    """Notes what it is given; is right on samples that it has not seen."""

    seen = frozenset()

    def fit(self, x, labels):
        assert not self.seen  # a copy that nobody has fitted before
        self.seen = frozenset(x.tolist())

    def accuracy(self, x, labels):
        assert (labels == x % 2).all()
        return np.mean([number not in self.seen for number in x.tolist()])


def test_every_sample_is_tested_by_a_classifier_that_has_not_seen_it():
    classifier = Recorder()
    scores = cross_validate(classifier, np.arange(21), np.arange(21) % 2, folds=4)
    np.testing.assert_array_equal(scores, np.ones(4))
    assert not classifier.seen
    with pytest.raises(ShapeError, match="x has 3 samples, but labels have 2"):
        cross_validate(classifier, np.arange(3), np.arange(2))


@pytest.mark.parametrize("penalty", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize(("classes", "scaling"), [(2, "each"), (3, "each"), (5, "each"), (3, "together")])
def test_the_minimum_is_that_of_scikit_learn(rng, penalty, classes, scaling):
    linear_model = pytest.importorskip("sklearn.linear_model", reason="compares with scikit-learn")
    x, y = clouds(rng, classes=classes)
    ours = LogisticRegression(penalty, scaling, steps=2000, tolerance=1e-9).fit(x, y)
    assert ours.converged
    deviation = x.std(axis=0) if scaling == "each" else np.sqrt(x.var(axis=0).mean())
    scaled = (x - x.mean(axis=0)) / deviation
    # One unit more for two classes: scikit-learn then has a single weight vector w in place of −w / 2, w / 2.
    factor = 0.5 if classes == 2 else 1.0
    theirs = linear_model.LogisticRegression(C=1 / (factor * penalty * len(x)), tol=1e-10, max_iter=5000).fit(
        scaled, y
    )
    expected = theirs.predict_proba(scaled)
    logits = ours.logits(x)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), expected, atol=1e-5)
    assert ours.accuracy(x, y) == theirs.score(scaled, y)


def test_the_layer_takes_features_as_they_are(rng):
    x, y = clouds(rng)
    classifier = LogisticRegression(1e-2, "each").fit(x, y)
    assert classifier.network.weight.shape == (6, 3)
    np.testing.assert_allclose(classifier.network(tn.tensor(x)).numpy().argmax(axis=1), classifier.predict(x))
    shifted = LogisticRegression(1e-2, "each").fit(1000 * x - 7, y)
    np.testing.assert_allclose(shifted.logits(1000 * x - 7), classifier.logits(x), rtol=1e-4, atol=1e-5)


def test_features_that_say_nothing_do_no_harm(rng):
    x, y = clouds(rng)
    wider = np.concatenate([x, np.full((len(x), 2), 3.0)], axis=1)
    expected = LogisticRegression(1e-2, "each").fit(x, y).logits(x)
    found = LogisticRegression(1e-2, "each").fit(wider, y).logits(wider)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.isfinite(LogisticRegression().fit(np.ones((4, 2)), [0, 1, 0, 1]).logits(np.ones((1, 2)))).all()


def test_separable_samples_without_a_penalty_end_at_the_last_step(rng):
    x, y = clouds(rng, spread=0.01)
    classifier = LogisticRegression(penalty=0, scaling="each", steps=50, tolerance=0).fit(x, y)
    assert classifier.accuracy(x, y) == 1
    assert not classifier.converged
    assert np.isfinite(classifier.network.weight.numpy()).all()


def test_fitting_leaves_the_default_generator_alone(rng):
    x, y = clouds(rng)
    before = tn.default_generator().get_state()
    LogisticRegression().fit(x, y)
    assert tn.default_generator().get_state() == before


def test_classes_without_samples_get_logits_when_asked_for(rng):
    x, y = clouds(rng)
    assert LogisticRegression().fit(x, y, num_classes=5).logits(x).shape == (300, 5)


def test_wrong_arguments_are_refused(rng):
    x, y = clouds(rng)
    with pytest.raises(ShapeError, match=r"not of shapes \(300, 6\) and \(299,\)"):
        LogisticRegression().fit(x, y[1:])
    with pytest.raises(ShapeError, match=r"not of shapes \(0, 3\)"):
        LogisticRegression().fit(np.zeros((0, 3)), [])
    with pytest.raises(ArgumentError):
        LogisticRegression().fit(x, y - 1)
    with pytest.raises(ArgumentError, match="penalty should be at least 0, not -1"):
        LogisticRegression(penalty=-1)
    with pytest.raises(ArgumentError, match="scaling should be 'together' or 'each', not 'none'"):
        LogisticRegression(scaling="none")
    with pytest.raises(ArgumentError, match="fit it first"):
        LogisticRegression().predict(x)


@given(seed=st.integers(0, 100), size=st.integers(1, 20))
@settings(deadline=None, max_examples=20)
def test_a_quadratic_function_is_minimised(seed, size):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((size, size)) + 3 * np.eye(size)
    curvature, slope = root @ root.T + np.eye(size), rng.standard_normal(size)

    def function(point):
        return point @ curvature @ point / 2 - slope @ point, curvature @ point - slope

    minimum = minimize(function, np.zeros(size), steps=1000, tolerance=1e-8)
    assert minimum.converged
    np.testing.assert_allclose(curvature @ minimum.point, slope, atol=2e-8)


def test_a_curved_valley_is_followed_to_its_end():
    def rosenbrock(point):
        x, y = point
        return (1 - x) ** 2 + 100 * (y - x * x) ** 2, np.array(
            [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)]
        )

    minimum = minimize(rosenbrock, [-1.2, 1.0], steps=200)
    np.testing.assert_allclose(minimum.point, [1, 1], atol=1e-6)
    assert minimum.converged and minimum.steps < 100
    assert minimize(rosenbrock, minimum.point).steps == 0
    assert not minimize(rosenbrock, [-1.2, 1.0], steps=3).converged
