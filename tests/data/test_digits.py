"""The digits of scikit-learn."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from tinynet.data import load_digits
from tinynet.errors import ArgumentError, MissingExtraError


def test_digits_equal_those_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets", reason="comparison with scikit-learn needs it")
    expected = datasets.load_digits()
    found = load_digits()
    images = np.concatenate([found.train.images, found.test.images])
    labels = np.concatenate([found.train.labels, found.test.labels])
    order = np.random.default_rng(0).permutation(1797)
    order = np.concatenate([order[359:], order[:359]])
    np.testing.assert_array_equal(images[..., 0] * 16, expected.images[order])
    np.testing.assert_array_equal(labels, expected.target[order])
    assert images.dtype == np.float32 and labels.dtype == np.int64


@pytest.fixture
def digits_are_there():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")


@pytest.mark.usefixtures("digits_are_there")
def test_shapes_and_range():
    (x_train, y_train), (x_test, y_test) = load_digits(test_fraction=0.25)
    assert x_train.shape == (1348, 8, 8, 1) and y_train.shape == (1348,)
    assert x_test.shape == (449, 8, 8, 1) and y_test.shape == (449,)
    assert x_train.min() == 0 and x_train.max() == 1
    assert set(y_test) == set(range(10))


@pytest.mark.usefixtures("digits_are_there")
@pytest.mark.parametrize("size", [28, 32])
def test_enlarged(size):
    small, large = load_digits().train.images, load_digits(size=size).train.images
    assert large.shape == (1438, size, size, 1) and large.dtype == np.float32
    assert large.min() >= 0 and large.max() <= 1
    np.testing.assert_allclose(large.mean(), small.mean(), rtol=0.05)


@pytest.mark.usefixtures("digits_are_there")
def test_the_seed_makes_the_split():
    first, again, other = load_digits(seed=1), load_digits(seed=1), load_digits(seed=2)
    np.testing.assert_array_equal(first.test.images, again.test.images)
    assert (first.test.images != other.test.images).any()
    assert load_digits(dtype=np.float64).test.images.dtype == np.float64


@pytest.mark.usefixtures("digits_are_there")
def test_loading_does_not_import_scikit_learn():
    code = (
        "import sys; from tinynet.data import load_digits; load_digits(); assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("fraction", [0, 1, -0.1])
def test_fractions_outside(fraction):
    with pytest.raises(ArgumentError, match="load_digits: test_fraction should be between 0 and 1"):
        load_digits(test_fraction=fraction)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"digits data set needs scikit-learn.*tinynet\[data\]"):
        load_digits()
